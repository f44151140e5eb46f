"""From single windows to an alert: k of the last n windows must show the change, n quiet ones clear it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitors.judgement import HIT
from telltale.records import Score, ScoreState

GOES_ON = "alert_goes_on"
"""In a score's details: whether the series was in alert before this window."""


def settle(score: Score, earlier: Sequence[Score], need: int, last: int) -> Score:
    """The score with its state over time; `earlier` are the series' judged scores, oldest first."""
    if score.state == "insufficient_data":
        return score
    recent = [*(_hit(found) for found in earlier), _hit(score)][-last:]
    hits = sum(recent)
    was_alert = bool(earlier) and earlier[-1].state == "alert"
    state: ScoreState = "alert" if hits >= need or (was_alert and hits) else "suspect" if _hit(score) else "ok"
    seen = {"windows_hit": hits, "windows_seen": len(recent), "windows_needed": need}
    details = {**score.details, **seen, GOES_ON: was_alert}
    return replace(score, state=state, details=details)


def _hit(score: Score) -> bool:
    return bool(score.details.get(HIT))
