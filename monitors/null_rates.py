"""The monitors' rates of false alarms: looked at all the time, one reference after another, or all at once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from monitors import registry, terms, unchanged
from monitors.unchanged import FAMILY, Tally
from monitors.votes import wilson
from telltale.metrics import Metrics
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, references

log = logging.getLogger(__name__)

DAY_S: Final = 86400.0
# The rate is that of so many references, the last ones looked at.
MOST: Final = 200


class NullRates:
    """Looks at one reference at each step, that which it has not looked at for longest."""

    def __init__(self, store: Store, judge: Callable[[int], Tally], metrics: Metrics) -> None:
        self._store = store
        self._judge = judge
        self._ratio = metrics.gauge("telltale_monitor_null_alarm_ratio")
        self._looked: dict[int, float] = {}
        self._tallies: deque[Tally] = deque(maxlen=MOST)

    def step(self, now: float) -> None:
        """Never raises: what is not known stays absent."""
        try:
            number = self._next(now)
            if number is None:
                return
            self._looked[number] = now
            self._tallies.append(self._judge(number))
        except (StoreUnavailable, KeyError):
            return
        except Exception:  # a fault here must not keep the monitors from their next run
            log.exception("the rate of false alarms is not known")
            return
        whole = Tally()
        for tally in self._tallies:
            whole.add(tally)
        for name in registry.names():
            if (ratio := whole.ratio(name)) is not None:
                self._ratio.labels(name).set(ratio)

    def _next(self, now: float) -> int | None:
        with self._store.read() as connection:
            current = [one.id for one in references.current(connection) if one.id is not None]
        self._looked = {number: at for number, at in self._looked.items() if number in current and at <= now}
        due = [number for number in current if now - self._looked.get(number, 0.0) >= DAY_S]
        return min(due, key=lambda number: self._looked.get(number, 0.0), default=None)


def table(settings: Settings, store: Store, model: str | None, show: Callable[[str, float], None]) -> list[str]:
    """What `telltale monitor calibrate` prints. Raises StoreUnavailable."""
    own = terms.of(registry.MONITORS, settings.monitor)
    monitors = [kind.of(one) for kind, one in own.items()]
    with store.read() as connection:
        current = [one for one in references.current(connection) if model in (None, one.model)]
    whole = Tally()
    for place, one in enumerate(current):
        show(" ".join(filter(None, one.series)), place / len(current))
        with store.read() as connection:
            loaded = references.load(connection, one.id or 0)
        whole.add(unchanged.judge(loaded, monitors, settings.monitor.max_rows, settings.monitor.seed))
    if not current:
        return ["no references yet"]
    lines = [
        f"{len(current)} references",
        f"{'monitor':<12} {'windows':>8} {'alarms':>7}   share (95 %)            allowed",
    ]
    allowed = [*((kind.name, term.alpha) for kind, term in own.items()), (FAMILY, settings.monitor.false_alarms)]
    for name, alpha in allowed:
        judged, alarms = whole.windows[name], whole.alarms[name]
        told = "not enough rows, or described by vectors"
        if judged:
            lower, upper = wilson(alarms, judged)
            told = f"{alarms / judged:.2%} ({lower:.2%} to {upper:.2%})"
        lines.append(f"{name:<12} {judged:>8,} {alarms:>7,}   {told:<22}  {alpha:.2%}")
    return lines
