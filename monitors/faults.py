"""Say that something failed: what and where, and nothing of what people said."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


def tell(what: str, model: str, error: Exception) -> None:
    """Log a fault by its kind and place; the message and the values may contain user content."""
    line = error.__traceback__
    while line and line.tb_next:
        line = line.tb_next
    where = f"{line.tb_frame.f_code.co_filename}:{line.tb_lineno}" if line else "?"
    log.error("%s of %s failed: %s at %s", what, model, type(error).__name__, where)
