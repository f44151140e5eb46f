"""One window of a series: what every monitor makes of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from monitors import false_alarms, placing, references
from monitors.monitor import Monitor, Terms
from monitors.persistence import AT_ONCE, derive_state
from monitors.rows import LEAST_PLACED, Comparison, Rows, side
from telltale.evidence.scores import Examples
from telltale.records import Basis, Direction, Score, Series
from telltale.store.references import Reference

EXAMPLES = 8
# Of fewer groups too few permutations can be made to tell a change from chance.
LEAST_GROUPS = 8


@dataclass(slots=True)
class Judgement:
    """What one monitor makes of one window: scores, and why directions have none."""

    scores: list[Score] = field(default_factory=list)
    unjudged: dict[Direction, str] = field(default_factory=dict)


def judge(
    monitor: Monitor, least: int, series: Series, basis: Basis, start: float, end: float, rows: Rows,
    reference: Reference, season: str, earlier: Sequence[Score], persistence: tuple[int, int],
) -> Judgement:  # fmt: skip
    """A monitor's judgement of a window; `earlier` are its scores of the series, oldest first."""
    made = Judgement()
    for direction in monitor.directions:
        found = _compare(monitor, least, series, basis, direction, start, end, rows, reference, season)
        if isinstance(found, str):
            made.unjudged[direction] = found
            continue
        comparison, examples, judged = found
        before = tuple([one for one in earlier if one.direction == direction and _is_against(one, reference)])
        single = monitor.judge(replace(comparison, earlier=before))
        if not single:
            made.unjudged[direction] = "nothing in the rows can be compared"
        expected = _expected(monitor, comparison, persistence)
        for score in single:
            details = replace(
                score.details, examples=_of(score, judged, examples), reference_id=reference.id,
                method=monitor.form(), false_alarms_a_week=expected,
            )  # fmt: skip
            same = [one for one in before if one.signal == score.signal]
            plain = monitor.at_once.get(score.signal, AT_ONCE)
            made.scores.append(derive_state(replace(score, details=details), same, *persistence, plain))
    return made


def _is_against(earlier: Score, reference: Reference) -> bool:
    """Whether an earlier score counts with this window: what differed from another reference says nothing of this."""
    return earlier.details.reference_id == reference.id


def _compare(
    monitor: Monitor, least: int, series: Series, basis: Basis, direction: Direction, start: float, end: float,
    rows: Rows, reference: Reference, season: str,
) -> tuple[Comparison, Examples, Rows] | str:  # fmt: skip
    """The two sides with examples and the window's rows, or why they cannot be compared."""
    what = "votes" if basis == "votes" else f"{direction}s"
    if monitor.uses_vectors and rows.spaces:
        what = f"{what} with vectors"
        if not rows.is_placed(direction):
            texts, found = rows.placed(direction)
            return f"{found} of {texts} {direction}s came with vectors of one model, {LEAST_PLACED:.0%} needed"
    judged = rows.judged(direction, placed=monitor.uses_vectors)
    if len(judged) < least:
        return f"{len(judged)} {what} in {len(rows)} rows, {least} needed"
    needed = min(LEAST_GROUPS, least)
    if (groups := len(set(judged.groups))) < needed:
        return f"{len(judged)} {what} of {groups} conversations or users, {needed} needed"
    known = references.learned(reference, monitor, direction)
    if known is None:
        return "the reference does not know this monitor"
    if len(known.side) < least:
        return f"the reference has {len(known.side)} {what}, {least} needed"
    described = monitor.describe(judged, direction)
    if why := placing.unlike(described, known.side.features):
        return why
    known = references.in_season(known, monitor, start, end, season, least, max(least, len(judged)))
    comparison = Comparison(
        series,
        basis,
        direction,
        start,
        end,
        side(judged, described),
        known.side,
        known.factors,
    )
    return comparison, _examples(judged, known), judged


def _expected(monitor: Monitor, comparison: Comparison, persistence: tuple[int, int]) -> float | None:
    """False alarms a week; of a monitor that keeps no terms they are not known."""
    terms = getattr(monitor, "terms", None)
    if not isinstance(terms, Terms):
        return None
    rows, length = (len(comparison.current), len(comparison.reference)), comparison.end - comparison.start
    return round(false_alarms.a_week(terms.alpha, length, persistence, *rows, len(monitor.directions)), 5)


def _of(score: Score, judged: Rows, examples: Examples) -> Examples:
    """The rows that a monitor names as showing the change best, else any."""
    named = score.details.examples
    return replace(examples, current=tuple([judged.ids[place] for place in named.current])) if named else examples


def _examples(judged: Rows, known: references.Learned) -> Examples:
    negative = [sample for sample, vote in zip(judged.ids, judged.votes, strict=True) if vote] if judged.votes else []
    current = judged.ids if judged.texts else tuple(negative)
    return Examples(current[:EXAMPLES], known.examples)
