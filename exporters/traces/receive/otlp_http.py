"""OTLP/HTTP (opentelemetry-proto, docs/specification.md §OTLP/HTTP) and the page of metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from prometheus_client import CollectorRegistry

from exporters.traces.decode.bodies import Refused
from exporters.traces.pipeline import Batch
from exporters.traces.receive.http1 import TEXT, Request
from exporters.traces.receive.langfuse_scores import INGESTION, SCORES
from exporters.traces.receive.listener import call_back
from exporters.traces.receive.receiver import RETRY_AFTER_S, Busy, Receiver, Signal
from telltale.serving import pages

JSON = "application/json"
PROTOBUF = b"application/x-protobuf"
SIGNALS: dict[str, Signal] = {"/v1/traces": "traces", "/api/public/otel/v1/traces": "traces", "/v1/logs": "logs"}
METRICS = "/v1/metrics"
PATHS = {*SIGNALS, METRICS, SCORES, INGESTION}
# Bytes that a request for a page may bring along.
MAX_ASKED = 65536


class Otlp:
    """The OTLP/HTTP front: what answers requests on its port."""

    def __init__(self, front: Receiver, limit: int) -> None:
        """`limit`: bytes of the largest body."""
        self._front = front
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        # What waits for its commit, by number: a callback that held the batch would be held by it, and nothing of the
        # request would go.
        self._working: dict[int, tuple[Request, Batch, Signal]] = {}
        # What waits for its key.
        self._asking: dict[int, tuple[Request, Future[None]]] = {}
        self._numbers = count()
        self._scoring: set[asyncio.Task[None]] = set()

    def begin(self, request: Request) -> None:
        if request.method != "POST" or _path(request) not in PATHS:
            status = 404 if request.method == "POST" else 405
            _refuse(request, Refused("not_found", status, "POST to /v1/traces or /v1/logs"))
        elif request.announced > self._limit:
            self._too_large(request)

    def grow(self, request: Request) -> None:
        if request.size > self._limit:
            self._too_large(request)
            return
        try:
            self._front.enter(request.size - request.held)
        except (Refused, Busy) as error:
            _refuse(request, error)
        else:
            request.held = request.size

    def take(self, request: Request) -> None:
        path = _path(request)
        if path in (SCORES, INGESTION):
            # Held until it is done: a task that nobody holds may be gone before.
            task = asyncio.create_task(self._score(request, path))
            self._scoring.add(task)
            task.add_done_callback(self._scoring.discard)
            return
        asked = self._front.ask(request.field(b"authorization"))
        if asked is None:
            self._take(request)
        else:
            number = next(self._numbers)
            self._asking[number] = request, asked
            asked.add_done_callback(lambda _: call_back(self._loop, self._heard, number))

    def release(self, request: Request) -> None:
        self._front.leave(request.held)
        request.held = 0

    def _too_large(self, request: Request) -> None:
        self._front.refuse("too_large")
        _refuse(request, Refused("too_large", 413, f"the body is larger than {self._limit} bytes"))

    def _heard(self, number: int) -> None:
        request, asked = self._asking.pop(number)
        try:
            self._front.hear(asked)
            self._take(request)
        except Busy as error:
            _refuse(request, error)
        except Exception:  # noqa: BLE001  # as in `http1`: it must be answered
            request.fail()

    def _take(self, request: Request) -> None:
        encoding, authorization = request.field(b"content-encoding").lower(), request.field(b"authorization")
        path = _path(request)
        try:
            if path == METRICS:
                self._front.pass_over(authorization)
                _answer(request, 200, ExportMetricsServiceResponse())
                return
            signal = SIGNALS[path]
            batch = self._front.take(request.body(), encoding, request.field(b"content-type"), authorization, signal)
        except (Refused, Busy) as error:
            _refuse(request, error)
            return
        if batch.commit is None:
            self._conclude(request, batch, signal)
        else:
            number = next(self._numbers)
            self._working[number] = request, batch, signal
            batch.commit.add_done_callback(lambda _: call_back(self._loop, self._committed, number))

    def _committed(self, number: int) -> None:
        request, batch, signal = self._working.pop(number)
        try:
            self._conclude(request, batch, signal)
        except Exception:  # noqa: BLE001  # as in `http1`: it must be answered
            request.fail()

    def _conclude(self, request: Request, batch: Batch, signal: Signal) -> None:
        try:
            _answer(request, 200, self._front.finish(batch, signal))
        except Busy as error:
            _refuse(request, error)

    async def _score(self, request: Request, path: str) -> None:
        encoding, authorization = request.field(b"content-encoding").lower(), request.field(b"authorization")
        try:
            stored, refused = await asyncio.to_thread(self._front.score, request.body(), encoding, path, authorization)
        except (Refused, Busy) as error:
            _refuse(request, error)
            return
        except Exception:  # noqa: BLE001  # as in `http1`: it must be answered
            request.fail()
            return
        if path == SCORES and refused:
            why = "; ".join(f"{name}: {why}" for name, why in refused[:5])
            # Half of a surrogate pair in an id: protobuf takes none.
            _refuse(request, Refused("malformed", 400, why.encode("utf-8", "replace").decode()))
            return
        answer = {
            "successes": [{"id": name, "status": 201} for name in stored],
            "errors": [{"id": name, "status": 400, "message": why} for name, why in refused],
        }
        if path == SCORES:
            request.answer(200, JSON.encode(), json.dumps({"id": stored[0] if stored else None}).encode())
        else:
            request.answer(207, JSON.encode(), json.dumps(answer).encode())


class Page:
    """/metrics in the format that is asked for, /-/healthy and /-/ready."""

    def __init__(
        self, registry: CollectorRegistry, calls: Callable[[bool], str], unready: Callable[[], str | None]
    ) -> None:
        """`calls`: the calls' metrics, in OpenMetrics or not; `unready`: why the collector is not, or None."""
        self._pages = pages.table(pages.exposition(registry, calls), unready)

    def begin(self, request: Request) -> None:
        if request.method not in pages.METHODS:
            self.take(request)

    def grow(self, request: Request) -> None:
        if request.size > MAX_ASKED:
            request.answer(413, TEXT, b"GET /metrics\n")

    def take(self, request: Request) -> None:
        made = pages.respond(self._pages, request.method, request.path, request.field(b"accept"))
        more = ((name.lower().encode(), value.encode()) for name, value in made.headers)
        request.answer(made.status, made.content_type.encode(), made.content, *more)

    def release(self, request: Request) -> None:
        """Nothing is held."""


def _path(request: Request) -> str:
    return request.path.rstrip("/")


def _refuse(request: Request, error: Refused | Busy) -> None:
    if isinstance(error, Refused):
        allowed = ((b"allow", b"POST"),) if error.status == 405 else ()
        _answer(request, error.status, Status(code=3, message=str(error)), *allowed)
    else:
        again = (b"retry-after", str(RETRY_AFTER_S).encode())
        _answer(request, 429 if error.full else 503, Status(code=14, message=str(error)), again)


def _answer(request: Request, status: int, message: Message, *more: tuple[bytes, bytes]) -> None:
    """In the form in which the request came."""
    if request.field(b"content-type").partition(";")[0].strip().lower() == JSON:
        request.answer(status, JSON.encode(), json_format.MessageToJson(message).encode(), *more)
    else:
        request.answer(status, PROTOBUF, message.SerializeToString(), *more)
