"""From single windows to an alert: k of the last n windows must show the change, n quiet ones clear it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitors.judgement import is_hit
from telltale.evidence.scores import Persistence
from telltale.records import Score, ScoreState


def derive_state(score: Score, earlier: Sequence[Score], need: int, last: int) -> Score:
    """The score with its state over time; `earlier` are the series' scores, oldest first."""
    if score.state == "insufficient_data":
        return score
    judged = [found for found in earlier if found.state != "insufficient_data"]
    recent = [*map(is_hit, judged), is_hit(score)][-last:]
    hits = sum(recent)
    was_alert = bool(judged) and judged[-1].state == "alert"
    state: ScoreState = "alert" if hits >= need or (was_alert and hits) else "suspect" if is_hit(score) else "ok"
    persistence = Persistence(hits, len(recent), need, alert_before=was_alert)
    return replace(score, state=state, details=replace(score.details, persistence=persistence))


def begins_alert(score: Score) -> bool:
    """Whether the series turned to alert with this window."""
    persistence = score.details.persistence
    return score.state == "alert" and not (persistence and persistence.alert_before)
