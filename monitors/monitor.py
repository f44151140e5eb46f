"""What a monitor is. `registry.py` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, Self

from telltale.evidence.scores import Finding
from telltale.records import Direction, Score, Window
from telltale.settings import Monitor as MonitorSettings


class Monitor(Protocol):
    """One question, asked of every window of the directions it names.

    A monitor is pure: it uses only the window and its own fields. It reports what it found as one of the kinds of
    evidence in `telltale.evidence.scores`, which can show themselves.
    """

    name: ClassVar[str]
    """Published: the label `monitor` of its series."""
    signals: ClassVar[tuple[str, ...]]
    """What it measures: one score each for every window, and the label `signal`."""
    directions: ClassVar[tuple[Direction, ...]]
    """The rows it needs: prompts, responses (at least `monitor.min_rows`) or feedback (`monitor.min_votes`)."""
    finds: ClassVar[str]
    effect: ClassVar[str]
    """What `Score.effect` and `threshold` measure, with the unit."""
    evidence: ClassVar[type[Finding]]
    is_calibrated: ClassVar[bool] = False
    """Whether its threshold is raised by how much the reference's own blocks differ (`Window.calibration`)."""

    @classmethod
    def of(cls, settings: MonitorSettings) -> Self:
        """The monitor as the settings want it."""
        ...

    def judge(self, window: Window) -> list[Score]:
        """One score a signal, of this window by itself: `insufficient_data`, `ok` or `suspect`."""
        ...

    @classmethod
    def gauges(cls, score: Score) -> Mapping[str, float]:
        """Values of metrics of its own, by name in the catalogue; their labels are model and version."""
        return {}
