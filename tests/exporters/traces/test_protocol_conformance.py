"""What RFC 9112, 9110 and 9113 call malformed, over real sockets: what each gets, and that its neighbours go on."""

from __future__ import annotations

import re
import socket
import struct

from support.collector_process import Collector
from support.http2_peer import frame, header_block

from exporters.traces.receive.http2 import frames

OTLP = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BODY = b'{"resourceSpans":[]}'


def post(*fields: str, version: str = "HTTP/1.1", host: str | None = "Host: h", body: bytes = BODY) -> bytes:
    """A request that is accepted as it is; `fields` are added, and replace its length."""
    head = [f"POST /v1/traces {version}", *([host] if host is not None else []), "Content-Type: application/json"]
    if not any(field.lower().startswith(("content-length", "transfer-encoding")) for field in fields):
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*head, *fields, "", "")).encode("latin-1") + body


CHUNKED = b"14\r\n" + BODY + b"\r\n0\r\n\r\n"

# RFC 9112 unless another is named.
HTTP1: dict[str, tuple[bytes, int]] = {
    "as it should be": (post(), 200),
    "3.2: no Host": (post(host=None), 400),
    "3.2: no Host in HTTP/1.0": (post(host=None, version="HTTP/1.0"), 200),
    "3.2: Host twice": (post("Host: h"), 400),
    "3.2: Host twice, of two cases": (post("HOST: i"), 400),
    "3.2: Host with a space": (post(host="Host: a b"), 400),
    "3.2: Host with a path": (post(host="Host: a/b"), 400),
    "3.2: Host with a user": (post(host="Host: a@b"), 400),
    "3.2: Host with a port of letters": (post(host="Host: a:b"), 400),
    "3.2: two in one Host": (post(host="Host: a, b"), 400),
    "3.2: Host of IPv6 with a port": (post(host="Host: [::1]:4318"), 200),
    "3.2: Host without a name": (post(host="Host:"), 200),
    "2.3: HTTP/0.9": (b"GET /v1/traces\r\n\r\n", 400),
    "2.3: HTTP/0.9 by name": (b"GET /v1/traces HTTP/0.9\r\n\r\n", 400),
    "2.3: HTTP/2.0": (post(version="HTTP/2.0"), 505),
    "2.3: HTTP/1.2": (post(version="HTTP/1.2"), 400),
    "2.3: http/1.1": (post(version="http/1.1"), 400),
    "2.2: a bare LF": (post().replace(b"\r\n", b"\n"), 400),
    "2.2: a bare CR": (post("A: b\rc"), 400),
    "2.2: space before the first field": (post(host=" Host: h"), 400),
    "3: no target": (b"GET HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "5.1: space before the colon": (post("A : b"), 400),
    "5.1: tab before the colon": (post("A\t: b"), 400),
    "5.1: space in a name": (post("A b: c"), 400),
    "5.1: no name": (post(": b"), 400),
    "5.1: no colon": (post("A"), 400),
    "5.1: another character in a name": (post("A\x01: b"), 400),
    "5.1: a letter beyond ASCII in a name": (post("\xe4: b"), 400),
    "5.2: a folded line": (post("A: b\r\n c"), 400),
    "9110, 5.5: NUL in a value": (post("A: b\0"), 400),
    "9110, 5.5: another control in a value": (post("A: b\x01"), 400),
    "6.1: length and chunks": (post("Content-Length: 20", "Transfer-Encoding: chunked", body=CHUNKED), 400),
    "6.1: chunks and length": (post("Transfer-Encoding: chunked", "Content-Length: 20", body=CHUNKED), 400),
    "6.1: chunks": (post("Transfer-Encoding: Chunked", body=CHUNKED), 200),
    "6.1: chunks in HTTP/1.0": (post("Transfer-Encoding: chunked", version="HTTP/1.0", body=CHUNKED), 400),
    "6.1: another coding": (post("Transfer-Encoding: gzip, chunked", body=CHUNKED), 501),
    "6.1: chunked twice": (post("Transfer-Encoding: chunked, chunked", body=CHUNKED), 400),
    "6.1: chunked in two fields": (post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=CHUNKED), 400),
    "6.1: chunked is not the last": (post("Transfer-Encoding: chunked, gzip", body=CHUNKED), 400),
    "6.3: length twice": (post("Content-Length: 20", "Content-Length: 20"), 400),
    "6.3: lengths that differ": (post("Content-Length: 20", "Content-Length: 21"), 400),
    "6.3: a list of lengths": (post("Content-Length: 20, 20"), 400),
    "6.3: a length with a sign": (post("Content-Length: +20"), 400),
    "6.3: a length of letters": (post("Content-Length: 0x14"), 400),
    "6.3: a length without end": (post("Content-Length: 9" + "9" * 30), 400),
    "7.1: a chunk's size of letters": (post("Transfer-Encoding: chunked", body=b"zz\r\n"), 400),
    "7.1: a chunk longer than its size": (post("Transfer-Encoding: chunked", body=b"2\r\nabc\r\n0\r\n\r\n"), 400),
    "9110, 9.1: a method in lower case": (post().replace(b"POST", b"post"), 400),
}


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def status(address: str, data: bytes) -> int:
    """Of the response to a request; what follows one that is refused gets none."""
    with connect(address) as link:
        link.sendall(data + data)
        link.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while more := link.recv(65536):
                got += more
        except ConnectionResetError:
            pass
    found = [int(code) for code in re.findall(rb"^HTTP/1\.1 (\d{3}) ", got, re.MULTILINE)]
    assert found[1:] in ([], [200] if found[0] == 200 else []), found
    return found[0]


