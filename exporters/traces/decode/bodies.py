"""Request bodies: decompressed up to a limit, then decoded. What cannot be read is refused with a reason."""

from __future__ import annotations

import io
import zlib
from typing import Any, Literal

import deflate
import zstandard
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporters.traces.decode import bounds, otlp_json, otlp_logs, otlp_protobuf, protobuf
from exporters.traces.decode.faults import Faults
from exporters.traces.decode.otlp_protobuf import Group

GZIP_WINDOW = 31
# DEFLATE without optional fields: ten bytes.
GZIP_MAGIC = b"\x1f\x8b\x08"
GZIP_PLAIN_HEADER = GZIP_MAGIC + b"\0"
# The largest ratio by which a DEFLATE stream can expand.
MOST_RATIO = 1032
# Bytes of a body that is decompressed in one call, which holds it twice for a moment.
MOST_AT_ONCE = 4 << 20
# Bytes that go into a stream, or come out of it, at once.
PIECE = 1 << 18
FIRST_PIECE = 512
# Bytes of a zstd body decompressed at once: four may expand to 128 KiB, so the limit is exceeded by at most 8 MiB.
ZSTD_PIECE = 256
# Even an empty frame takes time; senders' libraries write one frame, or one per chunk.
MOST_FRAMES = 10_000
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
# Of JSON, decoding makes copies.
MAX_JSON = 16 << 20


Reason = Literal[
    "malformed", "unauthenticated", "not_found", "method_not_allowed", "too_large", "content_type", "encoding",
    "busy", "store_busy", "internal", "store_unavailable", "probe",
]  # fmt: skip


class Refused(Exception):
    """A request that is not accepted. `reason` is the counter's label; `receive.statuses` maps it to a status."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before `Content-Encoding`. Raises Refused, also when it exceeds `limit` bytes."""
    if encoding == "x-gzip":
        # RFC 9110, 8.4.1.3.
        encoding = "gzip"
    try:
        if encoding in ("", "identity"):
            plain = body
        elif encoding == "gzip" and (found := _at_once(body, limit)) is not None:
            plain = found
        elif encoding in ("gzip", "deflate"):
            plain = _inflated(body, encoding, limit)
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
    """A single-member gzip body whose trailer states its true size (RFC 1952, ISIZE), in one call; None for any other.

    Costs a quarter of streaming, and twice the memory. The size is the sender's claim, so it is checked against what is
    possible.
    """
    size = int.from_bytes(body[-4:], "little")
    if not body.startswith(GZIP_PLAIN_HEADER) or not 0 < size <= min(limit, len(body) * MOST_RATIO, MOST_AT_ONCE):
        return None
    if body.find(GZIP_MAGIC, len(GZIP_PLAIN_HEADER)) > 0:
        # Perhaps another member, which may have the same trailer.
        return None
    try:
        plain = bytes(deflate.deflate_decompress(memoryview(body)[10:-8], size))
    except deflate.DeflateError:
        return None
    # If the stream ends before the body does, the trailer is another member's.
    return plain if len(plain) == size and deflate.crc32(plain) == int.from_bytes(body[-8:-4], "little") else None


def _inflated(body: bytes, encoding: str, limit: int) -> bytes:
    """The content of a zlib stream or of all members of a gzip body (RFC 1952), or its first `limit` bytes and one.

    Raises Refused and zlib.error.
    """
    # It grows in place, and its content is not copied in the end; zlib's own pieces would be joined into a second copy.
    plain, view = io.BytesIO(), memoryview(body)
    at = 0
    for _ in range(MOST_FRAMES):
        engine = zlib.decompressobj(GZIP_WINDOW if encoding == "gzip" else zlib.MAX_WBITS)
        at = _inflate(engine, view, at, plain, limit)
        if plain.tell() > limit:
            return plain.getvalue()
        if not engine.eof:
            raise Refused("malformed", f"the {encoding} body is cut off")
        if at == len(body):
            return plain.getvalue()
        if encoding != "gzip":
            raise Refused("malformed", f"something follows the end of the {encoding} body")
    raise Refused("malformed", f"the gzip body has more than {MOST_FRAMES} members")


def _inflate(engine: Any, body: memoryview, at: int, plain: io.BytesIO, limit: int) -> int:
    """Write the content of the stream that begins there, at most to `limit` bytes and one. Returns where it ends."""
    # Little at first: what follows a member is copied, which of many small ones would be all the others.
    piece = FIRST_PIECE
    while at < len(body) and not engine.eof:
        rest: bytes | memoryview = body[at : at + piece]
        at, piece = at + len(rest), min(2 * piece, PIECE)
        while wanted := min(PIECE, limit + 1 - plain.tell()):
            found = plain.write(engine.decompress(rest, wanted))
            rest = engine.unconsumed_tail
            if engine.eof or (not rest and found < wanted):
                break
        else:
            return at
    return at - len(engine.unused_data)


