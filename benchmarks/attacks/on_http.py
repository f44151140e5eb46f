"""Attacks on the collector's OTLP/HTTP port: bodies that are small to send and large to read, and slow peers."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from functools import cache
from itertools import count

import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from benchmarks.attacks.flood import Attack, Flood, always

# Bytes of a body once it is decompressed: just within `collector.max_decompressed_bytes`; of JSON within `MAX_JSON`.
BODY = 31 << 20
JSON_BODY = 15 << 20
BOMBERS = 4
SLOW = 900
PROMPTS = 16
PROMPT = 64 << 10
PROTOBUF, JSON = "application/x-protobuf", "application/json"
HALF = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: " + b"a" * 200
EMPTY = b'{"resourceSpans":[]}'


def post(body: bytes, encoding: str = "", media: str = PROTOBUF, path: str = "/v1/traces") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n"
    return (head + (f"Content-Encoding: {encoding}\r\n" if encoding else "") + "\r\n").encode() + body


def field(number: int, body: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    return _header(number, len(body)) + body


def _header(number: int, size: int) -> bytes:
    found = bytearray([number << 3 | 2])
    while size > 127:
        found.append(size & 127 | 128)
        size >>= 7
    return bytes([*found, size])


def nested(depth: int, count: int) -> bytes:
    """`count` attributes whose values are arrays in arrays, `depth` of them."""
    headers, size = [], 0
    for level in range(2 * depth):
        headers.append(_header(1 if level % 2 == 0 else 5, size))
        size += len(headers[-1])
    return field(9, field(2, b"".join(reversed(headers)))) * count


def span(content: bytes) -> bytes:
    return field(1, field(2, field(2, content)))


def _listed(item: bytes, before: bytes) -> bytes:
    return before + b"[" + item * (JSON_BODY // len(item)) + item[:-1] + b"]" + b"}" * before.count(b"{")


# Each is made when its attack begins: many of them at once take more memory than the part may.
BODIES: dict[str, Callable[[], bytes]] = {
    "empty spans": lambda: field(1, field(2, b"\x12\0" * (BODY // 2))),
    "empty resource spans": lambda: b"\x0a\0" * (BODY // 2),
    "empty scopes": lambda: field(1, b"\x12\0" * (BODY // 2)),
    "one span of many attributes": lambda: span(b"\x4a\0" * (BODY // 2)),
    "an array of many values": lambda: span(field(9, field(2, field(5, b"\x0a\0" * (BODY // 2))))),
    "arrays in arrays": lambda: span(nested(45, (BODY - (1 << 20)) // 280)),
}
JSON_BODIES: dict[str, Callable[[], bytes]] = {
    "JSON of many objects": lambda: _listed(b"{},", b'{"resourceSpans":'),
    "JSON of many numbers": lambda: _listed(b"1,", b'{"resourceSpans":[],"x":'),
    "JSON of many spans": lambda: _listed(b"{},", b'{"resourceSpans":[{"scopeSpans":[{"spans":')[:-3] + b"}]}]}",
}


def _packed(make: Callable[[], bytes], media: str, path: str) -> Callable[[int], bytes]:
    made = cache(lambda: post(gzip.compress(make(), 9), "gzip", media, path))
    return lambda number: made()


def _bomb(repeat: Callable[[int], bytes]) -> Flood:
    return Flood("http", BOMBERS, repeat=repeat)


def _zstd() -> Callable[[int], bytes]:
    made = cache(lambda: post(zstandard.compress(BODIES["empty spans"]()), "zstd"))
    return lambda number: made()


@cache
def _numbers() -> list[str]:
    draw = random.Random(1)
    return [
        "\n".join(",".join(str(draw.randrange(10**9, 10**11)) for _ in range(8)) for _ in range(PROMPT // 96))[:PROMPT]
        for _ in range(4)
    ]


_seeds = count(1)


def prompts(number: int) -> bytes:
    """Calls whose prompts are comma-separated numbers, each of a tenant not seen before: each of them is sampled."""
    draw, request = random.Random(next(_seeds)), ExportTraceServiceRequest()
    for _ in range(PROMPTS):
        resource_spans = request.resource_spans.add()
        resource_spans.resource.attributes.extend(
            [_pair("service.name", "app"), _pair("tenant.id", f"tenant-{draw.getrandbits(48):x}")]
        )
        end = 1_790_000_000_000_000_000 + draw.randrange(10**12)
        made = resource_spans.scope_spans.add().spans.add(
            trace_id=draw.randbytes(16), span_id=draw.randbytes(8), name="chat m", kind=3,
            start_time_unix_nano=end - 10**9, end_time_unix_nano=end,
        )  # fmt: skip
        text = json.dumps([{"role": "user", "parts": [{"type": "text", "content": draw.choice(_numbers())}]}])
        made.attributes.extend([
            _pair("gen_ai.operation.name", "chat"), _pair("gen_ai.provider.name", "openai"),
            _pair("gen_ai.request.model", "m"), _pair("gen_ai.response.id", f"r{draw.getrandbits(64):x}"),
            _pair("gen_ai.input.messages", text), _pair("gen_ai.output.messages", text),
        ])  # fmt: skip
    return post(request.SerializeToString())


def _pair(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=text))


SPANS = _packed(BODIES["empty spans"], PROTOBUF, "/v1/traces")
READS_NOTHING = Flood("http", SLOW, repeat=always(post(EMPTY, media=JSON) * 300), read=0)
CHUNKED = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"

FLOODS: dict[str, tuple[Flood, ...]] = {
    **{f"gzip, {name}": (_bomb(_packed(make, PROTOBUF, "/v1/traces")),) for name, make in BODIES.items()},
    **{f"gzip, {name}": (_bomb(_packed(make, JSON, "/v1/traces")),) for name, make in JSON_BODIES.items()},
    "gzip, logs of many records": (_bomb(_packed(BODIES["empty spans"], PROTOBUF, "/v1/logs")),),
    "zstd, empty spans": (_bomb(_zstd()),),
    "900 read nothing": (READS_NOTHING,),
    "900 read nothing, and gzip, empty spans": (READS_NOTHING, _bomb(SPANS)),
    "chunks of one byte": (Flood("http", 50, CHUNKED % JSON.encode(), always(b"1\r\na\r\n" * 40_000)),),
    "64 KiB of numbers of ever new tenants": (Flood("http", 4, repeat=prompts),),
    "2,500 half requests": (Flood("http", 2500, HALF),),
}
ATTACKS = {f"collector: {name}": Attack("collector", floods) for name, floods in FLOODS.items()}
ATTACKS["collector: 2,500 half requests, ulimit -n 256"] = Attack("collector", FLOODS["2,500 half requests"], 256)
