"""The collector's process tree against other receivers of OTLP, on the same payloads in one run.

    python -m benchmarks.traces_servers --rotel PATH                 metrics and a few samples, against rotel (Rust)
    python -m benchmarks.traces_servers --stored --mlflow PATH --phoenix PATH    everything kept, against those that do
    python -m benchmarks.traces_servers --soak 1000000               memory over so many spans
    --telltale PYTHON    another environment's collector, such as one with the compiled wheel

Each peer comes from PyPI in an environment of its own (rotel's `rotel-agent`, `mlflow`, `phoenix`); `parse` is a grpcio
servicer that does nothing but ParseFromString. Figures are CPU of the server's whole process tree in microseconds a
span, the median of rounds that alternate between the servers; the client's own CPU is not in them. The ratio is the
median of the rounds' ratios, with the least and the greatest: neighbours on the machine change both figures of a round
alike. Where not everything is kept, Telltale keeps about one span in a hundred with its content, and rotel keeps
nothing.
"""

from __future__ import annotations

import argparse
import gzip
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import grpc
import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.traces import payload

REQUESTS = {1: 1500, 10: 400, 100: 60, 512: 40}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
IN_FLIGHT = 4
START_S = 180
# CPU in a second (or a twentieth) that counts as idle.
IDLE_S = 0.05
_seeds = count(1)


@dataclass
class Server:
    """A running receiver: its process, its ports (0 for a protocol it does not serve) and the headers it requires."""

    name: str
    process: subprocess.Popen[bytes]
    http: int
    grpc: int
    headers: dict[str, str]
    metrics: int = 0


@dataclass(frozen=True)
class Case:
    """How spans are sent."""

    transport: str
    packed: bool
    content: bool
    spans: int

    def __str__(self) -> str:
        return (
            f"{self.transport:4} {'gzip ' if self.packed else 'plain'} content {'on ' if self.content else 'off'} "
            f"{self.spans:3} spans"
        )


def bodies(case: Case, requests: int) -> list[bytes]:
    """Distinct requests: identical ones would be nothing but duplicates."""
    return [payload(case.spans, case.content, next(_seeds)) for _ in range(requests)]


def send(server: Server, case: Case, made: list[bytes]) -> None:
    """All requests, a few at a time."""
    if case.transport == "http":
        _send_http(server, [gzip.compress(body, 6) for body in made] if case.packed else made, case.packed)
    else:
        _send_grpc(server, made, case.packed)


def _send_http(server: Server, made: list[bytes], packed: bool) -> None:
    url = f"http://127.0.0.1:{server.http}/v1/traces"
    headers = {"Content-Type": "application/x-protobuf", **server.headers}
    if packed:
        headers["Content-Encoding"] = "gzip"
    with httpx.Client(timeout=120, headers=headers) as client, ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(lambda body: client.post(url, content=body).raise_for_status(), made))


def _send_grpc(server: Server, made: list[bytes], packed: bool) -> None:
    kind = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
    with (
        grpc.insecure_channel(f"127.0.0.1:{server.grpc}", compression=kind) as channel,
        ThreadPoolExecutor(IN_FLIGHT) as pool,
    ):
        export = channel.unary_unary(EXPORT)
        list(pool.map(lambda body: export(body, timeout=120), made))


