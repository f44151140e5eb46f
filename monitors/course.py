"""Which window of a series each monitor judges next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitors import windows
from monitors.monitor import Monitor
from monitors.windows import Window


@dataclass(frozen=True, slots=True)
class Pace:
    """A monitor's window begins at `start`, has at least `least` rows, and a multiple of `step` stretches."""

    start: float
    least: int
    step: int = 1


class Course:
    """The way of all monitors of a series through its windows, from the oldest to the last that is over.

    `counts` are the rows of stretches of `length` seconds; windows end by `until`.
    """

    def __init__(self, counts: Mapping[int, int], until: float, length: float, paces: Mapping[Monitor, Pace]) -> None:
        self._counts = counts
        self._until = until
        self._length = length
        self._paces = paces
        self._nexts = {monitor: self._following(monitor, pace.start) for monitor, pace in paces.items()}

    def due(self) -> tuple[Window, list[Monitor]] | None:
        """The oldest window that is over, and the monitors that judge it; None when none is left."""
        over = {monitor: window for monitor, window in self._nexts.items() if window.is_over}
        if not over:
            return None
        window = min(over.values())
        return window, [monitor for monitor in over if over[monitor] == window]

    def passed(self, window: Window, done: Sequence[Monitor], stuck: Sequence[Monitor]) -> None:
        """Go on after a window; monitors that are stuck are left where they are."""
        for monitor in done:
            self._nexts[monitor] = self._following(monitor, window.end)
        for monitor in stuck:
            del self._nexts[monitor]

    def gathering(self) -> Iterator[tuple[Monitor, Window]]:
        """Monitors whose next window has too few rows so far."""
        return ((monitor, window) for monitor, window in self._nexts.items() if not window.is_over)

    def _following(self, monitor: Monitor, start: float) -> Window:
        pace = self._paces[monitor]
        return windows.following(self._counts, start, self._until, self._length, pace.least, pace.step)
