"""What the monitors leave in the store when they have judged windows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from telltale.records import Score
from telltale.store import scores, series_states
from telltale.store.series_states import SeriesStatus


def save_judged(connection: Connection, judged: Sequence[Score]) -> None:
    """Scores, oldest first, and each series in the state of its newest."""
    newest = {
        (score.monitor, score.signal, score.direction, score.series): SeriesStatus(
            score.monitor, score.signal, score.direction, *score.series, score.state, "", score.window_end,
            score.window_end, judged_until=score.window_end, rows=score.samples, score_id=score_id,
        )
        for score, score_id in zip(judged, scores.save(connection, judged), strict=True)
    }  # fmt: skip
    series_states.save(connection, list(newest.values()))
