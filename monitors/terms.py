"""On which terms each monitor judges: what settings give it, and its share of the false alarms of a series. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from monitors.monitor import Monitor, Terms
from telltale.settings import Monitor as Settings
from telltale.settings import OneMonitor


def of(monitors: Iterable[type[Monitor]], settings: Settings, space: str = "") -> dict[type[Monitor], Terms]:
    """The terms of every monitor that is enabled; `space` names what makes vectors of texts.

    `monitor.alpha` holds as long as all tests of a series together have no more than `monitor.false_alarms`
    (Bonferroni); beyond that those without an `alpha` of their own share what the others leave. A monitor with several
    signals shares its own among them.
    """
    enabled = [monitor for monitor in monitors if own(monitor, settings).enabled]
    tests = {monitor: len(monitor.directions) for monitor in enabled}
    chosen = {monitor: alpha for monitor in enabled if (alpha := own(monitor, settings).alpha) is not None}
    rest = sum(number for monitor, number in tests.items() if monitor not in chosen)
    left = settings.false_alarms - sum(alpha * tests[monitor] for monitor, alpha in chosen.items())
    shared = min(settings.alpha, max(left, 0.1 * settings.alpha) / rest) if rest else settings.alpha
    return {
        monitor: Terms(
            least=own(monitor, settings).min_rows or least(monitor, settings),
            alpha=chosen.get(monitor, shared),
            floor=own(monitor, settings).floor,
            seed=settings.seed,
            space=space,
        )
        for monitor in enabled
    }


def own(monitor: type[Monitor], settings: Settings) -> OneMonitor:
    """What the settings say of one monitor."""
    return settings.only.get(monitor.name) or OneMonitor()


def least(monitor: type[Monitor], settings: Settings) -> int:
    """The rows that a monitor needs, where the settings name none for it."""
    return settings.min_votes if monitor.basis == "votes" else settings.min_rows
