"""OTLP/gRPC (gRPC over HTTP/2, doc/PROTOCOL-HTTP2.md): one message in, one out; bodies are decompressed by us.

A server of our own, because the gRPC library's costs a small request ten times as much as reading it does.
"""

from __future__ import annotations

import base64
import logging
import struct
import urllib.parse
from collections import deque
from functools import partial
from time import perf_counter

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from exporters.traces.decode.bodies import Reason, Refused, decompress
from exporters.traces.decode.protobuf import Malformed
from exporters.traces.receive import health, http2, listener
from exporters.traces.receive.http2 import Stream
from exporters.traces.receive.listener import Server
from exporters.traces.receive.receiver import ExportRequest, Receiver, Signal
from exporters.traces.receive.statuses import RETRY_AFTER_S, STATUSES
from telltale.serving.connections import HEAD_S, REQUEST_S, UNREAD_S

log = logging.getLogger(__name__)

PACKAGE = "/opentelemetry.proto.collector."
SIGNALS: dict[bytes, Signal] = {
    f"{PACKAGE}trace.v1.TraceService/Export".encode(): "traces",
    f"{PACKAGE}logs.v1.LogsService/Export".encode(): "logs",
    f"{PACKAGE}metrics.v1.MetricsService/Export".encode(): "metrics",
}
SERVICES = {"", *(path.decode()[1:].partition("/")[0] for path in SIGNALS)}
HEALTH = (health.CHECK, health.WATCH)
# Services of gRPC itself, which tools ask for to see what there is.
OF_GRPC = b"/grpc."
ENCODINGS = b"identity,gzip,deflate,zstd"
# The prefix of a message: a flag (compressed) and its length.
PREFIX_SIZE = 5

HEAD = http2.block([(b":status", b"200"), (b"content-type", b"application/grpc")])
DONE = http2.block([(b"grpc-status", b"0")])
CLOSING = http2.block([(b"grpc-status", b"14"), (b"grpc-message", b"the collector stops")])
NO_SERVICE = http2.block(
    [
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"5"),
        (b"grpc-message", b"no such service"),
    ]
)
NOT_GRPC = http2.block([(b":status", b"%d" % STATUSES["content_type"].http)])
# Of a refusal's message: it must fit into one frame of headers.
MAX_MESSAGE = 1000

# Of a turn: what may be spent on reading frames, in units of `http2.budget`, and seconds for the calls that progressed.
SLICE = 50.0
SLICE_S = 0.0005
HTTP1 = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"this is the port of OTLP/gRPC; OTLP/HTTP has its own (collector.http_listen, 4318)\n"
)


