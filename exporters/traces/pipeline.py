"""From a decoded request to metrics and stored samples. A request is answered after its samples are committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

from exporters.traces import content, normalise, spans
from exporters.traces.measure import Measure
from exporters.traces.ring import Ring
from exporters.traces.sampling import Sampler
from telltale.metrics import Metrics
from telltale.records import Call, Sample
from telltale.redaction import redact
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, samples

ERRORS_PER_MINUTE = 20.0
RECENT = 0.99


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a request: its calls, spans refused with the reason, the commit to wait for (None: no samples)."""

    calls: tuple[Call, ...]
    refused: int
    reason: str
    commit: Future[int] | None


class Pipeline:
    """Normalises, measures, samples, redacts and stores. Safe to use from several threads."""

    def __init__(
        self, settings: Settings, store: Store, registry: CollectorRegistry, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._measure = Measure(registry, settings.prices, settings.collector.max_series)
        self._sampler = Sampler(settings.sampling.per_minute)
        self._errors = Sampler(ERRORS_PER_MINUTE)
        self.ring = Ring(settings.sampling.ring_bytes, settings.sampling.ring_age)
        metrics = Metrics(registry)
        self._spans = metrics.counter("telltale_collector_spans_total")
        self._duplicates = metrics.counter("telltale_collector_duplicates_total")
        self._samples = metrics.counter("telltale_samples_total")
        for outcome in ("kept", "not_sampled", "no_content", "promoted"):
            self._samples.labels(outcome)
        self._coverage = metrics.gauge("telltale_collector_content_coverage_ratio")
        self._lock = threading.Lock()
        self._covered: float | None = None
        self._recent_ids: dict[tuple[str, str], None] = {}

    def take(self, request: ExportTraceServiceRequest, tenant: str | None) -> Batch:
        """Queue a request's samples; `done` or `forget` follows. Raises StoreUnavailable when the store takes none."""
        with self._lock:
            calls, kept, seen = self._read(request, tenant)
            most = self._settings.collector.max_spans
            refused = max(0, seen - most)
            reason = f"more than {most} spans in one request" if refused else ""
            batch = Batch(tuple(calls), refused, reason, None)
            if not kept:
                return batch
            now = self._clock()
            try:
                commit = self._store.submit(lambda c: samples.save(c, kept, now))
            except StoreUnavailable:
                self._forget(calls)
                raise
            return replace(batch, commit=commit)

    def done(self, batch: Batch) -> None:
        """Count a request's calls, once its samples are durable: what a sender must send again is counted once."""
        with self._lock:
            for call in batch.calls:
                self._measure.add(call)

    def forget(self, batch: Batch) -> None:
        """A request that will be sent again: its calls are not duplicates then."""
        with self._lock:
            self._forget(batch.calls)

    def _read(self, request: ExportTraceServiceRequest, tenant: str | None) -> tuple[list[Call], list[Sample], int]:
        settings = self._settings.collector
        context = normalise.Context(tenant, settings.tenant_attributes, settings.service_models)
        calls: list[Call] = []
        kept: list[Sample] = []
        seen = 0
        for seen, span in enumerate(spans.read(request), 1):
            if seen > settings.max_spans:
                continue
            call = normalise.call(span, context)
            self._spans.labels(call.convention if call else "none").inc()
            if call is None or self._is_duplicate(call):
                continue
            calls.append(call)
            if sample := self._sample(call, span):
                kept.append(sample)
        return calls, kept, seen

    def _forget(self, calls: Iterable[Call]) -> None:
        for call in calls:
            if call.response_id is not None:
                self._recent_ids.pop((call.layer, call.response_id), None)

    def promote(self, trace_ids: list[str], reason: str) -> list[Sample]:
        """Calls out of the ring that were asked for, as samples outside the statistics."""
        with self._lock:
            found = [sample for trace_id in trace_ids for sample in self.ring.take(trace_id)]
        self._samples.labels("promoted").inc(len(found))
        return [_promoted(sample, reason) for sample in found]

    def _sample(self, call: Call, span: spans.Span) -> Sample | None:
        a = span.attributes
        prompt = content.last_input(a.get("gen_ai.input.messages"))
        response = content.output(a.get("gen_ai.output.messages"))
        self._cover(call, bool(prompt or response))
        if not prompt and not response:
            self._samples.labels("no_content").inc()
            return None
        now = self._clock()
        stratum = (call.model or "", call.tenant, call.layer)
        probability = self._sampler.keep(stratum, call.trace_id, now)
        sample = self._redacted(call, prompt, response, probability)
        if probability is not None:
            self._samples.labels("kept").inc()
            return sample
        if call.status == "error" and self._errors.keep(stratum, call.trace_id, now) is not None:
            self._samples.labels("promoted").inc()
            return _promoted(sample, "error")
        self._samples.labels("not_sampled").inc()
        self.ring.add(sample, now)
        return None

    def _redacted(self, call: Call, prompt: str, response: str, probability: float | None) -> Sample:
        most, rules = self._settings.collector.max_text_bytes, self._settings.redaction.rules
        prompt, removed = redact(prompt[:most], rules)
        response, removed_too = redact(response[:most], rules)
        for kind, number in removed_too.items():
            removed[kind] = removed.get(kind, 0) + number
        return Sample(
            trace_id=call.trace_id,
            span_id=call.span_id,
            observed_at=call.start_unix_s + call.duration_s,
            tenant=call.tenant,
            model=call.model or "unknown",
            version=call.version or "unknown",
            layer=call.layer,
            operation=call.operation,
            status=call.status,
            prompt=prompt.replace("\0", ""),
            response=response.replace("\0", ""),
            inclusion_probability=probability,
            conversation_id=call.conversation_id,
            finish_reason=call.finish_reasons[0] if call.finish_reasons else None,
            error_type=call.error_type,
            duration_s=call.duration_s,
            ttft_s=call.ttft_s,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            redactions=removed,
        )

    def _is_duplicate(self, call: Call) -> bool:
        """Whether another span told of this call already, by its response id, at the same layer."""
        if call.response_id is None:
            return False
        key = (call.layer, call.response_id)
        if key in self._recent_ids:
            self._duplicates.labels("response_id").inc()
            return True
        self._recent_ids[key] = None
        if len(self._recent_ids) > 100_000:
            del self._recent_ids[next(iter(self._recent_ids))]
        return False

    def _cover(self, call: Call, has_content: bool) -> None:
        if call.layer != "client" or call.status != "ok":
            return
        value = float(has_content)
        self._covered = value if self._covered is None else RECENT * self._covered + (1 - RECENT) * value
        self._coverage.set(self._covered)


def _promoted(sample: Sample, reason: str) -> Sample:
    return replace(sample, inclusion_probability=None, promoted_by=reason)
