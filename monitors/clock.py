"""A clock that was ahead: what was judged in its future is no progress once it is right again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from monitors.states import Key
from telltale.store import Store, scores, series_states
from telltale.store.series_states import SeriesStatus

log = logging.getLogger(__name__)

REASON = "the clock was set back: windows from now on are judged"


def is_ahead(at: float | None, now: float, length: float) -> bool:
    """Whether a time lies so far in the future that another clock wrote it; within a window ours catches up."""
    return at is not None and at > now + length


def set_back(
    store: Store, known: Sequence[tuple[Key, SeriesStatus]], now: float, until: float, length: float
) -> dict[Key, SeriesStatus]:
    """Let monitors that are ahead of the clock go on where they were before, or at the last window that is over.

    Returns what changed, stored. Raises StoreUnavailable.
    """
    ahead = [(key, status) for key, status in known if is_ahead(status.judged_until, now, length)]
    if not ahead:
        return {}
    with store.read() as connection:
        ends = {key: scores.last_end(connection, status.monitor, status.series, now) for key, status in ahead}
    found = {
        key: replace(
            status, state="gathering", reason=REASON, changed_at=now, seen_at=now, rows=0, score_id=None,
            judged_until=until - length if (end := ends[key]) is None else end,
        )
        for key, status in ahead
    }  # fmt: skip
    store.write(lambda connection: series_states.save(connection, list(found.values())))
    log.warning("the clock was set back: %d series are judged from now on", len(found))
    return found
