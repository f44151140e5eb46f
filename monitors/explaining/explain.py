"""The explanation of one score that shows a change, from the rows that were judged. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitors import references
from monitors.explaining import sentence
from monitors.explaining.measure import measure
from monitors.explaining.onset import onset
from monitors.explaining.phrases import TIMES, phrases
from monitors.explaining.segments import Marked, segments
from monitors.explaining.themes import Cluster, themes
from monitors.mark import Mark
from monitors.monitor import Monitor
from monitors.rows import Comparison, Rows, side
from telltale.evidence.explanation import Explanation, Onset, Phrase, Segments, Theme
from telltale.records import Basis, Score
from telltale.store.references import Reference

# Of a typical text of the reference so much is kept.
LONGEST_TEXT = 500
# What most rows have on both sides says nothing of what they are about.
MOST_OF_ROWS = 0.5


@dataclass(frozen=True, slots=True)
class Window:
    """What a score was made of: the rows of its window and its reference, as they were judged.

    `before` are rows of the time before the window: a change may have begun there. `earlier` are the series' scores
    that count with this one, oldest first.
    """

    rows: Rows
    before: Rows
    reference: Reference
    basis: Basis
    season: str = "none"
    least: int = 1
    seed: int = 0


def explain(monitor: Monitor, score: Score, window: Window, earlier: Sequence[Score] = ()) -> Explanation:
    """What a score's change is, as far as single rows tell; else what its finding tells."""
    sides = _sides(monitor, score, window)
    mark = monitor.mark(sides.comparison, score) if sides else None
    if sides is None or mark is None:
        return Explanation(sentence.of_finding(score, score.details.finding))
    comparison = sides.comparison
    now, known = mark.values(comparison.current), mark.values(comparison.reference)
    found = measure(mark, comparison.current, comparison.reference)
    rises = found.current >= found.reference
    began = known_onset(score, earlier) or _onset(monitor, mark, sides, now, rises, window.seed)
    where = _segments(sides, now, known, rises)
    typical, about = _texts(sides, mark, now, known, rises, window.seed)
    return Explanation(sentence.of_mark(score, mark, found, began, where), found, began, where, typical, about)


def known_onset(score: Score, earlier: Sequence[Score]) -> Onset | None:
    """When this change began, as an earlier window that showed it found."""
    if score.since is None:
        return None
    found = [
        one.details.explanation.onset
        for one in earlier
        if (one.signal, one.direction) == (score.signal, score.direction)
        and one.details.reference_id == score.details.reference_id
        and one.window_start >= score.since
        and one.details.explanation is not None
    ]
    return next((one for one in reversed(found) if one is not None), None)


@dataclass(frozen=True, slots=True)
class _Sides:
    """The comparison, with the rows that its sides were described from. `known` is empty where they are not known."""

    comparison: Comparison
    rows: Rows
    before: Rows
    known: Rows


def _sides(monitor: Monitor, score: Score, window: Window) -> _Sides | None:
    direction, reference = score.direction, window.reference
    placed = monitor.uses_vectors
    judged, before = (rows.judged(direction, placed=placed) for rows in (window.rows, window.before))
    learned = references.learned(reference, monitor, direction)
    if learned is None or not len(judged) or not len(learned.side):
        return None
    rows = references.rows(reference).judged(direction)
    rows = rows if len(rows) == len(learned.side) else Rows()
    start, end, least = score.window_start, score.window_end, window.least
    season = references.in_season(learned, monitor, start, end, window.season, least, max(least, len(judged)))
    if len(season.side) != len(learned.side) and len(rows):
        rows = rows.take(np.flatnonzero(np.isin(np.asarray(rows.times), season.times)).tolist())
    comparison = Comparison(
        score.series, window.basis, direction, score.window_start, score.window_end,
        side(judged, monitor.describe(judged, direction)), season.side, season.factors,
    )  # fmt: skip
    return _Sides(comparison, judged, before, rows if len(rows) == len(season.side) else Rows())


def _onset(
    monitor: Monitor, mark: Mark, sides: _Sides, now: NDArray[np.float64], rises: bool, seed: int
) -> Onset | None:
    direction, rows, before = sides.comparison.direction, sides.rows, sides.before
    if not len(before):
        values, weights = now, np.asarray(rows.weights, dtype=np.float64)
    else:
        described = side(before, monitor.describe(before, direction))
        values = np.concatenate([mark.values(described), now])
        weights = np.asarray([*before.weights, *rows.weights], dtype=np.float64)
    times, groups = (*before.times, *rows.times), (*before.groups, *rows.groups)
    return onset(values, times, groups, weights / weights.mean(), mark.unit, rises, seed)


def _segments(sides: _Sides, now: NDArray[np.float64], known: NDArray[np.float64], rises: bool) -> Segments:
    if not len(sides.known):
        return Segments("unknown")
    low, high = np.quantile(np.concatenate([now, known]), [0.01, 0.99]) if _is_size(now, known) else (0.0, 1.0)
    # One text of a hundred thousand characters must not be the whole change.
    now, known = now.clip(low, high), known.clip(low, high)
    weights = sides.comparison.current.weights, sides.comparison.reference.weights
    if (weights[0] @ now / weights[0].sum() >= weights[1] @ known / weights[1].sum()) != rises:
        return Segments("unknown")
    return segments(Marked(sides.rows, now, weights[0]), Marked(sides.known, known, weights[1]))


def _is_size(*sides: NDArray[np.float64]) -> bool:
    return any(bool(np.any((side != 0) & (side != 1))) for side in sides)


def _texts(
    sides: _Sides, mark: Mark, now: NDArray[np.float64], known: NDArray[np.float64], rises: bool, seed: int
) -> tuple[tuple[Phrase, ...], tuple[Theme, ...]]:
    """What the rows that show the change say: those of the window, or those of the reference that are fewer now."""
    direction = sides.comparison.direction
    rows, other, values, values_other = (
        (sides.rows, sides.known, now, known) if rises else (sides.known, sides.rows, known, now)
    )
    if mark.unit != "percent" or direction not in rows.texts:
        return (), ()
    texts, others = (tuple([text or "" for text in one.texts.get(direction, ())]) for one in (rows, other))
    if min(now.mean(), known.mean()) > MOST_OF_ROWS:
        return (), ()
    marked = values > 0
    told = [text for text, is_told in zip(texts, marked, strict=True) if is_told]
    groups = [group for group, is_told in zip(rows.groups, marked, strict=True) if is_told]
    elsewhere = [text for text, is_told in zip(others, values_other > 0, strict=False) if is_told]
    found = themes(texts, rows.groups, marked, elsewhere, seed)
    return phrases(told, groups, others), tuple([_theme(one, rows, texts, len(others), rises) for one in found])


def _theme(cluster: Cluster, rows: Rows, texts: Sequence[str], others: int, rises: bool) -> Theme:
    weights = np.asarray(rows.weights)
    share = float(weights[list(cluster.places)].sum() / weights.sum())
    elsewhere = cluster.elsewhere / others if others else 0.0
    is_other = share >= TIMES * elsewhere
    if rises:
        ids = tuple([rows.ids[place] for place in cluster.typical])
        return Theme(cluster.name, "new" if is_other else "grown", share, elsewhere, ids=ids)
    told = tuple([texts[place][:LONGEST_TEXT] for place in cluster.typical])
    return Theme(cluster.name, "gone" if is_other else "shrunk", elsewhere, share, texts=told)
