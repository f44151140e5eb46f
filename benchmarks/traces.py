"""How much CPU a span costs: reading, the metrics, the page, and the whole collector process against others.

    python -m benchmarks.traces               in process: each layer against what it replaces
    python -m benchmarks.traces --server      the collector's process tree over OTLP/HTTP, gzip
    python -m benchmarks.traces --server --rotel PATH    the same against rotel (Rust; `pip install rotel`)

All figures are CPU time, the median of ROUNDS rounds, in microseconds a span unless they say otherwise. Ratios of one
run hold; absolute figures drift with the machine's load.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from exporters.traces import normalise, spans, wire
from exporters.traces.registry import Registry
from telltale.metrics import Metrics

ROUNDS = 5
WORDS = ("the", "model", "answers", "a", "question", "about", "reset", "buttons", "and", "invoices", "in", "words")
CONTEXT = normalise.Context(None, ("tenant.id",), {})


def payload(count: int, content: bool, seed: int) -> bytes:
    """A request of `count` spans as OTel GenAI has them: 11 attributes, or 13 with 5 KB of messages."""
    draw = random.Random(seed)
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        [_pair("service.name", f"app-{seed % 7}"), _pair("tenant.id", f"tenant-{seed % 12}")]
        + [_pair(f"host.detail.{number}", "x" * 12) for number in range(10)]
    )
    scope_spans = resource_spans.scope_spans.add()
    for _ in range(count):
        start = 1_790_000_000_000_000_000 + draw.randrange(10**12)
        span = scope_spans.spans.add(
            trace_id=draw.randbytes(16), span_id=draw.randbytes(8), name="chat m", kind=3,
            start_time_unix_nano=start, end_time_unix_nano=start + draw.randrange(10**9, 9 * 10**9),
        )  # fmt: skip
        model = f"model-{draw.randrange(30)}"
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


def _messages(role: str, draw: random.Random) -> str:
    text = " ".join(draw.choices(WORDS, k=450))
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _pair(key: str, value: str | bool | int | float) -> KeyValue:
    kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
    return KeyValue(key=key, value=AnyValue(**{kind: value}))  # type: ignore[arg-type]


def layers() -> None:
    compiled = not (wire.__file__ or "").endswith(".py")
    print(f"wire walker: {'compiled by mypyc' if compiled else 'plain Python'}")
    for content in (False, True):
        bodies = [payload(512, content, seed) for seed in range(4)]
        print(f"\ncontent {'on' if content else 'off'}, {len(bodies[0]) // 512} bytes a span, us a span")
        for name, work in (
            ("protobuf ParseFromString only", ExportTraceServiceRequest.FromString),
            ("protobuf to plain values", lambda body: list(spans.read(ExportTraceServiceRequest.FromString(body)))),
            ("our walker to plain values", lambda body: wire.read(body, 1000)),
            ("walker and normalised", lambda body: [normalise.call(s, CONTEXT) for s in wire.read(body, 1000)[0]]),
        ):
            print(f"  {name:32} {_cost(work, bodies, 512):8.2f}")
    _metrics()


def _cost(work: Callable[[bytes], object], bodies: list[bytes], spans_each: int) -> float:
    def once() -> float:
        begin = time.process_time()
        for body in bodies:
            work(body)
        return (time.process_time() - begin) / (spans_each * len(bodies)) * 1e6

    once()
    return statistics.median(once() for _ in range(ROUNDS))


def _metrics() -> None:
    ours, theirs = Registry(), CollectorRegistry()
    histogram = Metrics(theirs).histogram("gen_ai_client_operation_duration_seconds")
    name = "gen_ai_client_operation_duration_seconds"
    sets = [("chat", "openai", f"m{number}", "m-2", f"t{number % 9}", "client", "") for number in range(355)]
    rows = [ours.histogram(name, *labels) for labels in sets]
    draw = random.Random(1)
    observed = [(draw.randrange(355), draw.random()) for _ in range(20_000)]

    def update_ours() -> None:
        for index, value in observed:
            rows[index].observe(value, "t")

    def update_theirs() -> None:
        for index, value in observed:
            histogram.labels(*sets[index]).observe(value)

    for number in range(355, 100_000 // 17):
        labels = ("chat", "openai", f"m{number}", "m-2", "t", "client", "")
        ours.histogram(name, *labels).observe(1.0, "t")
        histogram.labels(*labels).observe(1.0)
    print("\nmetrics")
    for label, mine, other, unit in (
        ("an observation, us", update_ours, update_theirs, 1e6 / len(observed)),
        ("a page of 100,000 samples, ms", lambda: ours.page(False), lambda: generate_latest(theirs), 1e3),
    ):
        a, b = _timed(mine) * unit, _timed(other) * unit
        print(f"  {label:32} ours {a:8.2f}  prometheus_client {b:8.2f}  ratio {b / a:5.1f}")


def _timed(work: Callable[[], object]) -> float:
    def once() -> float:
        begin = time.process_time()
        work()
        return time.process_time() - begin

    return statistics.median(once() for _ in range(ROUNDS))


def server(rotel: str | None, requests: int) -> None:
    candidates = {"telltale": _telltale}
    if rotel:
        candidates["rotel"] = lambda folder, port: _rotel(rotel, port)
    for content in (False, True):
        # Every body is its own, or the second would be nothing but duplicates.
        bodies = [gzip.compress(payload(512, content, seed), 6) for seed in range(requests)]
        for name, start in candidates.items():
            with tempfile.TemporaryDirectory() as folder:
                cost, rss = _drive(start, Path(folder), bodies)
            print(f"content {'on ' if content else 'off'} {name:10} {cost:7.2f} us a span, {1e6 / cost:9.0f} spans per "
                  f"CPU-second, RSS {rss:4.0f} MiB")  # fmt: skip


def _drive(
    start: Callable[[Path, int], subprocess.Popen[bytes]], folder: Path, bodies: list[bytes]
) -> tuple[float, float]:
    port = _free_port()
    process = start(folder, port)
    try:
        _wait(port)
        url = f"http://127.0.0.1:{port}/v1/traces"
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        with httpx.Client(timeout=60) as client, ThreadPoolExecutor(4) as pool:

            def send(body: bytes) -> None:
                client.post(url, content=body, headers=headers).raise_for_status()

            warm = max(1, len(bodies) // 4)
            list(pool.map(send, bodies[:warm]))
            begin = _cpu(process.pid)
            list(pool.map(send, bodies[warm:]))
            used = _cpu(process.pid) - begin
        return used / (512 * (len(bodies) - warm)) * 1e6, _rss(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _telltale(folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "TELLTALE_COLLECTOR__HTTP_LISTEN": f"127.0.0.1:{port}",
        "TELLTALE_COLLECTOR__GRPC_LISTEN": f"127.0.0.1:{_free_port()}",
        "TELLTALE_COLLECTOR__METRICS_LISTEN": f"127.0.0.1:{_free_port()}",
        # Some hundred strata, all at once: about one span in a hundred is kept, decoded, redacted and stored.
        "TELLTALE_SAMPLING__PER_MINUTE": "1",
        "TELLTALE_STORE__URL": f"sqlite:///{folder}/store.db",
    }
    return subprocess.Popen([sys.executable, "-m", "telltale", "collect"], env=environment)


def _rotel(path: str, port: int) -> subprocess.Popen[bytes]:
    command = [path, "start", "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint",
               f"127.0.0.1:{_free_port()}", "--exporter", "blackhole"]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not come up")


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in _tree(int(child)))]


def _cpu(pid: int) -> float:
    """Seconds of CPU of a process tree: the run time of every thread, in nanoseconds."""
    files = [file for one in _tree(pid) for file in Path(f"/proc/{one}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def _rss(pid: int) -> float:
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--rotel", help="path of the rotel program")
    parser.add_argument("--requests", type=int, default=60, help="requests of 512 spans each")
    options = parser.parse_args()
    if options.server:
        server(options.rotel, options.requests)
    else:
        layers()


if __name__ == "__main__":
    main()
