"""OTLP/gRPC (gRPC over HTTP/2, doc/PROTOCOL-HTTP2.md): one message in, one out; bodies are decompressed by us.

A front of our own, because the gRPC library's server costs a small request ten times as much as reading it does.
"""

from __future__ import annotations

import base64
import logging
import struct
import urllib.parse
from concurrent.futures import Future

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from exporters.traces.decode.bodies import Refused
from exporters.traces.pipeline import Batch
from exporters.traces.receive import http2, listener
from exporters.traces.receive.http2 import Stream
from exporters.traces.receive.listener import REQUEST_S, Server, call_back
from exporters.traces.receive.receiver import RETRY_AFTER_S, Busy, Receiver, Signal

log = logging.getLogger(__name__)

PREFIX = "/opentelemetry.proto.collector."
SIGNALS: dict[bytes, Signal] = {
    f"{PREFIX}trace.v1.TraceService/Export".encode(): "traces",
    f"{PREFIX}logs.v1.LogsService/Export".encode(): "logs",
    f"{PREFIX}metrics.v1.MetricsService/Export".encode(): "metrics",
}
ENCODINGS = b"identity,gzip,deflate,zstd"
# The prefix of a message: a flag (compressed) and its length.
LEAD = 5

INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = 3, 8, 12, 14, 16
CODES = {401: UNAUTHENTICATED, 413: RESOURCE_EXHAUSTED, 501: UNIMPLEMENTED}
HEAD = http2.block([(b":status", b"200"), (b"content-type", b"application/grpc")])
DONE = http2.block([(b"grpc-status", b"0")])
FAILED = http2.block(
    [
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"13"),
        (b"grpc-message", b"the collector failed: see its log"),
    ]
)
NOT_GRPC = http2.block([(b":status", b"415")])
# Of an error's message: it goes into one frame of headers.
MAX_MESSAGE = 1000

GREETING_S = 10.0
HTTP1 = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"this is the port of OTLP/gRPC; OTLP/HTTP has its own (collector.http_listen, 4318)\n"
)


class Connection(listener.Connection):
    """One sender's connection."""

    def __init__(self, server: Server, front: Receiver, limit: int) -> None:
        """`limit`: bytes of the largest message."""
        super().__init__(server)
        self._front = front
        self._limit = limit
        self._begun = self._loop.time()
        self._http2 = http2.Connection(limit + LEAD, self._begun)
        self._closing = False
        # What waits for its commit.
        self._working: dict[int, tuple[Stream, Batch, Signal]] = {}
        # What waits for its key.
        self._asking: dict[int, tuple[Stream, Future[None]]] = {}

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        for stream in self._http2.streams:
            stream.gone = True
            self._advance(stream)

    def pause_writing(self) -> None:
        # Answers are small: the peer sends and does not read.
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            moved = self._http2.receive(data, self._loop.time())
        except http2.NotHttp2:
            self.transport.write(HTTP1)
            self.transport.close()
            return
        except http2.Broken as error:
            log.debug("a gRPC connection was closed: %s", error)
            self.transport.write(self._http2.output())
            self.transport.close()
            return
        for stream in moved:
            self._advance(stream)
        self._flush()

    def expire(self) -> None:
        """Give up what does not come: the greeting, the rest of a request, room for an answer."""
        now = self._loop.time()
        if not self._http2.settled and now > self._begun + GREETING_S:
            self.transport.abort()
        for stream in self._http2.streams:
            if now > stream.since + REQUEST_S and (stream.answered or not stream.ended):
                self._http2.reset(stream, http2.CANCEL)
                self._release(stream)
        self._flush()

    def finish(self) -> None:
        """Close when the calls in work are answered."""
        self._closing = True
        self._http2.close()
        self._flush()

    def _flush(self) -> None:
        out = self._http2.output()
        if out and not self.transport.is_closing():
            self.transport.write(out)
        if self._closing and not self._http2.streams:
            self.transport.close()

    def _advance(self, stream: Stream) -> None:
        if stream.working:
            return
        if stream.gone:
            self._http2.drop(stream)
            self._release(stream)
            return
        try:
            signal = _signal(stream)
            if stream.size > stream.held:
                self._front.enter(stream.size - stream.held)
                stream.held = stream.size
            self._measure(stream)
            if stream.ended:
                self._ask(stream, signal)
        except _NotGrpc:
            self._http2.answer(stream, NOT_GRPC)
            self._release(stream)
        except (Refused, Busy) as error:
            self._refuse(stream, error)
        except Exception:  # noqa: BLE001  # a fault in one call must not end the connection's others
            self._failed(stream)

    def _measure(self, stream: Stream) -> None:
        """Refuse what is announced as too large before it is here."""
        if stream.size >= LEAD:
            size = struct.unpack_from(">I", _lead(stream), 1)[0]
            if size > self._limit:
                self._front.refuse("too_large")
                raise Refused("too_large", 413, f"the message is larger than {self._limit} bytes")
            if stream.size > LEAD + size:
                self._front.refuse("malformed")
                raise Refused("malformed", 400, "more than one message in a call")

    def _ask(self, stream: Stream, signal: Signal) -> None:
        asked = self._front.ask(_authorization(stream))
        if asked is None:
            self._take(stream, signal)
            return
        stream.working = True
        number = stream.number
        self._asking[number] = stream, asked
        asked.add_done_callback(lambda _: call_back(self._loop, self._heard, number))

    def _heard(self, number: int) -> None:
        stream, asked = self._asking.pop(number)
        stream.working = False
        try:
            self._front.hear(asked)
        except Busy as error:
            self._refuse(stream, error)
        except Exception:  # noqa: BLE001  # as above
            self._failed(stream)
        else:
            self._advance(stream)
        self._flush()

    def _take(self, stream: Stream, signal: Signal) -> None:
        authorization = _authorization(stream)
        if signal == "metrics":
            self._front.pass_over(authorization)
            self._answer(stream, ExportMetricsServiceResponse().SerializeToString())
            return
        try:
            encoding, body = _message(stream)
        except Refused as error:
            self._front.refuse(error.reason)
            raise
        batch = self._front.take(body, encoding, "application/x-protobuf", authorization, signal)
        if batch.commit is None:
            self._conclude(stream, batch, signal)
        else:
            stream.working = True
            number = stream.number
            self._working[number] = stream, batch, signal
            # By number: a callback that held the batch would be held by it, and nothing of the request would go.
            batch.commit.add_done_callback(lambda _: call_back(self._loop, self._committed, number))

    def _committed(self, number: int) -> None:
        stream, batch, signal = self._working.pop(number)
        stream.working = False
        try:
            self._conclude(stream, batch, signal)
        except Exception:  # noqa: BLE001  # as above
            self._failed(stream)
        self._flush()

    def _conclude(self, stream: Stream, batch: Batch, signal: Signal) -> None:
        try:
            self._answer(stream, self._front.finish(batch, signal).SerializeToString())
        except Busy as error:
            self._refuse(stream, error)

    def _answer(self, stream: Stream, message: bytes) -> None:
        self._http2.answer(stream, HEAD, struct.pack(">BI", 0, len(message)) + message, DONE)
        self._release(stream)

    def _refuse(self, stream: Stream, error: Refused | Busy) -> None:
        self._http2.answer(stream, _status(error))
        self._release(stream)

    def _failed(self, stream: Stream) -> None:
        log.exception("a gRPC call failed")
        self._http2.answer(stream, FAILED)
        self._release(stream)

    def _release(self, stream: Stream) -> None:
        self._front.leave(stream.held)
        stream.held = 0
        stream.chunks.clear()


