"""Monitors compare windows of samples and votes with a frozen reference; they give scores, gauges and evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from telltale.settings import Settings
    from telltale.store import Store


def main(settings: Settings, once: bool = False) -> int:
    """Run the monitors until SIGTERM or SIGINT, or only `once`.

    Returns an exit code: FAILED when a monitor failed in its only run. Raises UsageError, StoreUnavailable.
    """
    from monitors.serve import judge_once, serve

    return judge_once(settings) if once else serve(settings)


def calibrate(settings: Settings, store: Store, model: str | None, show: Callable[[str, float], None]) -> list[str]:
    """How often monitors take parts of references for changed, as lines of a table; `show` gets how far it is.

    Raises StoreUnavailable.
    """
    from monitors.null_rates import table

    return table(settings, store, model, show)
