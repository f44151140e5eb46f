"""The path of every request, whatever its protocol: key, decoding, pipeline, commit, and one reply."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Literal, TypeVar, get_args

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client import CollectorRegistry

from exporters.traces.decode import bodies, otlp_protobuf
from exporters.traces.decode.bodies import Refused
from exporters.traces.decode.faults import Faults
from exporters.traces.pipeline import Batch, Pipeline, Refusal
from exporters.traces.receive.keys import FEEDBACK_SCOPE, OTLP_SCOPE, KeyLookups, tenant
from exporters.traces.receive.outage_log import OutageLog
from exporters.traces.receive.score_intake import ScoreIntake, StoredScores
from telltale import auth
from telltale.metrics import Metrics
from telltale.records import ANY_TENANT
from telltale.settings import Settings
from telltale.store import Store, StoreBusy, StoreUnavailable, access

log = logging.getLogger(__name__)

Signal = Literal["traces", "logs", "metrics", "scores"]
# Bytes of a body from which on it is decoded beside the loop, where other senders would wait for it: a few milliseconds
# of an ordinary one. Uncompiled it takes twenty times as long.
LARGE = 1 << (15 if otlp_protobuf.__file__.endswith(".py") else 19)
# JSON takes more for each byte, and what shrinks by more than this is no ordinary body.
LARGE_JSON = LARGE // 4
MOST_RATIO = 16
LEAST = 1 << 14
T = TypeVar("T")
Reply = Callable[[T | Refused], None]
"""What sends a request's one reply: its response, or why it is refused."""


@dataclass(slots=True)
class ExportRequest:
    """A request that has arrived whole. `encoding` and `content_type` are its body's; `signal` is what it contains."""

    signal: Signal
    body: bytes
    encoding: str
    content_type: str
    authorization: str