class _NotGrpc(Exception):
    """A request that is not gRPC's."""


def _signal(stream: Stream) -> Signal:
    """Which of OTLP's services is called. Raises Refused, or _NotGrpc."""
    fields = stream.fields
    if fields[b":method"] != b"POST" or not fields.get(b"content-type", b"").startswith(b"application/grpc"):
        raise _NotGrpc
    signal = SIGNALS.get(fields[b":path"])
    if signal is None:
        raise Refused("not_found", 501, f"no such method: {fields[b':path'].decode('latin-1')}")
    return signal


def _authorization(stream: Stream) -> str:
    return stream.fields.get(b"authorization", b"").decode("latin-1")


def _lead(stream: Stream) -> bytes:
    first = stream.chunks[0]
    return first if len(first) >= LEAD else b"".join(stream.chunks[:LEAD])[:LEAD]


def _message(stream: Stream) -> tuple[str, bytes]:
    """The encoding and the bytes of a call's one message. Raises Refused."""
    if stream.size < LEAD:
        raise Refused("malformed", 400, "the call holds no message")
    compressed, size = struct.unpack_from(">BI", _lead(stream))
    if stream.size != LEAD + size:
        raise Refused("malformed", 400, f"the message is cut off: {stream.size - LEAD} of {size} bytes")
    chunks = stream.chunks
    while len(chunks[0]) < LEAD and len(chunks) > 1:
        chunks[:2] = [chunks[0] + chunks[1]]
    chunks[0] = chunks[0][LEAD:]
    encoding = stream.fields.get(b"grpc-encoding", b"identity").decode("latin-1")
    if not compressed:
        encoding = "identity"
    elif encoding == "identity":
        raise Refused("malformed", 400, "a compressed message without grpc-encoding")
    return encoding, chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _status(error: Refused | Busy) -> bytes:
    """Trailers alone: code and message, and RetryInfo, which OTLP exporters honour, where coming again helps."""
    fields = [(b":status", b"200"), (b"content-type", b"application/grpc")]
    message = str(error)[:MAX_MESSAGE]
    if isinstance(error, Refused):
        # Not to be mended by sending again; an unknown encoding is told what is known.
        code = UNIMPLEMENTED if error.reason == "encoding" else CODES.get(error.status, INVALID_ARGUMENT)
        if error.reason == "encoding":
            fields.append((b"grpc-accept-encoding", ENCODINGS))
    else:
        code = RESOURCE_EXHAUSTED if error.full else UNAVAILABLE
        detail = AnyMessage()
        detail.Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S)))
        rich = Status(code=code, message=message, details=[detail]).SerializeToString()
        fields.append((b"grpc-status-details-bin", base64.b64encode(rich).rstrip(b"=")))
    fields.append((b"grpc-status", str(code).encode()))
    fields.append((b"grpc-message", urllib.parse.quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode()))
    return http2.block(fields)