def test_http_1(collector: Collector) -> None:
    assert {name: status(collector.http, data) for name, (data, _) in HTTP1.items()} == {
        name: expected for name, (_, expected) in HTTP1.items()
    }


def test_the_metrics_port_keeps_to_the_same(collector: Collector) -> None:
    get = b"GET /-/healthy HTTP/1.1\r\n%s\r\n"
    found = [status(collector.metrics, get % fields) for fields in (b"Host: h\r\n", b"", b"Host: h\r\n" * 2)]
    assert found == [200, 400, 400]


Fields = list[tuple[str, str]]
PSEUDO: Fields = [(":method", "POST"), (":scheme", "http"), (":path", OTLP), (":authority", "h")]
GRPC: Fields = [("content-type", "application/grpc"), ("te", "trailers")]
MESSAGE = bytes(5)


def call(
    number: int = 1, fields: Fields | None = None, body: bytes | None = MESSAGE, trailers: Fields | None = None
) -> bytes:
    """A call; without a body its headers end it."""
    ends = frames.END_STREAM
    sent = frame(frames.HEADERS, frames.END_HEADERS | (ends if body is None else 0), number,
                 header_block([*PSEUDO, *GRPC] if fields is None else fields))  # fmt: skip
    if body is not None:
        sent += frame(frames.DATA, 0 if trailers is not None else ends, number, body)
    if trailers is not None:
        sent += frame(frames.HEADERS, frames.END_HEADERS | ends, number, header_block(trailers))
    return sent


def with_(*more: tuple[str, str]) -> bytes:
    return call(fields=[*PSEUDO, *GRPC, *more])


def without(name: str, *instead: tuple[str, str]) -> bytes:
    return call(fields=[*(field for field in PSEUDO if field[0] != name), *instead, *GRPC])


def setting(key: int, value: int) -> bytes:
    return frame(frames.SETTINGS, 0, 0, struct.pack(">HI", key, value))


# Headers of a call whose body is to come.
OPEN = call(body=b"")[:-9]
OK, PROTOCOL, CLOSED = "done", f"reset {frames.PROTOCOL_ERROR}", f"reset {frames.STREAM_CLOSED}"
END, FLOW, SIZE = (
    f"goaway {code}" for code in (frames.PROTOCOL_ERROR, frames.FLOW_CONTROL_ERROR, frames.FRAME_SIZE_ERROR)
)

