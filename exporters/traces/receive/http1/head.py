"""What a request's head must be (RFC 9112, 2 to 6) beyond what llhttp refuses by itself.

llhttp refuses what is not framed: space around a field's name, folded lines, other characters than a token's, lengths
that are repeated or not of digits, a length beside chunks.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from exporters.traces.receive.http1.request import Request

# Bytes of a request without its body.
MAX_HEADERS = 16384
MAX_FIELDS = 100
# RFC 3986, 3.2.2: a name, an IPv4 address or an IPv6 address in brackets, and a port.
HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]*)(:[0-9]*)?")

Fault = tuple[HTTPStatus, str]


def size_fault(request: Request, head_size: int) -> Fault | None:
    """Why these headers, of so many bytes so far, are too large."""
    if request.listed > MAX_FIELDS or head_size > MAX_HEADERS:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large"
    return None


def read(request: Request) -> Fault | None:
    """Read the path out of a whole head, and `announced`. Returns why it is to be refused, or None."""
    return _version_fault(request) or _coding_fault(request) or _host_fault(request) or _read_target(request)


def _version_fault(request: Request) -> Fault | None:
    if request.version in ("1.1", "1.0"):
        return None
    if request.version == "0.9":
        return HTTPStatus.BAD_REQUEST, "HTTP/0.9 is not served"
    return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 is served"


def _coding_fault(request: Request) -> Fault | None:
    announced = request.fields.get(b"content-length", b"0")
    request.announced = int(announced) if announced.isdigit() and len(announced) < 20 else 0
    coding = request.fields.get(b"transfer-encoding")
    if coding is None:
        return None
    if request.version == "1.0":
        return HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding"
    if coding.strip().lower() != b"chunked":
        return HTTPStatus.NOT_IMPLEMENTED, "the only Transfer-Encoding is chunked"
    return None


def _host_fault(request: Request) -> Fault | None:
    """RFC 9112, 3.2: one Host of each HTTP/1.1 request, and none that is no host."""
    if request.hosts > 1:
        return HTTPStatus.BAD_REQUEST, "more than one Host"
    host = request.fields.get(b"host")
    if host is None:
        return (HTTPStatus.BAD_REQUEST, "no Host") if request.version == "1.1" else None
    return None if HOST.fullmatch(host) else (HTTPStatus.BAD_REQUEST, "Host is no host and port")


def _read_target(request: Request) -> Fault | None:
    try:
        target = httptools.parse_url(request.url)
        request.path = unquote((target.path or b"/").decode("latin-1"))
        if target.host:
            # RFC 9112, 3.2.2: a whole URL's host counts, whatever Host says.
            request.fields[b"host"] = b"[%b]" % target.host if b":" in target.host else target.host
    except httptools.HttpParserError:
        return HTTPStatus.BAD_REQUEST, "the target is no URL"
    return None
