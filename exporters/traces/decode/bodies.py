"""Request bodies: decompressed within a bound, then decoded. What cannot be read is refused with a reason."""

from __future__ import annotations

import zlib
from typing import Literal, TypeVar

import deflate
import zstandard
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporters.traces.decode import bounds, otlp_json, otlp_protobuf, protobuf
from exporters.traces.decode.otlp_protobuf import Group

Request = TypeVar("Request", bound=Message)

GZIP_WINDOW = 31
# DEFLATE, and no optional fields: ten bytes in all.
GZIP_PLAIN_HEADER = b"\x1f\x8b\x08\0"
# No DEFLATE stream grows by more.
MOST_RATIO = 1032
# Of a zstd body at once: four bytes may tell of 128 KiB, so the bound on the whole is passed by 8 MiB at most.
ZSTD_PIECE = 256
# A frame takes time even when it holds nothing; a sender's library writes one, or one for each of its own pieces.
MOST_FRAMES = 10_000
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


Reason = Literal[
    "malformed", "unauthenticated", "not_found", "method_not_allowed", "too_large", "content_type", "encoding",
    "busy", "store_busy", "internal", "store_unavailable",
]  # fmt: skip


class Refused(Exception):
    """A request that is not accepted. `reason` is the counter's label; `receive.statuses` says what its sender gets."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before `Content-Encoding`. Raises Refused, also for one that grows over `limit` bytes."""
    try:
        if encoding in ("", "identity"):
            plain = body
        elif encoding == "gzip" and (found := _at_once(body, limit)) is not None:
            plain = found
        elif encoding in ("gzip", "deflate"):
            engine = zlib.decompressobj(GZIP_WINDOW if encoding == "gzip" else zlib.MAX_WBITS)
            plain = engine.decompress(body, limit + 1)
            if len(plain) <= limit and not engine.eof:
                raise Refused("malformed", f"the {encoding} body is cut off")
            if engine.unused_data:
                raise Refused("malformed", f"something follows the end of the {encoding} body")
        elif encoding == "zstd":
            plain = _zstd(body, limit)
        else:
            raise Refused("encoding", f"Content-Encoding {encoding!r}: use gzip, deflate, zstd or none")
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Refused("malformed", f"the body is not {encoding}: {error}") from error
    if len(plain) > limit:
        raise Refused("too_large", f"the body is larger than {limit} bytes (collector.max_decompressed_bytes)")
    return plain


def _at_once(body: bytes, limit: int) -> bytes | None:
    """A gzip body of one part that is as long as its end says (RFC 1952, ISIZE), in one go; None for any other.

    A fourth of what a stream costs, and bounded as one is: the size is the sender's word, so it must be possible.
    """
    size = int.from_bytes(body[-4:], "little")
    if not body.startswith(GZIP_PLAIN_HEADER) or not 0 < size <= min(limit, len(body) * MOST_RATIO):
        return None
    try:
        plain = bytes(deflate.deflate_decompress(memoryview(body)[10:-8], size))
    except deflate.DeflateError:
        return None
    # The stream may end before the body's end, which is that of another part then.
    return plain if len(plain) == size and deflate.crc32(plain) == int.from_bytes(body[-8:-4], "little") else None


def _zstd(body: bytes, limit: int) -> bytes:
    """The content of all frames (RFC 8878 allows several), up to a little over `limit` bytes.

    Raises Refused for a last frame without its end, ZstdError for what is no frame.
    """
    engine, view = zstandard.ZstdDecompressor(), memoryview(body)
    parts: list[bytes] = []
    size = at = 0
    for _ in range(MOST_FRAMES):
        # It knows where its frame ends, and allocates what it writes, whatever a frame announces.
        frame = engine.decompressobj()
        while not frame.eof:
            if at == len(body):
                raise Refused("malformed", "the zstd body is cut off")
            piece = view[at : at + ZSTD_PIECE]
            at += len(piece)
            parts.append(frame.decompress(piece))
            size += len(parts[-1])
            if size > limit:
                return b"".join(parts)
        at -= len(frame.unused_data)
        if at == len(body):
            return b"".join(parts)
    raise Refused("malformed", f"the zstd body has more than {MOST_FRAMES} frames")


def _media(content_type: str) -> str:
    media = content_type.partition(";")[0].strip().lower()
    if media not in (PROTOBUF, JSON):
        raise Refused("content_type", f"Content-Type {media!r}: use {PROTOBUF} or {JSON}")
    return media


def spans(body: bytes, encoding: str, content_type: str, limit: int, most: int) -> tuple[list[Group], int]:
    """Where the first `most` spans of a request are, and how many it has. Raises Refused or protobuf.Malformed."""
    plain = decompress(body, encoding, limit)
    if _media(content_type) == JSON:
        return otlp_protobuf.split(_json(plain, ExportTraceServiceRequest, most), most)
    found, seen = otlp_protobuf.split(plain, most)
    if len(body) < len(plain):
        for group in found:
            group.source.body, group.source.encoding = body, encoding
    return found, seen


def logs(body: bytes, encoding: str, content_type: str, limit: int, most: int) -> ExportLogsServiceRequest:
    """A logs request of at most `most` records. Raises Refused."""
    plain = decompress(body, encoding, limit)
    if _media(content_type) == JSON:
        plain = _json(plain, ExportLogsServiceRequest, most)
    try:
        bounds.logs(plain, ExportLogsServiceRequest, most)
    except bounds.TooMany as error:
        raise Refused("too_large", str(error)) from error
    except protobuf.Malformed as error:
        raise Refused("malformed", f"the body is not an ExportLogsServiceRequest: {error}") from error
    return _protobuf(plain, ExportLogsServiceRequest)


def _protobuf(body: bytes, kind: type[Request]) -> Request:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise Refused("malformed", f"the body is not an {kind.__name__}") from error


def _json(body: bytes, kind: type[Message], most: int) -> bytes:
    try:
        bounds.json(body, most)
        return otlp_json.encode(body, kind)
    except bounds.TooMany as error:
        raise Refused("too_large", str(error)) from error
    except otlp_json.NotOtlp as error:
        raise Refused("malformed", f"the body is not an {kind.__name__} in JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        # Not the error's own text, which may quote the body.
        raise Refused("malformed", f"the body is not an {kind.__name__} in JSON") from error
