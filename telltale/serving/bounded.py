"""uvicorn's HTTP parser with a limit: by itself it buffers a request's headers for as long as they keep coming."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of a request without its body: cookies and the fields of proxies take a small part of it.
MAX_HEADERS: Final = 65536
# How many times longer a chunked body may be than its content.
CHUNKING: Final = 8
REFUSAL: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 26\r\n"
    b"connection: close\r\n\r\nthe headers are too large\n"
)


class Bounded(HttpToolsProtocol):
    """Closes a connection whose request has too many bytes beside its body: headers, chunk framing, trailers."""

    _overhead = 0
    _body_bytes = 0

    def data_received(self, data: bytes) -> None:
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > MAX_HEADERS + CHUNKING * self._body_bytes and not self.transport.is_closing():
            self.transport.write(REFUSAL)
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._overhead = self._body_bytes = 0
        super().on_message_complete()