# RFC 9113. What the call on stream 1, or the connection, gets.
HTTP2: dict[str, tuple[bytes, str]] = {
    "as it should be": (call(), OK),
    "5.1.1: a lower stream": (call(5) + call(3), END),
    "5.1.1: a stream of the server's": (call(2), END),
    "5.1.1: stream 0": (call(0), END),
    "5.1: DATA of an idle stream": (frame(frames.DATA, 0, 1, b"a"), END),
    "5.1: RST_STREAM of an idle stream": (frame(frames.RST_STREAM, 0, 1, bytes(4)), END),
    "5.1: WINDOW_UPDATE of an idle stream": (frame(frames.WINDOW_UPDATE, 0, 1, b"\0\0\0\1"), END),
    "5.1: WINDOW_UPDATE of a server's stream": (call(3) + frame(frames.WINDOW_UPDATE, 0, 2, b"\0\0\0\1"), END),
    "5.1: DATA after the end": (call(body=None) + frame(frames.DATA, 1, 1, b"a" * 200), CLOSED),
    "5.1: HEADERS after the end": (call(body=None) + call(), CLOSED),
    "5.1: frames after RST_STREAM": (
        OPEN + frame(frames.RST_STREAM, 0, 1, bytes(4)) + frame(frames.DATA, 1, 1, MESSAGE),
        CLOSED,
    ),
    "5.3: depends on itself (ignored)": (call() + frame(frames.PRIORITY, 0, 1, struct.pack(">IB", 1, 1)), OK),
    "5.5: an unknown frame (ignored)": (frame(77, 255, 9, b"a") + call(), OK),
    "6.1: DATA of the connection": (frame(frames.DATA, 0, 0, b"a"), END),
    "6.1: padding as long as the frame": (OPEN + frame(frames.DATA, frames.PADDED, 1, b"\1"), END),
    "6.3: PRIORITY of the connection": (frame(frames.PRIORITY, 0, 0, bytes(5)), END),
    "6.4: RST_STREAM of the connection": (frame(frames.RST_STREAM, 0, 0, bytes(4)), END),
    "6.5: SETTINGS of a stream": (frame(frames.SETTINGS, 0, 1), END),
    "6.5: half a setting": (frame(frames.SETTINGS, 0, 0, bytes(5)), SIZE),
    "6.5: an acknowledgement of something": (frame(frames.SETTINGS, frames.ACK, 0, bytes(6)), SIZE),
    "6.5.2: ENABLE_PUSH of 2": (setting(2, 2), END),
    "6.5.2: a window of 2^31": (setting(4, 1 << 31), FLOW),
    "6.5.2: frames of 16383": (setting(5, 16383), END),
    "6.5.2: frames of 2^24": (setting(5, 1 << 24), END),
    "6.5.2: an unknown setting (ignored)": (setting(77, 1) + call(), OK),
    "6.6: PUSH_PROMISE": (frame(frames.PUSH_PROMISE, 0, 1, bytes(8)), END),
    "6.7: PING of a stream": (frame(frames.PING, 0, 1, bytes(8)), END),
    "6.7: PING of seven bytes": (frame(frames.PING, 0, 0, bytes(7)), SIZE),
    "6.8: GOAWAY of a stream": (frame(frames.GOAWAY, 0, 1, bytes(8)), END),
    "6.8: GOAWAY of seven bytes": (frame(frames.GOAWAY, 0, 0, bytes(7)), SIZE),
    "6.9: a window of the connection grows by 0": (frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)), END),
    "6.9: a stream's window grows by 0": (OPEN + frame(frames.WINDOW_UPDATE, 0, 1, bytes(4)), PROTOCOL),
    "6.9.1: a window of 2^31": (frame(frames.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), FLOW),
    "6.10: CONTINUATION of nothing": (frame(frames.CONTINUATION, 4, 1, b"\x82"), END),
    "6.10: another frame within headers": (frame(frames.HEADERS, 0, 1) + frame(frames.PING, 0, 0, bytes(8)), END),
    "8.1: trailers": (call(trailers=[("a", "b")]), OK),
    "8.1: pseudo-headers in trailers": (call(trailers=[(":path", "/"), ("a", "b")]), PROTOCOL),
    "8.1: trailers that do not end the call": (
        OPEN + frame(frames.HEADERS, frames.END_HEADERS, 1, header_block([("a", "b")])), PROTOCOL,
    ),
    "8.1.1: content-length": (with_(("content-length", "5")), OK),
    "8.1.1: a longer content-length": (with_(("content-length", "6")), PROTOCOL),
    "8.1.1: a shorter content-length": (with_(("content-length", "4")), PROTOCOL),
    "8.1.1: content-length without DATA": (call(fields=[*PSEUDO, *GRPC, ("content-length", "5")], body=None), PROTOCOL),
    "8.1.1: content-length twice": (with_(("content-length", "5"), ("content-length", "5")), PROTOCOL),
    "8.1.1: content-length of letters": (with_(("content-length", "5a")), PROTOCOL),
    "8.2.1: a name in upper case": (with_(("X", "1")), PROTOCOL),
    "8.2.1: a space in a name": (with_(("x y", "1")), PROTOCOL),
    "8.2.1: a space behind a name": (with_(("x ", "1")), PROTOCOL),
    "8.2.1: a colon in a name": (with_(("x:y", "1")), PROTOCOL),
    "8.2.1: no name": (with_(("", "1")), PROTOCOL),
    "8.2.1: NUL in a value": (with_(("x", "a\0")), PROTOCOL),
    "8.2.1: CR LF in a value": (with_(("x", "a\r\nb: c")), PROTOCOL),
    "8.2.1: space before a value": (with_(("x", " 1")), PROTOCOL),
    "8.2.1: a tab behind a value": (with_(("x", "1\t")), PROTOCOL),
    "8.2.1: no value": (with_(("x", "")), OK),
    "8.2.2: connection": (with_(("connection", "close")), PROTOCOL),
    "8.2.2: keep-alive": (with_(("keep-alive", "1")), PROTOCOL),
    "8.2.2: transfer-encoding": (with_(("transfer-encoding", "chunked")), PROTOCOL),
    "8.2.2: upgrade": (with_(("upgrade", "a")), PROTOCOL),
    "8.2.2: proxy-connection": (with_(("proxy-connection", "a")), PROTOCOL),
    "8.2.2: te of gzip": (call(fields=[*PSEUDO, GRPC[0], ("te", "gzip")]), PROTOCOL),
    "8.3: a pseudo-header behind another field": (call(fields=[*PSEUDO[1:], *GRPC, PSEUDO[0]]), PROTOCOL),
    "8.3: a response's pseudo-header": (without("", (":status", "200")), PROTOCOL),
    "8.3: an unknown pseudo-header": (without("", (":a", "b")), PROTOCOL),
    "8.3.1: a pseudo-header twice": (without("", (":path", OTLP)), PROTOCOL),
    "8.3.1: no :method": (without(":method"), PROTOCOL),
    "8.3.1: no :scheme": (without(":scheme"), PROTOCOL),
    "8.3.1: no :path": (without(":path"), PROTOCOL),
    "8.3.1: an empty :path": (without(":path", (":path", "")), PROTOCOL),
    "8.3.1: a :path without its slash": (without(":path", (":path", OTLP[1:])), PROTOCOL),
    "8.3.1: :authority with a user": (without(":authority", (":authority", "a@h")), PROTOCOL),
    "8.3.1: host beside :authority": (with_(("host", "h")), OK),
    "8.3.1: host other than :authority": (with_(("host", "i")), PROTOCOL),
    "8.3.1: host twice": (with_(("host", "h"), ("host", "h")), PROTOCOL),
}  # fmt: skip