class Receiver:
    """Accepts requests. Each is replied to exactly once: at once, or on the loop after its key or commit is there."""

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
        metrics = Metrics(registry)
        self._rejected = metrics.counter("telltale_collector_rejected_total")
        requests = metrics.counter("telltale_collector_requests_total")
        self._requests = {signal: requests.labels(signal) for signal in get_args(Signal)}
        self._queue = metrics.gauge("telltale_collector_queue_bytes")
        self._queue.set_function(lambda: float(self._in_flight))
        self._in_flight = 0
        self._lock = threading.Lock()
        self._keys = KeyLookups(auth.ApiKeys(store, clock))
        self._scores = ScoreIntake(settings, store, clock, pipeline.feedback_events)
        self._outage = OutageLog(time.monotonic)
        # One: its memory is that of one large body.
        self._decoders = ThreadPoolExecutor(1, thread_name_prefix="decode")
        # The next step of each request that waits.
        self._waiting: dict[int, Callable[[], None]] = {}
        self._numbers = count()

    def export(self, request: ExportRequest, reply: Reply[Message]) -> None:
        """Accept an OTLP request; the response follows once its samples are durable."""
        self._run(reply, lambda: self._authorise(request, OTLP_SCOPE, reply, self._export))

    def export_scores(self, request: ExportRequest, path: str, reply: Reply[StoredScores]) -> None:
        """Accept feedback in Langfuse's form, sent to that path; the response follows once it is durable."""
        self._run(reply, lambda: self._authorise(request, FEEDBACK_SCOPE, reply, partial(self._export_scores, path)))

    def refuse(self, refusal: Refused, reply: Reply[Any]) -> None:
        """Count a refusal and reply with it."""
        self._rejected.labels(refusal.reason).inc()
        reply(refusal)

    def fail(self, reply: Reply[Any]) -> None:
        """Log the exception that is being handled, and refuse the request that met it."""
        log.exception("a request failed")
        self.refuse(Refused("internal", "the collector failed: see its log"), reply)

    def reserve(self, size: int) -> None:
        """Account for more bytes of a body. Raises Refused where too many are in flight, or these alone are."""
        if size > self._settings.max_body_bytes:
            raise Refused("too_large", f"the body is larger than {self._settings.max_body_bytes} bytes")
        with self._lock:
            if self._in_flight + size > self._settings.max_in_flight_bytes:
                raise Refused("busy", "too many bytes in flight")
            self._in_flight += size

    def release(self, size: int) -> None:
        """Bytes that were reserved are free again."""
        with self._lock:
            self._in_flight -= size

    def unready(self) -> str | None:
        """Why senders should go elsewhere, in one line: the store refused the last write.

        Asking has it tried again, for nobody sends to what is not ready.
        """
        refusal = self._store.refusal
        if refusal is None:
            return None
        self._store.try_again()
        return f"the store took no write: {refusal}"

    def close(self) -> None:
        """Start nothing more beside the loop."""
        self._decoders.shutdown(wait=False, cancel_futures=True)
        self._keys.close()
        self._scores.close()

    def ingest(self, request: ExportRequest, tenant: str | None) -> Batch:
        """Decode a request of spans or logs and queue its samples; `finish` follows.

        Raises Refused or StoreUnavailable.
        """
        return self._decode(request, tenant, None)()

    def _decode(self, request: ExportRequest, tenant: str | None, plain: bytes | None) -> Callable[[], Batch]:
        """Decode a request, whose `plain` body may be known; returns what queues its samples. Raises Refused.

        Nothing changes before that, so any thread may decode.
        """
        body, encoding, content_type = request.body, request.encoding, request.content_type
        limit, most = self._settings.max_decompressed_bytes, self._settings.max_spans
        faults = Faults()
        if request.signal == "logs":
            logs = bodies.logs(body, encoding, content_type, limit, most, plain, faults)
            logged = self._pipeline.decode_logs(logs, tenant)
            refusals = [Refusal("malformed", faults.count, f"a log record is malformed: {faults.why}")]
            return lambda: self._pipeline.ingest_logs(logs, tenant, logged, refusals)
        found, seen = bodies.spans(body, encoding, content_type, limit, most, plain, faults)
        here = sum([len(group.starts) for group in found])
        unwritten = faults.count
        decoded = self._pipeline.decode(found, tenant, faults)
        if faults.count and faults.count - unwritten == here:
            raise Refused("malformed", f"the body is not an ExportTraceServiceRequest: {faults.why}")
        refusals = [
            Refusal("too_many_spans", seen - here, f"more than {here} spans in one request"),
            Refusal("malformed", faults.count, f"a span is malformed: {faults.why}"),
        ]
        return lambda: self._pipeline.ingest_traces(decoded, refusals)

    def finish(self, batch: Batch, signal: Signal = "traces") -> Message:
        """The response to a request whose commit is done. Raises StoreUnavailable where the store did not take it."""
        try:
            if batch.commit is not None:
                batch.commit.result()
        except BaseException:
            # Whatever it was, the request will be sent again, and must not be taken for a repeated one.
            self._pipeline.rollback(batch)
            raise
        if batch.commit is not None:
            self._outage.stored()
        self._pipeline.commit(batch)
        self._requests[signal].inc()
        response = ExportLogsServiceResponse() if signal == "logs" else ExportTraceServiceResponse()
        if batch.refusals:
            for refusal in batch.refusals:
                self._rejected.labels(refusal.reason).inc(refusal.number)
            response.partial_success.error_message = "; ".join([refusal.why for refusal in batch.refusals])
            if isinstance(response, ExportLogsServiceResponse):
                response.partial_success.rejected_log_records = batch.refused
            else:
                response.partial_success.rejected_spans = batch.refused
        return response

    def _run(self, reply: Reply[T], step: Callable[[], T | None]) -> None:
        """Take a request's next step, and reply with its response, or with why there is none; None: it waits."""
        try:
            response = step()
        except Refused as refusal:
            self.refuse(refusal, reply)
            # What was waited for keeps its error, whose traceback would keep the request.
            refusal.__traceback__ = None
        except StoreUnavailable as error:
            self.refuse(self._refusal(error), reply)
            error.__traceback__ = None
        except Exception as error:  # noqa: BLE001  # a fault in one request must not end others, and needs its reply
            self.fail(reply)
            error.__traceback__ = None
        else:
            if response is not None:
                reply(response)

    def _wait(self, future: Future[Any], reply: Reply[T], step: Callable[[], T | None]) -> None:
        """Take a request's next step on the loop once this is done."""
        number, loop = next(self._numbers), asyncio.get_running_loop()
        self._waiting[number] = partial(self._run, reply, step)
        # By number: a future keeps its callbacks, and a step keeps what it waits for. Together they would be a cycle,
        # and nothing of the request would be freed.
        future.add_done_callback(lambda _: _call_soon(loop, self._resume, number))

    def _resume(self, number: int) -> None:
        self._waiting.pop(number)()

    def _authorise(
        self,
        request: ExportRequest,
        scope: str,
        reply: Reply[T],
        proceed: Callable[[ExportRequest, str | None, Reply[T]], T | None],
    ) -> T | None:
        """Proceed with the tenant of the request's key, which overrides what a span claims; None without a key."""
        secret = auth.secret(request.authorization)
        if secret is None:
            if self._settings.require_key:
                why = "send Authorization: Bearer tt_…; `telltale key add` makes a key"
                raise Refused("unauthenticated", why)
            return proceed(request, None, reply)
        found = self._keys.look_up(secret)
        if not isinstance(found, Future):
            return proceed(request, tenant(found, scope), reply)
        self._wait(found, reply, lambda: proceed(request, tenant(found.result(), scope), reply))
        return None

    def _export(self, request: ExportRequest, tenant: str | None, reply: Reply[Message]) -> Message | None:
        signal = request.signal
        if signal == "metrics":
            # Senders' own metrics are accepted, so that SDKs that send all signals report no errors, and not kept.
            self._requests[signal].inc()
            return ExportMetricsServiceResponse()
        # Whoever serves every tenant says in each span whose it is.
        tenant = None if tenant == ANY_TENANT else tenant
        plain = bodies.small(request.body, request.encoding, _most_at_once(request))
        if plain is not None:
            return self._proceed(self._decode(request, tenant, plain), signal, reply)
        decoding = self._decoders.submit(self._try_to_decode, request, tenant)
        self._wait(decoding, reply, lambda: self._proceed(decoding.result(), signal, reply))
        return None

    def _try_to_decode(self, request: ExportRequest, tenant: str | None) -> Callable[[], Batch]:
        """As `_decode`, but what is refused is refused by what this returns."""
        try:
            return self._decode(request, tenant, None)
        except Refused as error:
            # A new one: the traceback would keep the decompressed body while the next one is decompressed.
            refusal = Refused(error.reason, str(error))

        def refuse() -> Batch:
            raise refusal

        return refuse

    def _proceed(self, ingest: Callable[[], Batch], signal: Signal, reply: Reply[Message]) -> Message | None:
        batch = ingest()
        if batch.commit is None:
            return self.finish(batch, signal)
        self._wait(batch.commit, reply, lambda: self.finish(batch, signal))
        return None

    def _export_scores(
        self, path: str, request: ExportRequest, tenant: str | None, reply: Reply[StoredScores]
    ) -> StoredScores | None:
        if tenant is None:
            raise Refused("unauthenticated", f"feedback needs a key with the scope {FEEDBACK_SCOPE}")
        key_id = access.key_id(auth.secret(request.authorization) or "")
        storing = self._scores.submit(request.body, request.encoding, path, tenant, key_id)
        self._wait(storing, reply, lambda: self._finish_scores(storing))
        return None

    def _finish_scores(self, storing: Future[StoredScores]) -> StoredScores:
        stored = storing.result()
        self._outage.stored()
        self._requests["scores"].inc()
        return stored

    def _refusal(self, error: StoreUnavailable) -> Refused:
        self._outage.refused(str(error))
        if isinstance(error, StoreBusy):
            return Refused("store_busy", str(error))
        # Why is in the log: a driver's message names the database's host and port, which are not for senders.
        return Refused("store_unavailable", "the store is not available")


def _most_at_once(request: ExportRequest) -> int:
    """How many bytes a body may have that is decoded on the loop."""
    is_json = request.content_type.startswith(bodies.JSON)
    return min(LARGE_JSON if is_json else LARGE, max(LEAST, MOST_RATIO * len(request.body)))


def _call_soon(loop: asyncio.AbstractEventLoop, resume: Callable[[int], None], number: int) -> None:
    """Resume on the loop, from any thread. Not once the loop is closed: nobody waits for a reply then."""
    try:
        loop.call_soon_threadsafe(resume, number)
    except RuntimeError:
        if not loop.is_closed():
            raise
