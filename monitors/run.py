"""What one run over the store knows, and passes on from series to series."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitors.reading import VotesRead
from monitors.states import Key
from telltale.records import Basis, Series
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus


@dataclass(slots=True)
class Run:
    """`known` and `found` are what was said of series before and is now; `current` are their references."""

    now: float
    until: float
    known: dict[Key, SeriesStatus]
    current: dict[tuple[Series, Basis], Reference]
    found: list[SeriesStatus] = field(default_factory=list)
    scores: int = 0
    votes: VotesRead = field(default_factory=VotesRead)