class Connection(listener.Connection):
    """One sender's connection."""

    def __init__(self, server: Server, receiver: Receiver, limit: int) -> None:
        """`limit`: bytes of the largest message."""
        super().__init__(server)
        self._receiver = receiver
        self._limit = limit
        self._opened = self._loop.time()
        self._http2 = http2.Connection(limit + PREFIX_SIZE, self._opened)
        self._closing = False
        # Calls that the frames read so far advanced, and that no turn was long enough for.
        self._progressed: deque[Stream] = deque()
        # What is written within a turn is sent at its end, all at once.
        self._in_turn = False
        # Calls that have no response yet.
        self._exporting = 0
        # Those that watch a service's health, with what they were told.
        self._watching: dict[Stream, bytes] = {}

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._http2.forget()
        self._progressed.clear()
        for stream in self._http2.streams:
            stream.gone = True
            self._advance(stream)

    def process(self) -> bool:
        data, self._arrived = self._arrived, b""
        try:
            if data or not self._progressed:
                self._progressed.extend(self._http2.receive(data, self._loop.time(), SLICE))
        except http2.NotHttp2:
            self.transport.write(HTTP1)
            self.transport.close()
            return False
        except http2.Broken as error:
            log.debug("a gRPC connection was closed: %s", error)
            self.transport.write(self._http2.output())
            self.transport.close()
            return False
        self._in_turn = True
        until = perf_counter() + SLICE_S
        while self._progressed:
            self._advance(self._progressed.popleft())
            if perf_counter() > until:
                break
        self._in_turn = False
        self._flush()
        return bool(self._progressed or self._http2.unread)

    def unprocessed(self) -> int:
        return len(self._arrived) + self._http2.unread + len(self._progressed)

    def held(self) -> int:
        return len(self._arrived) + self._http2.held

    def expire(self) -> None:
        """Give up what does not arrive: the preface, the rest of a request, room for a response."""
        now = self._loop.time()
        if not self._http2.is_settled and now > self._opened + HEAD_S:
            self.transport.abort()
        if self._blocked_since is not None and now > self._blocked_since + UNREAD_S:
            self.transport.abort()
        for stream in self._http2.streams:
            if now > stream.since + REQUEST_S and (stream.responded or not stream.ended):
                self._http2.reset(stream, http2.CANCEL)
                self._release(stream)
        self._tell_watching()
        self._flush()

    def finish(self) -> None:
        """Close once the calls in flight have their responses."""
        self._closing = True
        self._http2.close()
        for stream in self._watching:
            # Trailers: its headers were sent.
            self._http2.respond(stream, CLOSING)
        self._watching.clear()
        self._flush()

    def _flush(self) -> None:
        out = self._http2.output()
        if out and not self.transport.is_closing():
            self.transport.write(out)
        if self._closing and not self._http2.streams:
            self.transport.close()

    def _advance(self, stream: Stream) -> None:
        if stream.exporting:
            return
        if stream.gone:
            self._watching.pop(stream, None)
            self._http2.drop(stream)
            self._release(stream)
            return
        if stream in self._watching:
            return
        try:
            is_health = stream.fields[b":path"] in HEALTH and _is_grpc(stream)
            signal = "traces" if is_health else _signal(stream)
            if stream.size > stream.reserved:
                self._receiver.reserve(stream.size - stream.reserved)
                stream.reserved = stream.size
            self._check_size(stream, health.MAX_BODY if is_health else self._limit)
            if is_health and stream.ended:
                self._tell_health(stream)
                return
            request = _request(stream, signal) if stream.ended else None
        except Refused as refusal:
            self._receiver.refuse(refusal, partial(self._reply, stream))
        except Exception:  # noqa: BLE001  # a fault in one call must not end the connection's others
            self._receiver.fail(partial(self._reply, stream))
        else:
            if request is not None:
                stream.exporting = True
                self._exporting += 1
                if self._exporting == 1:
                    self._server.room.work(self)
                self._receiver.export(request, partial(self._reply, stream))

    def _tell_health(self, stream: Stream) -> None:
        """Respond to a check of a service's health, or begin to respond to a watch. Raises Refused."""
        encoding, body = _message(stream)
        try:
            name = health.service(decompress(body, encoding, health.MAX_BODY))
        except Malformed as error:
            raise Refused("malformed", f"no HealthCheckRequest: {error}") from error
        told = self._health() if name in SERVICES else health.SERVICE_UNKNOWN
        if stream.fields[b":path"] == health.WATCH:
            self._watching[stream] = told
            self._http2.push(stream, HEAD, _framed(told))
        elif name in SERVICES:
            self._http2.respond(stream, HEAD, _framed(told), DONE)
        else:
            self._http2.respond(stream, NO_SERVICE)
        self._release(stream)

    def _health(self) -> bytes:
        return health.SERVING if self._receiver.unready() is None else health.NOT_SERVING

    def _tell_watching(self) -> None:
        """Tell of a change, whoever has read what came before."""
        known = {stream: told for stream, told in self._watching.items() if told != health.SERVICE_UNKNOWN}
        now = self._health() if known else b""
        for stream, told in known.items():
            if told != now and not stream.unsent:
                self._watching[stream] = now
                self._http2.push(stream, b"", _framed(now))

    def _check_size(self, stream: Stream, limit: int) -> None:
        """Refuse what is announced as too large before it arrives."""
        if stream.size >= PREFIX_SIZE:
            size = struct.unpack_from(">I", _prefix(stream), 1)[0]
            if size > limit:
                raise Refused("too_large", f"the message is larger than {limit} bytes")
            if stream.size > PREFIX_SIZE + size:
                raise Refused("malformed", "more than one message in a call")

    def _reply(self, stream: Stream, outcome: Message | Refused) -> None:
        if stream.exporting:
            stream.exporting = False
            self._exporting -= 1
            if not self._exporting:
                self._server.room.wait(self)
        if not isinstance(outcome, Refused):
            self._http2.respond(stream, HEAD, _framed(outcome.SerializeToString()), DONE)
        elif _is_grpc(stream):
            self._http2.respond(stream, _trailers(outcome))
        else:
            self._http2.respond(stream, NOT_GRPC)
        self._release(stream)
        if not self._in_turn:
            self._flush()
            self._settle()

    def _release(self, stream: Stream) -> None:
        self._receiver.release(stream.reserved)
        stream.reserved = 0
        stream.chunks.clear()