def measure(servers: list[Server], case: Case, requests: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of CPU a span in each round, by server."""
    costs: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        made = bodies(case, requests)
        for server in servers:
            if not getattr(server, case.transport):
                continue
            begin = cpu(server.process.pid)
            send(server, case, made)
            _settle(server)
            costs[server.name].append((cpu(server.process.pid) - begin) / (requests * case.spans) * 1e6)
    return {name: found for name, found in costs.items() if found}


def _settle(server: Server) -> None:
    """Wait for a server that responds before its work is done."""
    known = -1.0
    while (now := cpu(server.process.pid)) - known > IDLE_S:
        known = now
        time.sleep(1.0 if server.name in ("phoenix", "mlflow") else 0.05)


def show(case: Case, found: dict[str, list[float]]) -> None:
    ours, cells = found["telltale"], []
    for name, costs in found.items():
        if name != "telltale":
            ratios = [theirs / mine for theirs, mine in zip(costs, ours, strict=True)]
            spread = f"{statistics.median(ratios):6.2f}x, {min(ratios):.2f} to {max(ratios):.2f}"
            cells.append(f"{name} {statistics.median(costs):9.2f} ({spread})")
    print(f"{case}  telltale {statistics.median(ours):9.2f}  {'  '.join(cells)}", flush=True)


def cases(transports: tuple[str, ...]) -> Iterator[Case]:
    for content in (False, True):
        for transport in transports:
            for packed in (True, False):
                for spans in REQUESTS:
                    yield Case(transport, packed, content, spans)


def compare(options: argparse.Namespace) -> None:
    with started(options) as servers:
        for server in servers:
            send(server, Case("grpc", True, False, 100), bodies(Case("grpc", True, False, 100), 40))
        print("us of CPU a span; (n x): how many times Telltale's")
        before = (0.0, 0.0)
        for case in cases(("grpc", "http")):
            if options.spans in (None, case.spans):
                show(case, measure(servers, case, REQUESTS[case.spans], options.rounds))
                before = before if case.content else _decided(servers[0])
        for server in servers:
            print(f"{server.name}: {rss(server.process.pid):.0f} MiB resident")
        kept, passed = (now - then for now, then in zip(_decided(servers[0]), before, strict=True))
        print(f"telltale kept {100 * kept / (kept + passed):.2f} % of the spans with content")


def compare_stored(options: argparse.Namespace) -> None:
    """Everything kept: sent until durable."""
    with started(options) as servers:
        for content in (False, True):
            for transport in ("grpc", "http"):
                case = Case(transport, True, content, options.spans or 512)
                if any(getattr(server, transport) for server in servers[1:]):
                    # Enough of them that each round has its share of checkpoints. A log that grows for the first time
                    # costs more than one that is written over, so one round goes before.
                    requests = max(5, 2_000 // case.spans)
                    for server in servers:
                        if getattr(server, transport):
                            send(server, case, bodies(case, requests))
                    show(case, measure(servers, case, requests, options.rounds))


def soak(options: argparse.Namespace) -> None:
    """Memory while spans pass through; half of them with content."""
    with started(options) as [server, *_]:
        most = done = 0
        begin = cpu(server.process.pid)
        while done < options.soak:
            for content in (False, True):
                case = Case("http", True, content, 512)
                send(server, case, bodies(case, 20))
                done += 20 * 512
            now = rss(server.process.pid)
            most = max(most, round(now))
            if done % 102_400 < 20_480:
                cost = (cpu(server.process.pid) - begin) / done * 1e6
                print(f"{done:9,} spans  {now:6.1f} MiB  {cost:6.2f} us a span", flush=True)
        print(f"most: {most} MiB")


def _decided(server: Server) -> tuple[float, float]:
    """How many spans Telltale kept, and how many it skipped."""
    found = {"kept": 0.0, "not_sampled": 0.0}
    for line in httpx.get(f"http://127.0.0.1:{server.metrics}/metrics").text.splitlines():
        for outcome in found:
            if line.startswith(f'telltale_samples_total{{outcome="{outcome}"}}'):
                found[outcome] = float(line.split()[-1])
    return found["kept"], found["not_sampled"]


@contextmanager
def started(options: argparse.Namespace) -> Iterator[list[Server]]:
    """Telltale first, then the peers that were named."""
    # Some sixty strata: about one span in a hundred.
    keep = "1000000000" if options.stored else "30"
    makers: dict[str, Callable[[Path], Server]] = {
        "telltale": lambda folder: _telltale(folder, options.telltale, keep),
    }
    if options.rotel:
        makers["rotel"] = lambda _: _rotel(options.rotel)
        makers["parse"] = lambda _: _parse()
    if options.mlflow:
        makers["mlflow"] = lambda folder: _mlflow(options.mlflow, folder)
    if options.phoenix:
        makers["phoenix"] = lambda folder: _phoenix(options.phoenix, folder)
    servers: list[Server] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            for name, make in makers.items():
                (Path(folder) / name).mkdir()
                servers.append(make(Path(folder) / name))
                _wait(servers[-1])
            yield servers
        finally:
            for server in servers:
                server.process.terminate()
            for server in servers:
                server.process.wait(timeout=60)


def _telltale(folder: Path, python: str, per_minute: str) -> Server:
    http, grpc_port, metrics = _free_port(), _free_port(), _free_port()
    environment = {
        **os.environ,
        "TELLTALE_COLLECTOR__HTTP_LISTEN": f"127.0.0.1:{http}",
        "TELLTALE_COLLECTOR__GRPC_LISTEN": f"127.0.0.1:{grpc_port}",
        "TELLTALE_COLLECTOR__METRICS_LISTEN": f"127.0.0.1:{metrics}",
        "TELLTALE_SAMPLING__PER_MINUTE": per_minute,
        "TELLTALE_STORE__URL": f"sqlite:///{folder}/store.db",
    }
    # From the folder: Python looks for packages where it starts, and the compiled ones are not in the project's.
    where = folder if python != sys.executable else Path.cwd()
    process = subprocess.Popen([python, "-m", "telltale", "collect"], env=environment, cwd=where)
    return Server("telltale", process, http, grpc_port, {}, metrics)


def _rotel(path: str) -> Server:
    http, grpc_port = _free_port(), _free_port()
    command = [path, "start", "--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint",
               f"127.0.0.1:{grpc_port}", "--exporter", "blackhole"]  # fmt: skip
    return Server("rotel", subprocess.Popen(command, stdout=subprocess.DEVNULL), http, grpc_port, {})


def _parse() -> Server:
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.traces_servers", "--serve-parse", str(port)]
    return Server("parse", subprocess.Popen(command), 0, port, {})


def _mlflow(path: str, folder: Path) -> Server:
    port = _free_port()
    command = [path, "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--port", str(port),
               "--workers", "1"]  # fmt: skip
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return Server("mlflow", process, port, 0, {"x-mlflow-experiment-id": "0"})


def _phoenix(path: str, folder: Path) -> Server:
    http, grpc_port = _free_port(), _free_port()
    environment = {
        **os.environ, "PHOENIX_PORT": str(http), "PHOENIX_GRPC_PORT": str(grpc_port), "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_WORKING_DIR": str(folder), "PHOENIX_TELEMETRY_ENABLED": "false",
    }  # fmt: skip
    process = subprocess.Popen([path, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Server("phoenix", process, http, grpc_port, {})


def serve_parse(port: int) -> None:
    """A grpcio servicer that parses and returns an empty response."""

    def export(body: bytes, _: object) -> bytes:
        ExportTraceServiceRequest.FromString(body)
        return b""

    server = grpc.server(ThreadPoolExecutor(16))
    handler = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(EXPORT.split("/")[1], handler),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_S
    for port in filter(None, (server.http, server.grpc)):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or server.process.poll() is not None:
                    raise SystemExit(f"{server.name} did not come up") from None
                time.sleep(0.1)


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in _tree(int(child)))]


def cpu(pid: int) -> float:
    """Seconds of CPU of a process tree: the run time of every thread, in nanoseconds."""
    files = [file for one in _tree(pid) for file in Path(f"/proc/{one}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def rss(pid: int) -> float:
    """Resident MiB of a process tree."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for peer in ("rotel", "mlflow", "phoenix"):
        parser.add_argument(f"--{peer}", metavar="PATH", help="program to compare with")
    parser.add_argument("--telltale", metavar="PYTHON", default=sys.executable, help="Python that runs the collector")
    parser.add_argument("--stored", action="store_true", help="keep every span with its content")
    parser.add_argument("--spans", type=int, choices=REQUESTS, help="only requests of this size")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server takes its turn (3)")
    parser.add_argument("--soak", type=int, metavar="SPANS", help="watch memory over so many spans")
    parser.add_argument("--serve-parse", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_parse:
        serve_parse(options.serve_parse)
    elif options.soak:
        soak(options)
    elif options.stored:
        compare_stored(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
