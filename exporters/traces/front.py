"""What both OTLP fronts share: who sends, how much is in work, what became of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client import CollectorRegistry

from exporters.traces import bodies
from exporters.traces.bodies import Refused
from exporters.traces.pipeline import Batch, Pipeline
from telltale.metrics import Metrics
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, access

Signal = Literal["traces", "logs"]

RETRY_AFTER_S = 1
SCOPE = "otlp:write"
# A key is looked up in the store once in this time: a revoked one works no longer than that.
KEY_CACHE_S = 30.0


class Busy(Exception):
    """Nothing is wrong with the request; the sender must come again in RETRY_AFTER_S seconds."""


class Front:
    """Takes one request body at a time through decoding and the pipeline."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pipeline: Pipeline,
        registry: CollectorRegistry,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings.collector
        self._store = store
        self._pipeline = pipeline
        self._clock = clock
        metrics = Metrics(registry)
        self._rejected = metrics.counter("telltale_collector_rejected_total")
        self._queue = metrics.gauge("telltale_collector_queue_bytes")
        self._queue.set_function(lambda: float(self._in_flight))
        self._in_flight = 0
        self._lock = threading.Lock()
        self._tenants: dict[str, tuple[str | None, float]] = {}

    def enter(self, size: int) -> None:
        """Account for a body. Raises Refused when it is too large, Busy when too much is in work."""
        if size > self._settings.max_body_bytes:
            self.refuse("too_large")
            raise Refused("too_large", 413, f"the body is larger than {self._settings.max_body_bytes} bytes")
        with self._lock:
            if self._in_flight + size > self._settings.max_in_flight_bytes:
                self.refuse("busy")
                raise Busy("too many requests in work")
            self._in_flight += size

    def leave(self, size: int) -> None:
        with self._lock:
            self._in_flight -= size

    def take(
        self, body: bytes, encoding: str, content_type: str, authorization: str, signal: Signal = "traces"
    ) -> Batch:
        """Decode and queue a body. Raises Refused or Busy."""
        try:
            tenant = self._tenant(authorization)
            plain = bodies.decompress(body, encoding, self._settings.max_decompressed_bytes)
            if signal == "logs":
                return self._pipeline.hear(bodies.decode(plain, content_type, ExportLogsServiceRequest))
            found, seen = bodies.spans(plain, content_type, self._settings.max_spans)
            return self._pipeline.take(found, seen, tenant)
        except Refused as error:
            self.refuse(error.reason)
            raise
        except StoreUnavailable as error:
            self.refuse("store_unavailable")
            raise Busy(str(error)) from error

    def finish(self, batch: Batch, commit: Future[int] | None) -> ExportTraceServiceResponse:
        """The answer to a request whose commit is done. Raises Busy when the store did not take it."""
        try:
            if commit is not None:
                commit.result()
        except StoreUnavailable as error:
            self._pipeline.forget(batch)
            self.refuse("store_unavailable")
            raise Busy(str(error)) from error
        self._pipeline.done(batch)
        answer = ExportTraceServiceResponse()
        if batch.refused:
            self._rejected.labels("too_many_spans").inc(batch.refused)
            answer.partial_success.rejected_spans = batch.refused
            answer.partial_success.error_message = batch.reason
        return answer

    def refuse(self, reason: str) -> None:
        self._rejected.labels(reason).inc()

    def _tenant(self, authorization: str) -> str | None:
        secret = authorization.removeprefix("Bearer ").strip()
        if secret.startswith(access.KEY_PREFIX):
            now = self._clock()
            known = self._tenants.get(secret)
            if known is None or known[1] < now - KEY_CACHE_S:
                known = self._tenants[secret] = (self._lookup(secret, now), now)
                if len(self._tenants) > 1000:
                    del self._tenants[next(iter(self._tenants))]
            if known[0] is not None:
                return known[0]
            raise Refused("unauthenticated", 401, f"the key is unknown, expired or without the scope {SCOPE}")
        if self._settings.require_key:
            raise Refused("unauthenticated", 401, "send Authorization: Bearer tt_…; `telltale key add` makes a key")
        return None

    def _lookup(self, secret: str, now: float) -> str | None:
        with self._store.read() as connection:
            key = access.find_key(connection, secret, now)
        return key.tenant if key and SCOPE in key.scopes else None
