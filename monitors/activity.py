"""How many rows each series has in each stretch of time: kept in memory, brought up to date by what arrived since.

A series without news costs nothing, and no window is read before it is due.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from monitors import windows
from monitors.series import SeriesTable, names
from telltale.feedback import concerns_votes, match
from telltale.records import Basis, Feedback, Sample, Series
from telltale.settings import Split
from telltale.store import feedback, samples, traffic

# Votes whose call is not known wait for it: it may be promoted a little later.
PATIENCE_S: Final = 3600.0
MOST_WAITING: Final = 10_000
ROWS_AT_ONCE: Final = 5000
# Databases take a bounded number of values in one statement.
TRACES_AT_ONCE: Final = 1000


class Activity:
    """Rows of every series by basis and stretch of `length` seconds, from `since` on."""

    def __init__(self, splits: Sequence[Split], most: int, length: float, since: float) -> None:
        self._names = names(splits)
        self._length = length
        self._since = since
        self._last_sample: int | None = None
        self._last_event: int | None = None
        self._waiting: list[Feedback] = []
        self._counts: dict[tuple[Basis, Series], Counter[int]] = defaultdict(Counter)
        self.table = SeriesTable(splits, most)

    def read(self, connection: Connection, now: float) -> None:
        """Take what arrived since the last time."""
        if self._last_sample is None:
            self._last_sample = traffic.first_id_since(connection, self._since) - 1
        newest = traffic.last_id(connection)
        if newest > self._last_sample:
            found = traffic.arrived(connection, self._names, self._last_sample, newest, self._length)
            # Which versions there are is known from calls that went well.
            for row in sorted(found, key=lambda row: not row.went_well):
                if not row.went_well and not self._is_version(row.model, row.version):
                    continue
                for series in self.table.of(row.model, row.version, row.values, row.rows):
                    self._counts["calls", series][row.bin] += row.rows
            self._last_sample = newest
        self._read_votes(connection, now)

    def counts(self, basis: Basis, series: Series) -> Counter[int]:
        """Rows by stretch of time."""
        return self._counts[basis, series]

    def forget(self, now: float, retention: float) -> None:
        """Forget stretches whose rows are deleted by now, and series that had none since.

        A clock that is far ahead for a moment must not make it forget what is still to be judged.
        """
        newest = max((max(counts) for counts in self._counts.values() if counts), default=0) * self._length
        first = windows.number(min(now, newest) - retention, self._length)
        for counts in self._counts.values():
            for place in [place for place in counts if place < first]:
                del counts[place]
        for key in [key for key, counts in self._counts.items() if not counts]:
            del self._counts[key]
        self.table.keep({series for _, series in self._counts})

    def series_of(self, call: Sample) -> list[Series]:
        """The series that a call belongs to."""
        if call.status != "ok" and not self._is_version(call.model, call.version):
            return []
        told = [getattr(call, name) if name in traffic.COLUMNS else call.attributes.get(name) for name in self._names]
        return self.table.of(call.model, call.version, told, 0)

    def _is_version(self, model: str, version: str) -> bool:
        """Whether a call that did not go well tells its version.

        Where nothing served a call, nothing told its version: it has the model's name for one, which is none unless
        calls that went well have it too.
        """
        return version != model or Series(model, version) in self.table

    def _read_votes(self, connection: Connection, now: float) -> None:
        while True:
            found = feedback.load(
                connection,
                after_id=self._last_event,
                since=self._since if self._last_event is None else None,
                limit=ROWS_AT_ONCE,
            )
            if not found:
                break
            self._last_event = found[-1].id
            self._waiting += [event for event in found if concerns_votes(event) and event.kind != "retract"]
        about = match(self._waiting, calls_of(connection, self._waiting))
        for event, call in about.items():
            for series in self.series_of(call):
                self._counts["votes", series][windows.number(event.received_at, self._length)] += 1
        self._waiting = [
            event for event in self._waiting if event not in about and event.received_at > now - PATIENCE_S
        ][-MOST_WAITING:]


def calls_of(connection: Connection, events: Sequence[Feedback]) -> list[Sample]:
    """Every call of the events' traces, of all models, without what was said."""
    traces = sorted({event.trace_id for event in events})
    return [
        sample
        for begin in range(0, len(traces), TRACES_AT_ONCE)
        for sample in samples.load(connection, trace_ids=traces[begin : begin + TRACES_AT_ONCE], texts=False)
    ]
