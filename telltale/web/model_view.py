"""What is known of one model: what the monitors say of its series, and the references that these are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from pydantic import ValidationError
from sqlalchemy import Connection

from telltale.evidence import codec
from telltale.records import Basis, Score, Series, SeriesState
from telltale.store import evidently_reports, references, scores, series_states
from telltale.store.evidently_reports import EvidentlyReport
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus

# From worst to best: a model is shown as its worst series.
STATES: Final[tuple[SeriesState, ...]] = (
    *("alert", "suspect", "stale", "not_enough_data", "no_reference", "gathering", "ok"),
)
GAPS: Final = {"stale", "not_enough_data", "no_reference", "gathering"}
ReferenceState = Literal["asked", "refused", "current", "old"]
MAX_REFERENCES: Final = 100
MAX_REPORTS: Final = 2000


@dataclass(frozen=True, slots=True)
class Judged:
    """What one monitor says of a series, with its newest score and what it compares with, where there are such."""

    status: SeriesStatus
    score: Score | None
    reference: Reference | None

    @property
    def basis(self) -> Basis:
        return basis(self.status)

    @property
    def told(self) -> str:
        """What changed, in a sentence or two, while it shows; empty where nothing explains it."""
        explanation = self.score.details.explanation if self.score else None
        return explanation.sentence if explanation and self.status.state in ("alert", "suspect") else ""


@dataclass(slots=True)
class SeriesRow:
    """A series with all that monitors say of it."""

    series: Series
    judged: list[Judged] = field(default_factory=list)
    reports: list[EvidentlyReport] = field(default_factory=list)
    """The newest Evidently report of each direction whose page is kept."""

    @property
    def state(self) -> SeriesState:
        return worst([one.status for one in self.judged])

    @property
    def compared_with(self) -> dict[Basis, Reference | None]:
        """The reference of each basis; None where there is none yet."""
        found: dict[Basis, Reference | None] = {}
        for one in self.judged:
            found[one.basis] = found.get(one.basis) or one.reference
        return found


@dataclass(frozen=True, slots=True)
class Repeated:
    """Prompts of a reference that are nearly identical; `example` is one of them, for those who may read it."""

    rows: int = 0
    share: float = 0.0
    left_out: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A reference and what was found in it."""

    reference: Reference
    state: ReferenceState
    refused: str
    repeated: Sequence[Repeated]
    restless: Mapping[str, Sequence[str]]
    """Features that differ between its own blocks, by monitor and direction: such changes count less."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model's series, the worst first, and its references, the newest first."""

    model: str
    rows: Sequence[SeriesRow]
    references: Sequence[ReferenceRow]

    def row(self, series: Series) -> SeriesRow | None:
        return next((row for row in self.rows if row.series == series), None)


def load(connection: Connection, model: str, *, may_read: bool) -> ModelView | None:
    """What is known of a model; None where nothing is. Examples of prompts only if `may_read`."""
    newest = {score.id: score for score in scores.latest(connection, model=model)}
    kept = references.history(connection, model, MAX_REFERENCES)
    current = [one for one in references.current(connection) if one.series.model == model]
    by_id = {one.id: one for one in (*kept, *current)}
    rows: dict[Series, SeriesRow] = {}
    for status in series_states.load(connection, model=model):
        row = rows.setdefault(status.series, SeriesRow(status.series))
        row.judged.append(Judged(status, newest.get(status.score_id), by_id.get(status.reference_id)))
    if not rows and not kept:
        return None
    for report in evidently_reports.of_model(connection, model, MAX_REPORTS):
        if report.evidence_id is not None and report.series in rows:
            rows[report.series].reports.append(report)
    ordered = sorted(rows.values(), key=lambda row: (STATES.index(row.state), row.series))
    shown = sorted(by_id.values(), key=lambda one: -(one.id or 0))
    return ModelView(model, ordered, [_reference(one, may_read) for one in shown])


def basis(status: SeriesStatus) -> Basis:
    """What is counted in that direction."""
    return "votes" if status.direction == "feedback" else "calls"


def worst(statuses: Sequence[SeriesStatus]) -> SeriesState:
    """Of one status or more: a change before anything; what is judged in part is not shown as its gaps are."""
    found = {status.state for status in statuses}
    return min(found - (GAPS if "ok" in found else set()), key=STATES.index)


def _reference(reference: Reference, may_read: bool) -> ReferenceRow:
    try:
        checks = codec.load(_Checks, dict(reference.checks))
    except ValidationError:
        checks = _Checks()
    repeated = checks.repeated if may_read else tuple(replace(one, example="") for one in checks.repeated)
    return ReferenceRow(reference, _state(reference, checks), checks.refused, repeated, checks.restless)


def _state(reference: Reference, checks: _Checks) -> ReferenceState:
    if reference.frozen_at is None:
        return "asked"
    if checks.refused:
        return "refused"
    return "current" if reference.is_current else "old"


@dataclass(frozen=True, slots=True)
class _Checks:
    """What the monitors keep of their checks of a reference."""

    refused: str = ""
    repeated: tuple[Repeated, ...] = ()
    restless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
