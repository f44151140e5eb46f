"""Asks kubelet which device is allocated to which container: PodResources over its unix socket.

The one call that is needed, `v1.PodResourcesLister/List`, in HTTP/2 and protobuf written out: the gRPC library costs
12 MiB and refuses responses above 4 MiB, which nodes with many pods exceed. Nothing here blocks: a selector
feeds `Lister`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

LARGEST = 64 << 20
FORGET = 60.0
"""Seconds without a response after which the last one no longer counts."""
_WINDOW = 0x7FFFFFFF - 65535
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 1, 4, 1, 8
_INITIAL_WINDOW = 4


class ContainerRef(NamedTuple):
    """A container, by its names in Kubernetes."""

    namespace: str
    pod: str
    container: str


class ProtocolError(ValueError):
    """Not a valid response."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header as HPACK's literal without indexing, without Huffman coding."""
    assert len(name) < 127
    assert len(value) < 127
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def request() -> bytes:
    """Everything that is sent, in one write: the connection's preface and the one call on stream 1."""
    headers = (
        *((":method", "POST"), (":scheme", "http"), (":path", "/v1.PodResourcesLister/List")),
        *((":authority", "localhost"), ("content-type", "application/grpc"), ("te", "trailers")),
    )
    block = b"".join(_literal(name, value) for name, value in headers)
    return (
        _PREFACE
        + frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW, 0x7FFFFFFF))
        + frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW))
        + frame(_HEADERS, _END_HEADERS, 1, block)
        + frame(_DATA, _END_STREAM, 1, b"\0\0\0\0\0")
    )


class Response:
    """Parses the response on a connection; `done` once the stream ended. Raises ProtocolError."""

    def __init__(self) -> None:
        self._in = bytearray()
        self._message = bytearray()
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Parse more bytes; returns what must be sent back."""
        self._in += data
        reply = bytearray()
        at = 0
        while len(self._in) - at >= 9 and not self.done:
            size = int.from_bytes(self._in[at : at + 3], "big")
            if size > 1 << 20:
                raise ProtocolError(f"frame of {size} bytes")
            if len(self._in) - at < 9 + size:
                break
            kind, flags, stream = struct.unpack_from(">BBI", self._in, at + 3)
            reply += self._frame(kind, flags, stream & 0x7FFFFFFF, bytes(self._in[at + 9 : at + 9 + size]))
            at += 9 + size
        del self._in[:at]
        return bytes(reply)

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if kind == _SETTINGS and not flags & _ACK:
            return frame(_SETTINGS, _ACK, 0, b"")
        if kind == _PING and not flags & _ACK:
            return frame(_PING, _ACK, 0, payload)
        if kind in (_GOAWAY, _RST_STREAM):
            raise ProtocolError("refused by kubelet")
        if stream == 1 and kind == _DATA:
            self._message += _unpadded(payload, flags)
            if len(self._message) > LARGEST:
                raise ProtocolError(f"response larger than {LARGEST} bytes")
        if stream == 1 and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            self.done = True
        return b""

    def message(self) -> bytes:
        """The protobuf message of the response."""
        if len(self._message) < 5:
            raise ProtocolError("kubelet responded without a message: is the PodResources API on?")
        compressed, size = struct.unpack_from(">BI", self._message)
        if compressed or len(self._message) < 5 + size:
            raise ProtocolError("cut or compressed message")
        return bytes(self._message[5 : 5 + size])


def _unpadded(payload: bytes, flags: int) -> bytes:
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError("bad padding")
    return payload[1 : len(payload) - payload[0]]


def allocations(message: bytes) -> dict[str, ContainerRef]:
    """Device id to its container, of a ListPodResourcesResponse. Only GPUs and MIG devices are kept.

    A device shared by several containers comes with a suffix `::n` for each. Raises ProtocolError.
    """
    found: dict[str, ContainerRef] = {}
    for number, pod in _fields(message):
        if number != 1:
            continue
        parts = list(_fields(pod))
        name, namespace = _text(parts, 1), _text(parts, 2)
        for container in (value for number, value in parts if number == 3):
            inner = list(_fields(container))
            ref = ContainerRef(namespace, name, _text(inner, 1))
            for device in (value for number, value in inner if number == 2):
                found |= dict.fromkeys(_gpu_ids(list(_fields(device))), ref)
    return found


def _gpu_ids(device: list[tuple[int, bytes]]) -> list[str]:
    resource = _text(device, 1)
    if not resource.startswith("nvidia.com/"):
        return []
    return [value.decode("utf-8", "replace") for number, value in device if number == 2]


def _text(fields: list[tuple[int, bytes]], wanted: int) -> str:
    return next((value.decode("utf-8", "replace") for number, value in fields if number == wanted), "")


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Length-delimited fields of a protobuf message; others are skipped."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ProtocolError("field runs past its message")
            yield key >> 3, data[at : at + size]
            at += size
        elif wire == 0:
            _, at = _varint(data, at)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ProtocolError(f"wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ProtocolError("varint runs past its message")


class Lister:
    """One request to kubelet at a time. `allocations`: its last response; `error`: why it is not `up`."""

    def __init__(self, path: str, selector: selectors.BaseSelector, every: float = 10.0, patience: float = 5.0) -> None:
        self._path, self._selector, self._every, self._patience = path, selector, every, patience
        self.allocations: dict[str, ContainerRef] = {}
        self.up = False
        self.error = ""
        self._socket: socket.socket | None = None
        self._response = Response()
        self._asked = self._responded = float("-inf")

    def tick(self, now: float) -> None:
        """Ask when it is time, and give up on a kubelet that does not respond."""
        if self._socket is not None and now - self._asked > self._patience:
            self._end("no response in time")
        if now - self._responded > FORGET:
            self.allocations = {}
        if self._socket is None and now - self._asked >= self._every:
            self._asked = now
            self._ask()

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _ask(self) -> None:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(self._path)
            sock.send(request())
        except OSError as error:
            sock.close()
            self._end(error.strerror or str(error))
            return
        self._socket, self._response = sock, Response()
        self._selector.register(sock, selectors.EVENT_READ, self._ready)

    def _ready(self, _events: int) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 20)
            if not data:
                raise ProtocolError("connection closed by kubelet")
            reply = self._response.feed(data)
            if reply:
                self._socket.send(reply)
            if self._response.done:
                self.allocations = allocations(self._response.message())
                self.up, self._responded = True, self._asked
                self._end("")
        except BlockingIOError:
            return
        except (OSError, ProtocolError) as error:
            self._end(str(error))

    def _end(self, error: str) -> None:
        self.close()
        self.error = error
        if error:
            self.up = False
