"""OTLP/HTTP (opentelemetry-proto, docs/specification.md §OTLP/HTTP) and the page of metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from functools import partial

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from prometheus_client import CollectorRegistry

from exporters.traces.decode.bodies import Refused
from exporters.traces.receive import paths
from exporters.traces.receive.cors import Cors
from exporters.traces.receive.http1 import TEXT, Request
from exporters.traces.receive.langfuse_scores import INGESTION
from exporters.traces.receive.paths import SIGNALS
from exporters.traces.receive.receiver import ExportRequest, Receiver
from exporters.traces.receive.score_intake import StoredScores
from exporters.traces.receive.statuses import RETRY_AFTER_S, STATUSES
from telltale.serving import pages

JSON = "application/json"
PROTOBUF = b"application/x-protobuf"
# Bytes of the body that a request for a page may have.
MAX_BODY = 65536


class Otlp:
    """OTLP/HTTP and Langfuse's paths, on top of HTTP/1.1."""

    def __init__(self, receiver: Receiver, limit: int, cors_origins: Collection[str] = ()) -> None:
        """`limit`: bytes of the largest body; `cors_origins`: see `Cors`."""
        self._receiver = receiver
        self._limit = limit
        self._cors = Cors(cors_origins)

    def on_headers(self, request: Request) -> None:
        request.always = self._cors.fields(request.field(b"origin"))
        preflight = self._cors.preflight(request)
        if preflight is not None:
            # Whatever the path: the page's script can read why the request that follows is refused.
            request.respond(200, TEXT, b"", *preflight)
            return
        if request.method != "POST":
            self._refuse(request, Refused("method_not_allowed", paths.refusal(_path(request))))
        elif _path(request) not in SIGNALS:
            self._refuse(request, _not_found(request))
        elif request.announced > self._limit:
            self._refuse(request, self._too_large())

    def on_data(self, request: Request) -> None:
        try:
            if request.size > self._limit:
                raise self._too_large()
            self._receiver.reserve(request.size - request.reserved)
            request.reserved = request.size
        except Refused as refusal:
            self._refuse(request, refusal)

    def on_request(self, request: Request) -> None:
        path = _path(request)
        export = ExportRequest(
            SIGNALS[path],
            request.take_body(),
            request.field(b"content-encoding").lower(),
            request.field(b"content-type"),
            request.field(b"authorization"),
        )
        if export.signal == "scores":
            self._receiver.export_scores(export, path, partial(_reply_scores, request, path))
        else:
            self._receiver.export(export, partial(_reply, request))

    def release(self, request: Request) -> None:
        self._receiver.release(request.reserved)
        request.reserved = 0

    def _refuse(self, request: Request, refusal: Refused) -> None:
        self._receiver.refuse(refusal, partial(_reply, request))

    def _too_large(self) -> Refused:
        return Refused("too_large", f"the body is larger than {self._limit} bytes")


class Page:
    """/metrics in the format that is asked for, /-/healthy and /-/ready."""

    def __init__(
        self, registry: CollectorRegistry, calls: Callable[[bool], str], unready: Callable[[], str | None]
    ) -> None:
        """`calls`: the calls' metrics, in OpenMetrics or not; `unready`: why the collector is not, or None."""
        self._pages = pages.table(pages.exposition(registry, calls), unready)

    def on_headers(self, request: Request) -> None:
        if request.method not in pages.METHODS:
            self.on_request(request)

    def on_data(self, request: Request) -> None:
        if request.size > MAX_BODY:
            request.respond(413, TEXT, b"GET /metrics\n")

    def on_request(self, request: Request) -> None:
        made = pages.respond(self._pages, request.method, request.path, request.field(b"accept"))
        more = ((name.lower().encode(), value.encode()) for name, value in made.headers)
        request.respond(made.status, made.content_type.encode(), made.content, *more)

    def release(self, request: Request) -> None:
        """Nothing was reserved for it."""


def _path(request: Request) -> str:
    return request.path.rstrip("/")


def _not_found(request: Request) -> Refused:
    """A sender's request costs calls; of others, scanners', it is as well to say so."""
    path = _path(request)
    is_senders = _media(request) == PROTOBUF.decode() or paths.meant(path) is not None
    return Refused("not_found" if is_senders else "probe", paths.refusal(path))


def _media(request: Request) -> str:
    return request.field(b"content-type").partition(";")[0].strip().lower()


def _reply(request: Request, outcome: Message | Refused) -> None:
    if isinstance(outcome, Refused):
        _reply_refusal(request, outcome)
    else:
        _send(request, 200, outcome)


def _reply_scores(request: Request, path: str, outcome: StoredScores | Refused) -> None:
    """As Langfuse does: an id for one score, a list of what became of each for a batch."""
    if isinstance(outcome, Refused):
        _reply_refusal(request, outcome)
        return
    stored, refused = outcome
    if path == INGESTION:
        results = {
            "successes": [{"id": name, "status": 201} for name in stored],
            "errors": [{"id": name, "status": 400, "message": why} for name, why in refused],
        }
        request.respond(207, JSON.encode(), json.dumps(results).encode())
    else:
        request.respond(200, JSON.encode(), json.dumps({"id": stored[0] if stored else None}).encode())


def _reply_refusal(request: Request, refusal: Refused) -> None:
    status = STATUSES[refusal.reason]
    fields: list[tuple[bytes, bytes]] = []
    if refusal.reason == "method_not_allowed":
        fields.append((b"allow", b"POST"))
    if status.is_retryable:
        fields.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    _send(request, status.http, Status(code=status.grpc, message=str(refusal)), *fields)


def _send(request: Request, status: int, message: Message, *more: tuple[bytes, bytes]) -> None:
    """In the form in which the request came."""
    if _media(request) == JSON:
        request.respond(status, JSON.encode(), json_format.MessageToJson(message).encode(), *more)
    else:
        request.respond(status, PROTOBUF, message.SerializeToString(), *more)
