"""Which samples a trace has: an index in two levels (O'Neil et al., The log-structured merge-tree, 1996).

Trace ids are random. In one index each new sample would change a page of its own: in a large store that is 16 KB read
and written twice for a row of 5. So new entries go to a small level first, and are merged into the large one a range of
ids at a time. The index has the end of each trace id, the part that is random whoever makes it (W3C Trace Context
Level 2, "Random trace-id flag"); a query that finds samples by it compares whole ids too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, and_, delete, literal_column, select, update

from telltale.store.schema import sample_traces, samples

TAIL = 7
PARTS = 32
"""Ranges of trace ids that the small level is split into; they are merged in turn."""
TURN = 1024
"""New samples between two merges; each merges about as many entries."""

_SMALL, _LARGE = _LEVELS = (0, 1)
_TAIL = f"CASE WHEN length(trace_id) > {TAIL} THEN substr(trace_id, length(trace_id) - {TAIL - 1}) ELSE trace_id END"
ADD = f"INSERT INTO sample_traces (level, trace_tail, sample_id) SELECT {_SMALL}, {_TAIL}, id FROM"
"""The statement that adds entries for new samples, but for the table that these are in."""


def merge_due(connection: Connection, last_id: int, new: int) -> None:
    """Merge into the large level what is due after `new` samples, the last of which has `last_id`."""
    for turn in range((last_id - new) // TURN + 1, last_id // TURN + 1):
        connection.execute(_MOVES[turn % PARTS])


def of_traces(trace_ids: Iterable[str]) -> ColumnElement[bool]:
    """The condition that a sample is of one of these traces."""
    known = list(trace_ids)
    entries = sample_traces.c
    tails = [trace_id[-2 * TAIL :] for trace_id in known]
    found = select(entries.sample_id).where(entries.level.in_(_LEVELS), entries.trace_tail.in_(tails))
    return and_(samples.c.id.in_(found), samples.c.trace_id.in_(known))


def delete_entries(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete the entries of the samples for which `which`, a condition over `samples`, holds: before they go."""
    entries = sample_traces.c
    tails: Any = select(literal_column(_TAIL)).select_from(samples).where(which)
    # As a sum, or SQLite would look in the index for every trace with every id.
    of_those = (entries.sample_id + 0).in_(select(samples.c.id).where(which))
    connection.execute(delete(sample_traces).where(entries.level.in_(_LEVELS), entries.trace_tail.in_(tails), of_those))


def _move(part: int) -> Update:
    entries, width = sample_traces.c, 256 // PARTS
    query = update(sample_traces).where(entries.level == _SMALL).values(level=_LARGE)
    if part > 0:
        query = query.where(entries.trace_tail >= f"{part * width:02x}")
    if part < PARTS - 1:
        query = query.where(entries.trace_tail < f"{(part + 1) * width:02x}")
    return query


_MOVES = [_move(part) for part in range(PARTS)]
