"""The order in which a request becomes metrics and stored samples, and its end: commit or rollback.

A request gets its response once its samples are durable. Only then is it counted; until then its journal can undo its
changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from exporters.traces.calls import evaluations, fast_path, log_content, normalise
from exporters.traces.calls.call import Call, CallRef
from exporters.traces.calls.call_index import PriorCall
from exporters.traces.calls.dedup import CallDeduplicator, note_content, vendor_last
from exporters.traces.calls.evaluations import Judged
from exporters.traces.calls.log_content import Logged
from exporters.traces.calls.owners import SpanKey
from exporters.traces.calls.same_call import VENDOR
from exporters.traces.calls.stream_waits import StreamWaits, Wait
from exporters.traces.core.journal import Journal, Journals
from exporters.traces.decode.faults import Faults
from exporters.traces.decode.otlp_protobuf import Group
from exporters.traces.keep import sample_groups
from exporters.traces.keep.metrics import CallMetrics
from exporters.traces.keep.redacting import SampleRedactor
from exporters.traces.keep.sample_collector import SampleCollector
from exporters.traces.keep.span_metrics import SpanMetrics
from exporters.traces.keep.tally import Tally
from exporters.traces.keep.uncounted import UncountedCalls
from exporters.traces.keep.unsampled import Wanted
from telltale.feedback import SUBJECT_KEY
from telltale.feedback_count import EventCount
from telltale.metrics import Metrics
from telltale.records import Feedback, Sample
from telltale.settings import Settings
from telltale.store import Store, access, feedback, samples


class Refusal(NamedTuple):
    """Items of a request that are refused: how many and why; `reason` is the counter's label."""

    reason: str
    number: int
    why: str


class DecodedLogs(NamedTuple):
    """What records tell of conversations, and evaluations, None for one without a result."""

    logged: list[tuple[SpanKey, Logged]]
    judged: list[Judged | None]


class Batch:
    """A request in progress: which of its items were refused, what it changed, and what it will count."""

    __slots__ = ("journal", "refusals", "tally")

    def __init__(self, journal: Journal, refusals: Iterable[Refusal] = ()) -> None:
        self.journal = journal
        self.tally = Tally()
        self.refusals = [refusal for refusal in refusals if refusal.number]

    @property
    def refused(self) -> int:
        """How many items were refused."""
        return sum([refusal.number for refusal in self.refusals])

    @property
    def commit(self) -> Future[int] | None:
        """What to wait for before the response; None: nothing."""
        return self.journal.durable


