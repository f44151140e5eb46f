"""Say that something failed: what and where, and nothing of what people said."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


def tell(what: str, model: str, why: str) -> None:
    """Log a fault; `why` is `told` of the error."""
    log.error("%s of %s failed: %s", what, model, why)


def told(error: Exception) -> str:
    """An error by its kind and place; its message and values may contain user content."""
    line = error.__traceback__
    while line and line.tb_next:
        line = line.tb_next
    where = f"{line.tb_frame.f_code.co_filename}:{line.tb_lineno}" if line else "?"
    return f"{type(error).__name__} at {where}"
