"""One request as far as it has arrived, its response, and who responds."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Protocol

log = logging.getLogger(__name__)

TEXT = b"text/plain; charset=utf-8"
# How many parts of a body are kept separately before they are joined.
MOST_PARTS = 256
# Bytes of memory that a header field takes beside its content.
FIELD_SIZE = 160

Field = tuple[bytes, bytes]


class Application(Protocol):
    """The handler of requests: calls `Request.respond` once for each, at once or later in the loop's thread."""

    def on_headers(self, request: Request) -> None:
        """The headers have arrived."""

    def on_data(self, request: Request) -> None:
        """More of the body has arrived: `request.size` bytes of it."""

    def on_request(self, request: Request) -> None:
        """The request is complete."""

    def release(self, request: Request) -> None:
        """It has its response or will never have one: free what is reserved for it."""


class Responder(Protocol):
    """Sends a request's response."""

    def respond(self, request: Request) -> None:
        """The response is there."""


class Request:
    """One request. Of a repeated header field the last value counts; `reserved` is for the application."""

    __slots__ = (
        "_gathered", "always", "announced", "chunks", "close", "ended", "fields", "handed_over", "hosts", "listed",
        "method", "path", "reserved", "responder", "response", "since", "size", "url", "version", "written",
    )  # fmt: skip

    def __init__(self, responder: Responder, since: float) -> None:
        self.responder = responder
        self.since = since
        self.url = b""
        self.method = self.path = self.version = ""
        self.fields: dict[bytes, bytes] = {}
        # Header fields of its response, whichever that will be.
        self.always: tuple[Field, ...] = ()
        # How many fields were listed, and how many of them named a host.
        self.listed = self.hosts = 0
        self.announced = self.size = self.reserved = 0
        self.chunks: list[bytes] = []
        # The first parts of a body in very many, joined: one object per part would take many times its size.
        self._gathered = bytearray()
        self.response: bytes | None = None
        self.ended = self.handed_over = self.written = self.close = False

    def field(self, name: bytes) -> str:
        """That header field, or an empty string."""
        return self.fields.get(name, b"").decode("latin-1")

    def named(self, name: str) -> str | None:
        """That header field, or None."""
        value = self.fields.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def list(self, name: bytes, value: bytes) -> None:
        """Take the next header field."""
        name = name.lower()
        self.listed += 1
        self.hosts += name == b"host"
        self.fields[name] = value

    def held(self) -> int:
        """Bytes of memory beside what is reserved."""
        return len(self.url) + len(self.fields) * FIELD_SIZE + self.size - self.reserved

    def add(self, part: bytes) -> None:
        """Append the body's next part."""
        self.chunks.append(part)
        if len(self.chunks) == MOST_PARTS:
            self._gathered += b"".join(self.chunks)
            self.chunks.clear()

    def take_body(self) -> bytes:
        """The body received so far; the request no longer keeps it."""
        if self._gathered:
            body = b"".join((self._gathered, *self.chunks))
        else:
            body = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        self.clear()
        return body

    def clear(self) -> None:
        """Drop the body."""
        self.chunks.clear()
        self._gathered = bytearray()

    def respond(self, status: int, kind: bytes, body: bytes, *more: Field) -> None:
        """Respond with a body of media type `kind` and `more` header fields. Only the first response counts."""
        if self.response is not None:
            return
        head = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()), b"content-type: " + kind]
        head += [b"content-length: %d" % len(body), *(b"%s: %s" % field for field in (*self.always, *more))]
        if self.close:
            head.append(b"connection: close")
        self.response = b"\r\n".join((*head, b"", b"" if self.method == "HEAD" else body))
        self.responder.respond(self)

    def fail(self) -> None:
        """Log the exception that is being handled, and respond with 500."""
        log.exception("a request failed")
        self.respond(500, TEXT, b"the collector failed: see its log\n")
