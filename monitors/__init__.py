"""Monitors compare windows of samples and votes with a frozen reference; they give scores, gauges and evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telltale.settings import Settings


def main(settings: Settings, once: bool = False) -> int:
    """Run the monitors until SIGTERM or SIGINT, or only `once`.

    Returns an exit code: FAILED when a monitor failed in its only run. Raises UsageError, StoreUnavailable.
    """
    from monitors.serve import judge_once, serve

    return judge_once(settings) if once else serve(settings)
