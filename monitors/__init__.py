"""Monitors compare windows of samples and votes with a frozen reference; they give scores, gauges and evidence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from telltale.settings import Settings
    from telltale.store import Store

# Matrices are small here: on a busy machine threads of BLAS wait for each other longer than they work. It is read when
# numpy is first imported, which nothing but the monitors does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(settings: Settings) -> int:
    """Run the monitors until SIGTERM or SIGINT. Returns an exit code. Raises UsageError, StoreUnavailable."""
    from monitors.serve import serve

    return serve(settings)


def once(settings: Settings, store: Store, show: Callable[[str, float], None]) -> tuple[int, list[str]]:
    """Judge what is due and end; `show` gets how far it is. Returns how many scores are new, and who failed.

    Raises UsageError, StoreUnavailable.
    """
    from monitors.serve import judge_once

    return judge_once(settings, store, show)


def look_back(
    settings: Settings, store: Store, span: tuple[float, float], model: str | None,
    reference: tuple[float, float] | None, show: Callable[[str, float], None],
) -> tuple[list[str], list[dict[str, Any]], bool]:  # fmt: skip
    """Judge windows of a past time, of one model or all, and store nothing; `show` gets how far it is.

    What they are compared with is frozen of the time `reference`, else it is what it was then. Returns lines of a
    table, the same as JSON has it, and whether nothing failed. Raises UsageError, StoreUnavailable.
    """
    from monitors import backtest_lines, past

    frozen = past.Span(*reference) if reference else None
    found = past.judge(store, settings.monitor, past.Span(*span), model, frozen, show)
    is_whole = not any(one.failed for one in found)
    return list(backtest_lines.lines(found)), backtest_lines.document(found), is_whole


def calibrate(settings: Settings, store: Store, model: str | None, show: Callable[[str, float], None]) -> list[str]:
    """How often monitors take parts of references for changed, as lines of a table; `show` gets how far it is.

    Raises StoreUnavailable.
    """
    from monitors.null_rates import table

    return table(settings, store, model, show)


def changed(store: Store, now: float) -> list[str]:
    """Which series changed in the last day, as lines. Raises StoreUnavailable."""
    from monitors.digest import DAY_S, lines
    from telltale.store import scores

    with store.read() as connection:
        return lines(scores.load(connection, since=now - DAY_S), now)
