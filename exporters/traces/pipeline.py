"""From a decoded request to metrics and stored samples. A request is answered after its samples are committed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from exporters.traces.calls import evaluations, fast_path, log_content, normalise
from exporters.traces.calls.call import Call, CallRef
from exporters.traces.calls.call_index import PriorCall
from exporters.traces.calls.dedup import VENDOR, CallDeduplicator
from exporters.traces.calls.log_content import Pieces, SpanKey
from exporters.traces.calls.stream_waits import StreamWaits
from exporters.traces.decode.protobuf import Group
from exporters.traces.keep.metrics import CallMetrics
from exporters.traces.keep.presidio import Presidio
from exporters.traces.keep.sample_collector import Outcomes, PendingSample, SampleCollector
from telltale.metrics import Metrics
from telltale.records import Feedback, Sample
from telltale.settings import Settings
from telltale.store import Store, access, feedback, samples


class Batch:
    """What became of a request: its calls, items refused with the reason, the commit to wait for (None: nothing).

    The rest is what it takes to act as if the request had not come, when it is refused after all.
    """

    __slots__ = (
        *("again", "calls", "commit", "marked", "outcomes", "reason", "refused", "resent", "told", "tokens", "waited"),
    )

    def __init__(self, refused: int = 0, reason: str = "") -> None:
        self.refused = refused
        self.reason = reason
        self.commit: Future[int] | None = None
        # To be counted, and spans that tell of calls again: of `tokens` the call had said none.
        self.calls: list[Call] = []
        self.again: list[Call] = []
        # Spans that came before, perhaps in a request that is not durable yet.
        self.resent: set[SpanKey] = set()
        self.tokens: list[tuple[Call, PriorCall]] = []
        # Calls counted before that have a sample now, or no longer wait for their content.
        self.marked: list[PriorCall] = []
        self.waited: list[PendingSample] = []
        self.told: list[tuple[SpanKey, Pieces | None]] = []
        self.outcomes = Outcomes()

    def holds(self, spans: set[SpanKey]) -> bool:
        """Whether one of these spans came in this request."""
        if any(span in spans for span, _ in self.told):
            return True
        return any((call.trace_id, call.span_id) in spans for told in (self.calls, self.again) for call in told)


class Pipeline:
    """Normalises, measures, samples, redacts and stores. Safe to use from several threads."""

    def __init__(
        self, settings: Settings, store: Store, registry: CollectorRegistry, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._measure = CallMetrics(settings.prices, settings.collector.max_series)
        self._keeper = SampleCollector(
            settings, registry, store.write(lambda connection: access.secret(connection, "conversation"))
        )
        self._recent = CallDeduplicator()
        self._waits = StreamWaits()
        metrics = Metrics(registry)
        failed = self._keeper.outcome("redaction_failed")
        self._presidio = Presidio(settings.redaction, failed) if settings.redaction.presidio_url else None
        self._spans = metrics.counter("telltale_collector_spans_total")
        self._duplicates = metrics.counter("telltale_collector_duplicates_total")
        self._dropped = metrics.counter("telltale_collector_dropped_total")
        self._table = fast_path.attribute_table(settings.collector.tenant_attributes)
        # Those that are not durable yet.
        self._pending: list[Batch] = []
        self._lock = threading.Lock()

    def ingest_traces(self, found: list[Group], seen: int, tenant: str | None) -> Batch:
        """Queue the samples of a request with `seen` spans, of which these were found; `commit` or `rollback` follows.

        Raises StoreUnavailable when the store takes none, wire.Malformed for spans that cannot be read.
        """
        settings = self._settings.collector
        context = normalise.Context(tenant, settings.tenant_attributes, settings.service_models)
        told = normalise.read(found, context, self._table)
        refused = seen - sum(len(group.starts) for group in found)
        batch = Batch(refused, f"more than {seen - refused} spans in one request" if refused else "")
        with self._lock:
            self._count(told)
            try:
                kept = self._sort_out(told, batch)
                self._queue(batch, kept, [])
            except BaseException:
                # Whatever it was, the request will be sent again, and would be taken for a repeated one.
                self._forget(batch)
                raise
        return batch

    def ingest_logs(self, request: ExportLogsServiceRequest, tenant: str | None) -> Batch:
        """Join content in logs with calls that wait for it, and take evaluations as feedback."""
        batch = Batch()
        with self._lock:
            try:
                kept = []
                for words in log_content.read(request):
                    found = self._keeper.hear(words)
                    if found is not None:
                        batch.waited.append(found[0])
                        kept.append(found[1])
                self._keeper.settle(batch.told, batch.outcomes)
                batch.resent.update(span for span, _ in batch.told)
                judged = self._judged(request, tenant)
                told = [event for event in judged if event is not None]
                batch.refused = len(judged) - len(told)
                batch.reason = evaluations.WHY if batch.refused else ""
                self._queue(batch, kept, told)
            except BaseException:
                # As in `ingest_traces`.
                self._forget(batch)
                raise
        return batch

    def commit(self, batch: Batch) -> None:
        """Count a request's calls, once its samples are durable: what a sender must send again is counted once."""
        with self._lock:
            self._settle(batch)
            self._measure.take(batch.calls, self._clock())
            for call, _ in batch.tokens:
                self._measure.add_tokens(call)
            self._keeper.count(batch.outcomes)

    def rollback(self, batch: Batch) -> None:
        """A request that will be sent again: its calls are not duplicates then."""
        with self._lock:
            self._forget(batch)

    def promote(self, trace_ids: list[bytes], reason: str) -> list[Sample]:
        """Calls not kept that were asked for since, as samples outside the statistics."""
        with self._lock:
            self._keeper.expire(self._clock())
            found = self._keeper.promote(trace_ids, reason)
        return self._presidio.redact(found) if self._presidio else found

    def page(self, openmetrics: bool) -> str:
        """The metrics of calls in the text format that is asked for."""
        with self._lock:
            return self._measure.registry.page(openmetrics)

    def _queue(self, batch: Batch, kept: list[Sample], judged: list[Feedback]) -> None:
        before: list[Future[int]] = []
        if batch.resent:
            # The sender did not wait for the answer. This one must not say more than that one will.
            before = [held.commit for held in self._pending if held.commit is not None and held.holds(batch.resent)]
        if kept or judged:
            self._submit(batch, kept, judged)
            self._pending.append(batch)
        if batch.commit is not None and before:
            before.append(batch.commit)
        if before:
            batch.commit = before[0] if len(before) == 1 else _together(before)

    def _settle(self, batch: Batch) -> None:
        if batch in self._pending:
            self._pending.remove(batch)

    def _submit(self, batch: Batch, kept: list[Sample], judged: list[Feedback]) -> None:
        now = self._clock()
        if self._presidio is not None and kept:
            store = self._store
            batch.commit = self._presidio.submit(kept, lambda seen: store.write(_save(seen, judged, now)))
        else:
            batch.commit = self._store.submit(_save(kept, judged, now))

    def _judged(self, request: ExportLogsServiceRequest, tenant: str | None) -> list[Feedback | None]:
        context = normalise.Context(tenant, self._settings.collector.tenant_attributes, {})
        rules = self._settings.redaction.rules
        return list(
            evaluations.read(
                request,
                lambda sources: normalise.tenant(context, sources),
                self._recent.by_response,
                self._clock(),
                rules,
            )
        )

    def _forget(self, batch: Batch) -> None:
        self._settle(batch)
        self._keeper.settle(batch.told, batch.outcomes)
        for call in batch.calls:
            self._recent.forget(call)
        for call in batch.again:
            self._recent.forget(call)
        for _, seen in batch.tokens:
            seen.has_tokens = False
        for seen in batch.marked:
            seen.has_content = False
        for waiting in batch.waited:
            self._keeper.wait_again(waiting)
        self._keeper.tell_again(batch.told)

    def _count(self, told: normalise.DecodedCalls) -> None:
        for name, number in told.conventions.items():
            self._spans.labels(name).inc(number)
        if told.dropped_attributes or told.dropped_events:
            self._dropped.labels("attributes").inc(told.dropped_attributes)
            self._dropped.labels("events").inc(told.dropped_events)

    def _sort_out(self, told: normalise.DecodedCalls, batch: Batch) -> list[Sample]:
        """Put calls that are not counted yet into the batch; returns samples."""
        # A vendor's SDK tells of a call without content: where both came, the other span counts.
        if VENDOR in told.conventions:
            told.calls.sort(key=lambda held: held.call.convention == VENDOR)
        for wait in told.waits:
            self._waits.add(wait)
        now = self._clock()
        calls = batch.calls
        kept: list[Sample] = []
        for held in told.calls:
            call = held.call
            if call.request_hash is not None:
                self._waits.mend(call)
            seen = self._recent.find(call)
            if seen is not None:
                sample = self._sort_out_again(held, seen, batch, now)
                if sample is not None:
                    kept.append(sample)
                continue
            self._recent.add(call)
            calls.append(call)
            sample = self._keeper.decide(held, now)
            if sample is not None:
                self._recent.newest().has_content = True
                kept.append(sample)
        self._keeper.settle(batch.told, batch.outcomes)
        return kept

    def _sort_out_again(self, held: CallRef, seen: PriorCall, batch: Batch, now: float) -> Sample | None:
        """Of another span of a call take what the first did not hold; a call is drawn once, by its first."""
        call = held.call
        self._duplicates.labels(seen.pair(call)).inc()
        if seen.is_resent(call):
            batch.resent.add((call.trace_id, call.span_id))
            return None
        self._recent.add_again(call, seen)
        batch.again.append(call)
        if not seen.has_tokens and call.has_usage:
            seen.has_tokens = True
            batch.tokens.append((call, seen))
        if seen.has_content:
            return None
        found = self._keeper.fill(held, seen.ids, now)
        if found is None:
            return None
        waiting, sample = found
        batch.waited.append(waiting)
        batch.marked.append(seen)
        seen.has_content = True
        return sample


def _save(kept: list[Sample], judged: list[Feedback], now: float) -> Callable[[Connection], int]:
    """What stores samples and evaluations in one transaction."""

    def write(connection: Connection) -> int:
        stored = samples.save(connection, kept, now)
        for event in judged:
            # The key is a hash of all that was told: the same evaluation again is no conflict.
            feedback.append(connection, event, event.idempotency_key.removeprefix(evaluations.PREFIX))
        return stored

    return write


def _together(commits: list[Future[int]]) -> Future[int]:
    """Done when all of these are; failed when one is."""
    whole: Future[int] = Future()
    left = len(commits)
    lock = threading.Lock()

    def one_is_done(_: Future[int]) -> None:
        nonlocal left
        with lock:
            left -= 1
            if left:
                return
        failed = next((error for commit in commits if (error := commit.exception()) is not None), None)
        if failed is None:
            whole.set_result(sum(commit.result() for commit in commits))
        else:
            whole.set_exception(failed)

    for commit in commits:
        commit.add_done_callback(one_is_done)
    return whole
