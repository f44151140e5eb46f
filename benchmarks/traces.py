"""How much CPU a span costs, layer by layer: reading, normalising, the metrics, the page, redaction.

    python -m benchmarks.traces [--rounds 5]

Each layer in this process against what it replaces; `benchmarks.traces_servers` measures whole servers.
All figures are CPU time, the median of the rounds, in microseconds a span unless they say otherwise. Ratios of one
run hold; absolute figures drift with the machine's load.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import re
import statistics
import time
from collections.abc import Callable
from functools import cache

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from exporters.traces.calls import fast_path, normalise
from exporters.traces.decode import otlp_json, otlp_protobuf, spans
from exporters.traces.decode.otlp_protobuf import read as read_spans
from exporters.traces.keep.metrics import CallMetrics
from telltale.metrics import Metrics
from telltale.redaction import redact
from telltale.redaction.rules import SHAPES

WORDS = ("the", "model", "answers", "a", "question", "about", "reset", "buttons", "and", "invoices", "in", "words")
CONTEXT = normalise.Context(None, ("tenant.id",), {})
TABLE = fast_path.attribute_table(("tenant.id",))


def payload(count: int, content: bool, seed: int) -> bytes:
    """A request of `count` spans as OTel GenAI has them: 11 attributes, or 13 with 5 KB of messages."""
    draw = random.Random(seed)
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        [_pair("service.name", f"app-{seed % 7}"), _pair("tenant.id", f"tenant-{seed % 6}")]
        + [_pair(f"host.detail.{number}", "x" * 12) for number in range(10)]
    )
    scope_spans = resource_spans.scope_spans.add()
    for _ in range(count):
        # Spans come in the order in which they end, a batch of an SDK's within some seconds.
        end = 1_790_000_000_000_000_000 + seed * 10**9 + draw.randrange(5 * 10**9)
        span = scope_spans.spans.add(
            trace_id=draw.randbytes(16), span_id=draw.randbytes(8), name="chat m", kind=3,
            start_time_unix_nano=end - draw.randrange(10**9, 9 * 10**9), end_time_unix_nano=end,
        )  # fmt: skip
        model = f"model-{draw.randrange(10)}"
        span.attributes.extend([
            _pair("gen_ai.operation.name", "chat"), _pair("gen_ai.provider.name", "openai"),
            _pair("gen_ai.request.model", model), _pair("gen_ai.response.model", f"{model}-2026-01-15"),
            _pair("gen_ai.response.id", f"chatcmpl-{draw.getrandbits(96):x}"), _pair("server.address", "10.0.0.1"),
            _pair("gen_ai.request.stream", True), _pair("gen_ai.usage.input_tokens", draw.randrange(4000)),
            _pair("gen_ai.usage.output_tokens", draw.randrange(1, 900)),
            _pair("gen_ai.response.time_to_first_chunk", draw.random()),
            _pair("gen_ai.response.finish_reasons", "stop"),
        ])  # fmt: skip
        if content:
            span.attributes.append(_pair("gen_ai.input.messages", _messages("user", draw)))
            span.attributes.append(_pair("gen_ai.output.messages", _messages("assistant", draw)))
    return request.SerializeToString()


@cache
def _texts() -> list[str]:
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=450)) for _ in range(500)]


def _messages(role: str, draw: random.Random) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": draw.choice(_texts())}]}])


def _pair(key: str, value: str | bool | int | float) -> KeyValue:
    kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
    return KeyValue(key=key, value=AnyValue(**{kind: value}))  # type: ignore[arg-type]


def layers(rounds: int) -> None:
    compiled = not (otlp_protobuf.__file__ or "").endswith(".py")
    print(f"protobuf reader: {'compiled by mypyc' if compiled else 'plain Python'}")
    for content in (False, True):
        bodies = [payload(512, content, seed) for seed in range(4)]
        print(f"\ncontent {'on' if content else 'off'}, {len(bodies[0]) // 512} bytes a span, us a span")
        for name, work in (
            ("protobuf ParseFromString only", ExportTraceServiceRequest.FromString),
            ("protobuf to plain values", lambda body: list(spans.read(ExportTraceServiceRequest.FromString(body)))),
            ("our walker to plain values", lambda body: read_spans(body, 1000)),
            (
                "walker and normalised",
                lambda body: [normalise.call(s, CONTEXT) for s in read_spans(body, 1000)[0]],
            ),
            (
                "ordinary calls from the bytes",
                lambda body: normalise.read(otlp_protobuf.split(body, 1000)[0], CONTEXT, TABLE),
            ),
        ):
            print(f"  {name:32} {_cost(work, bodies, 512, rounds):8.2f}")
        texts = [_as_json(body) for body in bodies]
        for name, work in (
            # It reads the ids as base64: the time is the same, the ids are wrong.
            ("JSON by protobuf's own reader", lambda text: json_format.Parse(text, ExportTraceServiceRequest())),
            ("JSON to protobuf", lambda text: otlp_json.encode(text, ExportTraceServiceRequest)),
        ):
            print(f"  {name:32} {_cost(work, texts, 512, rounds):8.2f}")
    _metrics(rounds)
    _redaction(rounds)


def _as_json(body: bytes) -> bytes:
    request = ExportTraceServiceRequest.FromString(body)
    for span in (span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans):
        # Written in base64, which is what these digits become.
        span.trace_id, span.span_id = (base64.b64decode(number.hex()) for number in (span.trace_id, span.span_id))
    return json_format.MessageToJson(request).encode()


def _cost(work: Callable[[bytes], object], bodies: list[bytes], spans_each: int, rounds: int) -> float:
    def once() -> float:
        begin = time.process_time()
        for body in bodies:
            work(body)
        return (time.process_time() - begin) / (spans_each * len(bodies)) * 1e6

    once()
    return statistics.median(once() for _ in range(rounds))


def _metrics(rounds: int) -> None:
    made = [call for span in read_spans(payload(512, False, 1), 1000)[0] if (call := normalise.call(span, CONTEXT))]
    ours, theirs = CallMetrics((), 20_000), CollectorRegistry()
    metrics = Metrics(theirs)
    duration = metrics.histogram("gen_ai_client_operation_duration_seconds")
    ttft = metrics.histogram("gen_ai_client_operation_time_to_first_chunk_seconds")
    requests, tokens = metrics.counter("telltale_requests_total"), metrics.counter("telltale_tokens_total")

    def update_ours() -> None:
        for call in made:
            ours.add(call)

    def update_theirs() -> None:
        for call in made:
            about = (
                call.operation,
                call.provider,
                call.model_requested,
                call.model_served,
                call.tenant,
                call.layer,
                "",
            )
            use = (call.tenant, call.model, call.layer, call.operation, call.status, call.cache)
            duration.labels(*about).observe(call.duration_s)
            ttft.labels(*about).observe(call.ttft_s or 0)
            requests.labels(*use).inc()
            tokens.labels(*use, "input").inc(call.input_tokens or 0)
            tokens.labels(*use, "output").inc(call.output_tokens or 0)

    print("\nmetrics")
    _against("a call's two histograms and three counters, us", update_ours, update_theirs, 1e6 / len(made), rounds)
    for number in range(100_000 // 17):
        labels = ("chat", "openai", f"m{number}", "m-2", "t", "client", "")
        ours.registry.histogram("gen_ai_client_operation_duration_seconds", *labels).observe(1.0, 1, 2)
        duration.labels(*labels).observe(1.0)
    _against(
        "a page of 100,000 samples, ms", lambda: ours.registry.page(False), lambda: generate_latest(theirs), 1e3, rounds
    )


def _against(label: str, ours: Callable[[], object], theirs: Callable[[], object], unit: float, rounds: int) -> None:
    a, b = _timed(ours, rounds) * unit, _timed(theirs, rounds) * unit
    print(f"  {label:48} ours {a:8.2f}  prometheus_client {b:8.2f}  ratio {b / a:5.1f}")


def _timed(work: Callable[[], object], rounds: int) -> float:
    def once() -> float:
        begin = time.process_time()
        work()
        return time.process_time() - begin

    return statistics.median(once() for _ in range(rounds))


def _redaction(rounds: int) -> None:
    """Ours against the same patterns in `re`, one substitution after the other."""
    patterns = [re.compile(_as_re(shape.expression)) for shape in SHAPES]
    draw = random.Random(2)
    texts = [" ".join(draw.choices(WORDS, k=350)) for _ in range(40)]
    texts = [f"{text[:900]} ada{number}@example.org {text[900:]}" for number, text in enumerate(texts)]

    def theirs() -> None:
        for text in texts:
            for pattern in patterns:
                text = pattern.sub("[X]", text)

    ours, other = (
        _timed(work, rounds) / len(texts) * 1e6 for work in (lambda: [redact(text) for text in texts], theirs)
    )
    print(f"\nredaction of a text of 2,000 characters, us: ours {ours:.1f}  re {other:.1f}  ratio {other / ours:.1f}")


def _as_re(pattern: str) -> str:
    """An RE2 expression in the syntax of `re`, where `\\x{…}` and `(?i)` within a group are written differently."""
    pattern = re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda found: f"\\U{int(found[1], 16):08x}", pattern)
    # By depth of open groups: how many of them `(?i)` opened there.
    opened = [0]
    written: list[str] = []
    for part in re.findall(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?i\)|\(|\)|[^\\()\[]+", pattern, re.DOTALL):
        if part == "(?i)":
            opened[-1] += 1
            written.append("(?i:")
            continue
        if part == "(":
            opened.append(0)
        elif part == ")":
            written.append(")" * opened.pop())
        written.append(part)
    return "".join(written) + ")" * opened.pop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds a figure, of which the median is printed (5)")
    layers(parser.parse_args().rounds)
