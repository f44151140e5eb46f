"""uvicorn's reading of HTTP with an end: it keeps a request's headers until they end, however long that takes."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Of a request without its body: cookies and a proxy's fields fit in many times over.
MAX_HEADERS: Final = 65536
# How much longer a body in chunks may be than what it holds.
CHUNKING: Final = 8
REFUSAL: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 26\r\n"
    b"connection: close\r\n\r\nthe headers are too large\n"
)


class Bounded(HttpToolsProtocol):
    """Ends a connection whose request has too much beside its body: headers, frames of chunks, fields behind them."""

    _beside = 0
    _held = 0

    def data_received(self, data: bytes) -> None:
        self._beside += len(data)
        super().data_received(data)
        if self._beside > MAX_HEADERS + CHUNKING * self._held and not self.transport.is_closing():
            self.transport.write(REFUSAL)
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._beside -= len(body)
        self._held += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._beside = self._held = 0
        super().on_message_complete()
