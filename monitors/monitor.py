"""What a monitor is. `registry.py` lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from monitors.mark import Mark
from monitors.rows import Comparison, Features, Rows, Side
from telltale.evidence.scores import Finding
from telltale.records import Basis, Direction, Score

Lane = Literal["retrain", "ops"]
"""Whose affair an alert is: that of the people who train models, or of those who run services."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a monitor judges a series: from `least` rows on, with `alpha` false alarms a window.

    `floor` scales how much a feature must move to matter: 1 is the monitor's own floor. `seed` makes draws repeatable.
    `space` names what vectors of texts are made by; empty where there are none.
    """

    least: int
    alpha: float
    floor: float = 1.0
    seed: int = 0
    space: str = ""


class Monitor(Protocol):
    """One question, asked of every window of a series, for each of the directions that it names.

    A monitor is pure: it uses only what it is given. It describes rows, those of the reference once and for all, and
    judges two sides by what it wrote of them. What it found is one of the kinds of evidence in
    `telltale.evidence.scores`, which can show themselves.
    """

    name: ClassVar[str]
    """Published: the label `monitor` of its series."""
    signals: ClassVar[tuple[str, ...]]
    """What it measures: one score each for every window, and the label `signal`."""
    basis: ClassVar[Basis]
    """What its rows are."""
    directions: ClassVar[tuple[Direction, ...]]
    """What of the rows it judges, each by itself."""
    lane: ClassVar[Lane] = "retrain"
    finds: ClassVar[str]
    effect: ClassVar[str]
    """What `Score.effect` and `threshold` measure, with the unit."""
    evidence: ClassVar[type[Finding]]
    method: ClassVar[int] = 1
    """How it describes rows: raised with every change of that, so that no reference is compared by another method."""
    at_once: ClassVar[Mapping[str, float]] = MappingProxyType({})
    """Times its threshold at which one window of a signal is enough, where that is not what persistence says."""
    uses_vectors: ClassVar[bool] = False
    """Whether it judges vectors of texts, where the settings name something that makes them."""
    needs_conversations: ClassVar[bool] = False
    """Whether it reads whole conversations, which are loaded only then."""

    @classmethod
    def of(cls, terms: Terms) -> Self:
        """The monitor on these terms."""
        ...

    def form(self) -> str:
        """How it describes rows, without `/`: what is described otherwise is not compared."""
        return str(self.method)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """What it compares of these rows."""
        ...

    def prepare(self, side: Side) -> Features:
        """What it keeps of a reference: what it wrote, and what can be worked out of that once and for all."""
        return side.features

    def part(self, features: Features, places: NDArray[np.intp]) -> Features:
        """What it would have written of the rows at these places alone."""
        return {name: array[places] for name, array in features.items()}

    def same_hours(self, features: Features, places: NDArray[np.intp]) -> Features:
        """What it compares of a reference with a window of the same hours as the rows at these places."""
        return self.part(features, places)

    def judge(self, comparison: Comparison) -> list[Score]:
        """One score a signal of this window by itself, `ok` or `suspect`; none where nothing can be compared."""
        ...

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        """By how much features differ beyond chance between blocks of a reference and its rest; see Comparison."""
        return {}

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        """What of single rows shows the change of this score; None where no row does by itself.

        `comparison` is what the score was made of. The mark may be asked of other rows of the series too.
        """
        return None

    @classmethod
    def gauges(cls, score: Score) -> Mapping[str, float]:
        """Values of metrics of its own, by name in the catalogue; their labels are model and version."""
        return {}
