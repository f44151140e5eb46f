"""From single windows to an alert: k of the last n windows must show the change, n quiet ones clear it.

One window is enough where the change is twice as large as the threshold: the largest statistics of permutations lie
near it, and fall off so fast beyond (as a Gumbel distribution does) that chance never comes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitors.judgement import is_hit
from telltale.evidence.scores import Persistence
from telltale.records import Judged, Score

AT_ONCE = 2.0


def derive_state(score: Score, earlier: Sequence[Score], need: int, last: int, plain: float = AT_ONCE) -> Score:
    """The score with its state over time; `earlier` are the series' scores of that signal, oldest first.

    One window is enough where the change is `plain` times as large as the threshold.
    """
    windows = [*earlier, score][-last:]
    recent = [*map(is_hit, windows)]
    hits = sum(recent)
    is_plain = is_hit(score) and (score.effect or 0.0) >= plain * (score.threshold or 0.0) > 0
    was_alert = bool(earlier) and earlier[-1].state == "alert"
    state: Judged = (
        "alert" if hits >= need or is_plain or (was_alert and hits) else "suspect" if is_hit(score) else "ok"
    )
    persistence = Persistence(hits, len(recent), need, alert_before=was_alert, at_once=is_plain)
    since = _since(windows, recent) if state != "ok" else None
    return replace(score, state=state, since=since, details=replace(score.details, persistence=persistence))


def begins_alert(score: Score) -> bool:
    """Whether the series turned to alert with this window."""
    persistence = score.details.persistence
    return score.state == "alert" and not (persistence and persistence.alert_before)


def _since(windows: Sequence[Score], hits: Sequence[bool]) -> float | None:
    """The start of the first window that showed the change; those before it are out of sight, but it knows them."""
    first = next((window for window, hit in zip(windows, hits, strict=True) if hit), None)
    if first is None:
        return None
    return first.window_start if first.since is None else min(first.since, first.window_start)
