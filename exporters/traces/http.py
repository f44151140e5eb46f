"""OTLP/HTTP (opentelemetry-proto, docs/specification.md §OTLP/HTTP) and the page of metrics, as plain ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from exporters.traces.bodies import Refused
from exporters.traces.front import RETRY_AFTER_S, Busy, Front, Signal
from exporters.traces.scores import INGESTION, SCORES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
SIGNALS: dict[str, Signal] = {"/v1/traces": "traces", "/api/public/otel/v1/traces": "traces", "/v1/logs": "logs"}
# Senders' own metrics are accepted, so that SDKs that send all three signals raise no errors; nothing is kept of them.
METRICS = "/v1/metrics"
PATHS = {*SIGNALS, METRICS, SCORES, INGESTION}


class Otlp:
    """The OTLP/HTTP front."""

    def __init__(self, front: Front, limit: int) -> None:
        self._front = front
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"].rstrip("/")
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        content_type = headers.get("content-type", "")
        as_json = content_type.partition(";")[0].strip() == JSON
        try:
            message = await self._answer(scope["method"], path, headers, content_type, receive)
        except Refused as error:
            await _send(send, error.status, Status(code=3, message=str(error)), as_json)
        except Busy as error:
            status = Status(code=14, message=str(error))
            code = 429 if error.full else 503
            await _send(send, code, status, as_json, [(b"retry-after", str(RETRY_AFTER_S).encode())])
        else:
            if isinstance(message, bytes):
                await _raw(send, 207 if path == INGESTION else 200, message, JSON.encode())
            else:
                await _send(send, 200, message, as_json)

    async def _answer(
        self, method: str, path: str, headers: dict[str, str], content_type: str, receive: Receive
    ) -> Message | bytes:
        if method != "POST" or path not in PATHS:
            raise Refused("not_found", 404 if method == "POST" else 405, "POST to /v1/traces or /v1/logs")
        body = await self._body(headers, receive)
        if path == METRICS:
            self._front.accept("metrics")
            return ExportMetricsServiceResponse()
        if path not in SIGNALS:
            return await self._score(body, headers, path)
        signal = SIGNALS[path]
        self._front.enter(len(body))
        try:
            batch = self._front.take(
                body,
                headers.get("content-encoding", "").lower(),
                content_type,
                headers.get("authorization", ""),
                signal,
            )
            if batch.commit is not None:
                await asyncio.wait([asyncio.wrap_future(batch.commit)])
            return self._front.finish(batch, signal)
        finally:
            self._front.leave(len(body))

    async def _score(self, body: bytes, headers: dict[str, str], path: str) -> bytes:
        self._front.enter(len(body))
        try:
            encoding, authorization = headers.get("content-encoding", "").lower(), headers.get("authorization", "")
            kept, refused = await asyncio.to_thread(self._front.score, body, encoding, path, authorization)
        finally:
            self._front.leave(len(body))
        failed = {identity for identity, _ in refused}
        stored = [event.idempotency_key.removeprefix("langfuse:") for event in kept]
        if path == SCORES and refused:
            raise Refused("malformed", 400, "; ".join(f"{identity}: {why}" for identity, why in refused[:5]))
        answer = {
            "successes": [{"id": identity, "status": 201} for identity in stored if identity not in failed],
            "errors": [{"id": identity, "status": 400, "message": why} for identity, why in refused],
        }
        return json.dumps(answer if path == INGESTION else {"id": stored[0] if stored else None}).encode()

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        size = headers.get("content-length", "0")
        chunks, total = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused("malformed", 400, "the body is cut off")
            chunks.append(message.get("body", b""))
            total += len(chunks[-1])
            if total > self._limit or (size.isdigit() and int(size) > self._limit):
                self._front.refuse("too_large")
                raise Refused("too_large", 413, f"the body is larger than {self._limit} bytes")
            if not message.get("more_body"):
                return b"".join(chunks)


class Page:
    """/metrics in the format that is asked for, /-/healthy and /-/ready."""

    def __init__(self, registry: CollectorRegistry, calls: Callable[[bool], str]) -> None:
        self._registry = registry
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in ("/-/healthy", "/-/ready"):
            await _raw(send, 200, b"ok\n", b"text/plain")
        elif scope["path"] == "/metrics":
            accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
            if "application/openmetrics-text" in accept:
                page, kind = openmetrics.generate_latest(self._registry), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]  # no types there
                page = self._calls(True).encode() + page
            else:
                page, kind = generate_latest(self._registry), "text/plain; version=0.0.4; charset=utf-8"
                page = self._calls(False).encode() + page
            await _raw(send, 200, page, kind.encode())
        else:
            await _raw(send, 404, b"see /metrics\n", b"text/plain")


async def _send(
    send: Send, status: int, message: Message, as_json: bool, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    if as_json:
        await _raw(send, status, json_format.MessageToJson(message).encode(), JSON.encode(), headers)
    else:
        await _raw(send, status, message.SerializeToString(), PROTOBUF.encode(), headers)


async def _raw(
    send: Send, status: int, body: bytes, kind: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": body})