class Pipeline:
    """Normalises, measures, samples, redacts and stores. Safe to use from several threads."""

    def __init__(
        self, settings: Settings, store: Store, registry: CollectorRegistry, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._table = fast_path.attribute_table(settings.collector.tenant_attributes)
        self._dedup = CallDeduplicator()
        self._waits = StreamWaits()
        self._collector = SampleCollector(settings, registry, self._dedup.at_hand)
        # For names of conversations that would tell who had them.
        key = store.write(lambda connection: access.secret(connection, "conversation"))
        people = store.write(lambda connection: access.secret(connection, SUBJECT_KEY))
        self._redactor = SampleRedactor(settings, key, people, self._collector.outcome("redaction_failed"))
        self._calls = CallMetrics(settings.prices, settings.collector.max_series)
        self._uncounted = UncountedCalls(self._calls, self._dedup.families, self._collector.add_late_reasons)
        self._spans = SpanMetrics(registry)
        self.feedback_events = EventCount(Metrics(registry))
        self._journals = Journals()
        self._lock = threading.Lock()

    def decode(self, found: list[Group], tenant: str | None, faults: Faults | None = None) -> normalise.DecodedCalls:
        """The calls among these spans; nothing changes, so any thread may do it.

        Spans that cannot be read go to `faults`; raises protobuf.Malformed for one where none are given.
        """
        return normalise.read(found, self._context(tenant), self._table, faults)

    def ingest_traces(self, decoded: normalise.DecodedCalls, refusals: Iterable[Refusal] = ()) -> Batch:
        """Queue the samples of a request with these calls, from which these spans were left out.

        `commit` or `rollback` follows. Raises StoreUnavailable when the store takes none.
        """
        with self._lock:
            batch = Batch(self._journals.begin(), refusals)
            try:
                self._submit(batch, self._sample_spans(decoded, batch), [])
            except BaseException:
                # Whatever it was, the request will be sent again, and would be taken for a repeated one.
                self._journals.rollback(batch.journal)
                raise
        return batch

    def decode_logs(self, request: ExportLogsServiceRequest, tenant: str | None) -> DecodedLogs:
        """What these records tell; nothing changes, so any thread may do it."""
        context, rules = self._context(tenant), self._settings.redaction.rules
        judged = evaluations.read(request, partial(normalise.tenant, context), self._clock(), rules)
        return DecodedLogs(list(log_content.read(request, context)), list(judged))

    def ingest_logs(
        self,
        request: ExportLogsServiceRequest,
        tenant: str | None,
        decoded: DecodedLogs | None = None,
        refusals: Iterable[Refusal] = (),
    ) -> Batch:
        """Join content in logs with calls that wait for it, and take evaluations as feedback; otherwise as above."""
        if decoded is None:
            decoded = self.decode_logs(request, tenant)
        with self._lock:
            batch = Batch(self._journals.begin(), refusals)
            try:
                found = self._sample_logs(decoded.logged, batch)
                self._submit(batch, found, self._evaluations(decoded.judged, bool(tenant), batch))
            except BaseException:
                # As in `ingest_traces`.
                self._journals.rollback(batch.journal)
                raise
        return batch

    def commit(self, batch: Batch) -> None:
        """Count a request whose samples are durable."""
        with self._lock:
            if not self._journals.commit(batch.journal):
                return
            now, tally = self._clock(), batch.tally
            self._spans.count(tally)
            self._calls.observe_lag(tally.calls, now)
            self._uncounted.accept(tally.calls)
            self._uncounted.accept(tally.again)
            for pending, _, _ in tally.waiting:
                # Another span of the call may have what this one, which was read beside the loop, has not.
                known = self._dedup.numbered(pending.call.number)
                if known is not None:
                    known.has_content = False
            self._collector.count(tally, now)
            for event in tally.evaluations:
                self.feedback_events.add(event)

    def rollback(self, batch: Batch) -> None:
        """Undo a request that is refused after all, and all that build on it: they will be sent again."""
        with self._lock:
            self._journals.rollback(batch.journal)

    def promote(self, wanted: Wanted, reason: str) -> list[Sample]:
        """Unsampled calls that their tenants asked for since, as samples outside the statistics.

        With them come sampled calls that were given up, of which something is known: a prompt without its answer.
        """
        with self._lock:
            now, tally = self._clock(), Tally()
            late = self._collector.expire(now)
            # Nobody undoes it: the caller has the samples from here on.
            found = self._collector.promote(wanted, reason, Journals().begin(), tally)
            self._collector.count(tally, now)
        return self._redactor.redact([*late, *found])

    def page(self, openmetrics: bool) -> str:
        """The metrics of calls in the text format that is asked for."""
        with self._lock:
            self._uncounted.count()
            return self._calls.registry.page(openmetrics)

    def _context(self, tenant: str | None) -> normalise.Context:
        """How to read what comes with a key of this tenant, or without a key."""
        settings = self._settings.collector
        return normalise.Context(tenant, settings.tenant_attributes, settings.service_models)

    def _sample_spans(self, decoded: normalise.DecodedCalls, batch: Batch) -> list[Sample]:
        journal, tally = batch.journal, batch.tally
        tally.conventions, tally.operations = decoded.conventions, decoded.operations
        tally.dropped_attributes, tally.dropped_events = decoded.dropped_attributes, decoded.dropped_events
        if VENDOR in decoded.conventions:
            vendor_last(decoded.calls)
        for wait in decoded.waits:
            self._add_wait(wait, batch)
        firsts: list[CallRef] = []
        again: list[tuple[CallRef, PriorCall]] = []
        for ref in decoded.calls:
            call = ref.call
            place: Call | None = None
            if call.request_hash is not None:
                place = self._waits.complete(call, journal)
            self._collector.add_reasons(call, journal)
            prior = self._dedup.merge(call, journal, place)
            if place is not None and place.number >= 0:
                tally.again.append(place)
            if prior is None:
                tally.calls.append(call)
                firsts.append(ref)
            else:
                tally.add_duplicate(prior.pair(call))
                if not prior.is_resent(call):
                    again.append((ref, prior))
                    if call.has_relatives:
                        tally.again.append(call)
        return self._sample(firsts, again, batch)

    def _sample(self, firsts: list[CallRef], again: list[tuple[CallRef, PriorCall]], batch: Batch) -> list[Sample]:
        """The samples of calls, and of those to which further spans add their content."""
        journal, tally = batch.journal, batch.tally
        others: list[sample_groups.Other] = []
        beside: dict[int, list[CallRef]] = {}
        if again:
            firsts, others, beside = sample_groups.best_first(firsts, again, self._dedup)
        now = self._clock()
        found: list[Sample] = []
        for ref in firsts:
            more = beside.get(int(ref.call.number)) if beside else None
            late = len(tally.late)
            sample = self._collector.decide(ref, now, journal, tally, more)
            if sample is not None:
                found.append(sample)
            elif len(tally.late) == late:
                continue
            known = self._dedup.numbered(ref.call.number)
            if known is not None:
                known.has_content = True
        for other in others:
            first = other.prior.span_key
            if other.prior.has_content and not self._collector.is_read_later(first):
                continue
            late = len(tally.late)
            sample = self._collector.complete(other.ref, first, journal, tally, other.whole)
            if sample is not None:
                found.append(sample)
            if sample is not None or len(tally.late) > late:
                note_content(other.prior, journal)
        return found

    def _add_wait(self, wait: Wait, batch: Batch) -> None:
        """Note the wait before a stream, which may have come before it."""
        stream = self._waits.add(wait, batch.journal)
        if stream is not None:
            place = wait.place_of(stream)
            self._dedup.merge_place(place, stream, batch.journal)
            if place.number >= 0:
                batch.tally.again.append(place)

    def _sample_logs(self, logged: list[tuple[SpanKey, Logged]], batch: Batch) -> list[Sample]:
        found: list[Sample] = []
        for span, said in logged:
            sample = self._collector.join(span, said, batch.journal, batch.tally)
            if sample is not None:
                found.append(sample)
        return found

    def _evaluations(self, judged: list[Judged | None], by_key: bool, batch: Batch) -> list[Feedback]:
        """The evaluations in a request of logs, those that cannot be used counted as refused."""
        usable: list[Feedback] = []
        for one in judged:
            event = None
            if one is not None:
                event = evaluations.placed(
                    one, lambda response_id, owner: self._span_of(response_id, owner, by_key, batch.journal)
                )
            if event is not None:
                usable.append(event)
        if len(usable) < len(judged):
            batch.refusals.append(Refusal("evaluation", len(judged) - len(usable), evaluations.WHY))
        return usable

    def _span_of(self, response_id: str, tenant: str, by_key: bool, journal: Journal) -> tuple[bytes, bytes] | None:
        prior = self._dedup.by_response(response_id, tenant, by_key)
        if prior is None:
            return None
        journal.reads_call(prior.number)
        span = prior.span_key
        return span.trace_id, span.span_id

    def _submit(self, batch: Batch, found: list[Sample], judged: list[Feedback]) -> None:
        """Hand what is to be stored to the store, redacted."""
        stored: Future[int] | None = None
        now, store, tally, collector = self._clock(), self._store, batch.tally, self._collector
        if found or judged or tally.late:
            stored = self._redactor.save(
                found,
                tally.late,
                lambda late: collector.read_late(late, tally),
                lambda redacted: store.submit(_save(redacted, judged, now, tally)),
                lambda redacted: store.write(_save(redacted, judged, now, tally)),
            )
        batch.journal.wait_for(stored)
        if batch.commit is not None:
            self._collector.detach(batch.tally)


def _save(found: list[Sample], judged: list[Feedback], now: float, tally: Tally) -> Callable[[Connection], int]:
    """What stores samples and evaluations in one transaction, and notes which of these are new."""

    def write(connection: Connection) -> int:
        stored = samples.save(connection, found, now)
        # The key is a hash of the whole evaluation: the same one again is no conflict. The writer may run this twice.
        tally.evaluations = [
            event
            for event in judged
            if not feedback.append(connection, event, event.idempotency_key.removeprefix(evaluations.PREFIX))[1]
        ]
        return stored

    return write