def outcome(address: str, data: bytes) -> str:
    """What the peer is told: the connection's error, the call's error, or its end."""
    with connect(address) as link:
        link.sendall(frames.PREFACE + frame(frames.SETTINGS, 0, 0) + data + frame(frames.PING, 0, 0, b"the end!"))
        got, found = b"", []
        try:
            while not _is_over(found) and (more := link.recv(65536)):
                got += more
                found = list(_frames(got))
        except ConnectionResetError:
            pass
    return _outcome(found)


def _frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    found = []
    while len(data) >= 9:
        size, (kind, flags, number) = int.from_bytes(data[:3], "big"), struct.unpack(">BBI", data[3:9])
        if len(data) < 9 + size:
            break
        found.append((kind, flags, number, data[9 : 9 + size]))
        data = data[9 + size :]
    return found


def _is_over(found: list[tuple[int, int, int, bytes]]) -> bool:
    """The connection's error, or our PING is acknowledged and the call has ended."""
    answered = any(kind == frames.PING for kind, *_ in found)
    return any(kind == frames.GOAWAY for kind, *_ in found) or (answered and _outcome(found) != "cut off")


def _outcome(found: list[tuple[int, int, int, bytes]]) -> str:
    for kind, _, _, payload in found:
        if kind == frames.GOAWAY:
            return f"goaway {int.from_bytes(payload[4:8], 'big')}"
    for kind, flags, number, payload in found:
        if number == 1 and kind == frames.RST_STREAM:
            return f"reset {int.from_bytes(payload, 'big')}"
        if number == 1 and kind == frames.HEADERS and flags & frames.END_STREAM:
            return "done"
    return "cut off"


def test_http_2(collector: Collector) -> None:
    assert {name: outcome(collector.grpc, data) for name, (data, _) in HTTP2.items()} == {
        name: expected for name, (_, expected) in HTTP2.items()
    }