def _framed(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def _is_grpc(stream: Stream) -> bool:
    fields = stream.fields
    return fields[b":method"] == b"POST" and fields.get(b"content-type", b"").startswith(b"application/grpc")


def _signal(stream: Stream) -> Signal:
    """Which of OTLP's services is called. Raises Refused."""
    if not _is_grpc(stream):
        reason: Reason = "content_type" if stream.fields[b":method"] == b"POST" else "method_not_allowed"
        raise Refused(reason, "this is not a gRPC call")
    path = stream.fields[b":path"]
    signal = SIGNALS.get(path)
    if signal is None:
        why = f"no such method: {path.decode('latin-1')}"
        raise Refused("probe" if path.startswith(OF_GRPC) else "not_found", why)
    return signal


def _request(stream: Stream, signal: Signal) -> ExportRequest:
    encoding, body = _message(stream)
    stream.chunks.clear()
    authorization = stream.fields.get(b"authorization", b"").decode("latin-1")
    return ExportRequest(signal, body, encoding, "application/x-protobuf", authorization)


def _prefix(stream: Stream) -> bytes:
    first = stream.chunks[0]
    return first if len(first) >= PREFIX_SIZE else b"".join(stream.chunks[:PREFIX_SIZE])[:PREFIX_SIZE]


def _message(stream: Stream) -> tuple[str, bytes]:
    """The encoding and the bytes of a call's one message. Raises Refused."""
    if stream.size < PREFIX_SIZE:
        raise Refused("malformed", "the call holds no message")
    compressed, size = struct.unpack_from(">BI", _prefix(stream))
    if stream.size != PREFIX_SIZE + size:
        raise Refused("malformed", f"the message is cut off: {stream.size - PREFIX_SIZE} of {size} bytes")
    chunks = stream.chunks
    while len(chunks[0]) < PREFIX_SIZE and len(chunks) > 1:
        chunks[:2] = [chunks[0] + chunks[1]]
    chunks[0] = chunks[0][PREFIX_SIZE:]
    encoding = stream.fields.get(b"grpc-encoding", b"identity").decode("latin-1")
    if not compressed:
        encoding = "identity"
    elif encoding == "identity":
        raise Refused("malformed", "a compressed message without grpc-encoding")
    return encoding, chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _trailers(refusal: Refused) -> bytes:
    """Trailers alone: code and message, and RetryInfo, which OTLP exporters honour, where the sender should retry."""
    fields = [(b":status", b"200"), (b"content-type", b"application/grpc")]
    status, message = STATUSES[refusal.reason], str(refusal)[:MAX_MESSAGE]
    if refusal.reason == "encoding":
        fields.append((b"grpc-accept-encoding", ENCODINGS))
    if status.is_retryable:
        detail = AnyMessage()
        detail.Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S)))
        rich = Status(code=status.grpc, message=message, details=[detail]).SerializeToString()
        fields.append((b"grpc-status-details-bin", base64.b64encode(rich).rstrip(b"=")))
    fields.append((b"grpc-status", str(status.grpc).encode()))
    fields.append((b"grpc-message", urllib.parse.quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode()))
    return http2.block(fields)