def _zstd(body: bytes, limit: int) -> bytes:
    """The content of all frames (RFC 8878 allows several), up to a little over `limit` bytes.

    Raises Refused for a truncated last frame, ZstdError for anything but a frame.
    """
    engine, view = zstandard.ZstdDecompressor(), memoryview(body)
    plain, at = io.BytesIO(), 0
    for _ in range(MOST_FRAMES):
        # A decompressobj finds its frame's end, and allocates what it writes, whatever size the frame announces.
        frame = engine.decompressobj()
        while not frame.eof:
            if at == len(body):
                raise Refused("malformed", "the zstd body is cut off")
            piece = view[at : at + ZSTD_PIECE]
            at += len(piece)
            plain.write(frame.decompress(piece))
            if plain.tell() > limit:
                return plain.getvalue()
        at -= len(frame.unused_data)
        if at == len(body):
            return plain.getvalue()
    raise Refused("malformed", f"the zstd body has more than {MOST_FRAMES} frames")


def _media(content_type: str) -> str:
    media = content_type.partition(";")[0].strip().lower()
    if media not in (PROTOBUF, JSON):
        raise Refused("content_type", f"Content-Type {media!r}: use {PROTOBUF} or {JSON}")
    return media


def small(body: bytes, encoding: str, most: int) -> bytes | None:
    """The body as it was before `Content-Encoding`, None if it is larger than `most` bytes. Raises Refused."""
    if len(body) > most:
        return None
    try:
        return decompress(body, encoding, most)
    except Refused as refusal:
        if refusal.reason == "too_large":
            return None
        raise


def spans(
    body: bytes,
    encoding: str,
    content_type: str,
    limit: int,
    most: int,
    plain: bytes | None = None,
    faults: Faults | None = None,
) -> tuple[list[Group], int]:
    """Where the first `most` spans of a request are, and how many it has. Raises Refused.

    `plain` is the body decompressed, if that is done already. Spans that can be told from others and not be read go to
    `faults`, if given: what is none in JSON, those of a resource or scope that cannot be read.
    """
    if plain is None:
        plain = decompress(body, encoding, limit)
    is_json = _media(content_type) == JSON
    if is_json:
        plain = _json(plain, ExportTraceServiceRequest, most, faults)
    try:
        bounds.spans(plain, ExportTraceServiceRequest, most)
        found, seen = otlp_protobuf.split(plain, most, faults)
    except bounds.TooMany as error:
        raise Refused("too_large", str(error)) from error
    except protobuf.Malformed as error:
        raise Refused("malformed", f"the body is not an ExportTraceServiceRequest: {error}") from error
    if not is_json and len(body) < len(plain):
        for group in found:
            group.source.body, group.source.encoding = body, encoding
    return found, seen


def logs(
    body: bytes,
    encoding: str,
    content_type: str,
    limit: int,
    most: int,
    plain: bytes | None = None,
    faults: Faults | None = None,
) -> ExportLogsServiceRequest:
    """A logs request of at most `most` records; `plain` and `faults` as for `spans`. Raises Refused."""
    if plain is None:
        plain = decompress(body, encoding, limit)
    if _media(content_type) == JSON:
        plain = _json(plain, ExportLogsServiceRequest, most, faults)
    refused = Faults() if faults is None else faults
    try:
        bounds.logs(plain, ExportLogsServiceRequest, most)
        request = otlp_logs.read(plain, refused)
    except bounds.TooMany as error:
        raise Refused("too_large", str(error)) from error
    except protobuf.Malformed as error:
        raise Refused("malformed", f"the body is not an ExportLogsServiceRequest: {error}") from error
    if refused.count and not otlp_logs.number(request):
        raise Refused("malformed", f"the body is not an ExportLogsServiceRequest: {refused.why}")
    return request


def _json(body: bytes, kind: type[Message], most: int, faults: Faults | None) -> bytes:
    if len(body) > MAX_JSON:
        raise Refused("too_large", f"the body is larger than {MAX_JSON} bytes of JSON: send protobuf, or less at once")
    try:
        bounds.json(body, most)
        return otlp_json.encode(body, kind, faults)
    except bounds.TooMany as error:
        raise Refused("too_large", f"{error} (from collector.max_spans)") from error
    except otlp_json.NotOtlp as error:
        raise Refused("malformed", f"the body is not an {kind.__name__} in JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        # Without the error's own text, which may quote the body.
        raise Refused("malformed", f"the body is not an {kind.__name__} in JSON") from error
