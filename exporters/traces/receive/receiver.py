"""What both OTLP fronts share: who sends, how much is in work, what became of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal, get_args

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from exporters.traces.decode import bodies, protobuf
from exporters.traces.decode.bodies import Refused
from exporters.traces.pipeline import Batch, Pipeline
from exporters.traces.receive import langfuse_scores
from exporters.traces.receive.keys import FEEDBACK_SCOPE, Keys
from exporters.traces.receive.langfuse_scores import Refusal
from exporters.traces.receive.outage_log import OutageLog
from telltale.feedback import fingerprint
from telltale.metrics import Metrics
from telltale.records import Feedback
from telltale.settings import Settings
from telltale.store import Store, StoreBusy, StoreUnavailable, feedback
from telltale.store.errors import Conflict

Signal = Literal["traces", "logs", "metrics", "scores"]
Answer = ExportTraceServiceResponse | ExportLogsServiceResponse

RETRY_AFTER_S = 1


class Busy(Exception):
    """Nothing is wrong with the request; the sender must come again in RETRY_AFTER_S seconds.

    `full` says that a queue of ours is full, not that the store is away.
    """

    def __init__(self, message: str, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class Receiver:
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
        self._feedback = pipeline.feedback_events
        requests = metrics.counter("telltale_collector_requests_total")
        self._requests = {signal: requests.labels(signal) for signal in get_args(Signal)}
        self._queue = metrics.gauge("telltale_collector_queue_bytes")
        self._queue.set_function(lambda: float(self._in_flight))
        self._in_flight = 0
        self._lock = threading.Lock()
        self._keys = Keys(store, clock, settings.collector.require_key)
        self._rules = settings.redaction.rules
        self._complaints = OutageLog(time.monotonic)

    def enter(self, size: int) -> None:
        """Account for a body. Raises Refused when it is too large, Busy when too much is in work."""
        if size > self._settings.max_body_bytes:
            self.refuse("too_large")
            raise Refused("too_large", 413, f"the body is larger than {self._settings.max_body_bytes} bytes")
        with self._lock:
            if self._in_flight + size > self._settings.max_in_flight_bytes:
                self.refuse("busy")
                raise Busy("too many requests in work", full=True)
            self._in_flight += size

    def leave(self, size: int) -> None:
        with self._lock:
            self._in_flight -= size

    def ask(self, authorization: str) -> Future[None] | None:
        """Have the store asked about a sender's key: what to wait for before `take`, or None."""
        return self._keys.ask(authorization)

    def close(self) -> None:
        """Nobody waits for keys any more."""
        self._keys.close()

    def hear(self, asked: Future[None]) -> None:
        """Raises Busy where the store did not answer."""
        try:
            asked.result()
        except StoreUnavailable as error:
            raise self._busy(error) from error

    def pass_over(self, authorization: str) -> None:
        """Take a sender's own metrics, so that SDKs that send all three signals raise no errors, and keep none.

        Raises Refused or Busy.
        """
        try:
            self._keys.tenant(authorization)
        except Refused as error:
            self.refuse(error.reason)
            raise
        except StoreUnavailable as error:
            raise self._busy(error) from error
        self.accept("metrics")

    def take(
        self, body: bytes, encoding: str, content_type: str, authorization: str, signal: Signal = "traces"
    ) -> Batch:
        """Decode and queue a body. Raises Refused or Busy."""
        try:
            tenant = self._keys.tenant(authorization)
            limit = self._settings.max_decompressed_bytes
            if signal == "logs":
                request = bodies.logs(body, encoding, content_type, limit, self._settings.max_spans)
                return self._pipeline.ingest_logs(request, tenant)
            found, seen = bodies.spans(body, encoding, content_type, limit, self._settings.max_spans)
            return self._pipeline.ingest_traces(found, seen, tenant)
        except protobuf.Malformed as error:
            self.refuse("malformed")
            raise Refused("malformed", 400, f"the body is not an ExportTraceServiceRequest: {error}") from error
        except Refused as error:
            self.refuse(error.reason)
            raise
        except StoreUnavailable as error:
            raise self._busy(error) from error

    def score(self, body: bytes, encoding: str, path: str, authorization: str) -> tuple[list[str], list[Refusal]]:
        """Store feedback in Langfuse's form. Returns which are stored and which refused. Raises Refused or Busy."""
        try:
            tenant = self._keys.tenant(authorization, FEEDBACK_SCOPE)
            if tenant is None:
                raise Refused("unauthenticated", 401, f"feedback needs a key with the scope {FEEDBACK_SCOPE}")
            plain = bodies.decompress(body, encoding, self._settings.max_decompressed_bytes)
            try:
                found, refused = langfuse_scores.read(plain, path)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise Refused("malformed", 400, "the body holds no scores") from error
            events = list(langfuse_scores.events(found, tenant, self._clock(), self._rules))
            valid = [(name, event) for name, event in events if isinstance(event, Feedback)]
            refused += [(name, why) for name, why in events if isinstance(why, str)]
            stored, conflicts, new = self._store.write(lambda c: _append(c, valid))
        except Refused as error:
            self.refuse(error.reason)
            raise
        except StoreUnavailable as error:
            raise self._busy(error) from error
        self._complaints.over()
        for event in new:
            self._feedback.labels(event.kind).inc()
        self.accept("scores")
        return stored, refused + conflicts

    def unready(self) -> str | None:
        """Why senders had better go elsewhere, in one line: the store did not take the last write.

        Asking has it tried again, for nobody sends to what is not ready.
        """
        refusal = self._store.refusal
        if refusal is None:
            return None
        self._store.try_again()
        return f"the store took no write: {refusal}"

    def _busy(self, error: StoreUnavailable) -> Busy:
        self.refuse("store_unavailable")
        self._complaints.add(str(error))
        if isinstance(error, StoreBusy):
            return Busy(str(error), full=True)
        # Why is in the log: a driver's words tell of the database's host and port, which are not for senders.
        return Busy("the store is not available")

    def finish(self, batch: Batch, signal: Signal = "traces") -> Answer:
        """The answer to a request whose commit is done. Raises Busy when the store did not take it."""
        try:
            if batch.commit is not None:
                batch.commit.result()
        except BaseException as error:
            # Whatever it was, it will be sent again, and would be taken for a repeated one.
            self._pipeline.rollback(batch)
            if isinstance(error, StoreUnavailable):
                raise self._busy(error) from error
            raise
        if batch.commit is not None:
            self._complaints.over()
        self._pipeline.commit(batch)
        self.accept(signal)
        answer = ExportLogsServiceResponse() if signal == "logs" else ExportTraceServiceResponse()
        if batch.refused:
            self._rejected.labels("evaluation" if signal == "logs" else "too_many_spans").inc(batch.refused)
            answer.partial_success.error_message = batch.reason
            if isinstance(answer, ExportLogsServiceResponse):
                answer.partial_success.rejected_log_records = batch.refused
            else:
                answer.partial_success.rejected_spans = batch.refused
        return answer

    def accept(self, signal: Signal) -> None:
        """Count a request that was answered OK."""
        self._requests[signal].inc()

    def refuse(self, reason: str) -> None:
        self._rejected.labels(reason).inc()


def _append(
    connection: Connection, events: list[tuple[str, Feedback]]
) -> tuple[list[str], list[Refusal], list[Feedback]]:
    """Store events. Returns which are stored, those refused because their id was used for another body, and the new."""
    stored: list[str] = []
    refused: list[Refusal] = []
    new: list[Feedback] = []
    for name, event in events:
        try:
            _, replayed = feedback.append(connection, event, fingerprint(event))
        except Conflict as error:
            refused.append((name, str(error)))
        else:
            stored.append(name)
            if not replayed:
                new.append(event)
    return stored, refused, new
