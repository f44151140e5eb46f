"""The GPU exporter against nvitop-exporter and a naive prometheus_client collector, over the same fake driver.

    python benchmarks/gpu.py [--scrapes 2000] [--growth 100000] [--nvitop PYTHON]

Eight simulated GPUs behind the C library of the tests, so the driver's own time is left out: it is the same for all.
`--nvitop` is a Python that has nvitop-exporter installed; without it that row is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "exporters" / "gpu")]

from fake import Fake, build  # type: ignore[import-not-found]  # noqa: E402  # the tests' own, found by the line above

import exporters.gpu  # noqa: E402  # likewise
from exporters.gpu.config import Config  # noqa: E402

GPUS = 8
NAIVE = """
import sys, time
import pynvml
from prometheus_client import REGISTRY, start_http_server
from prometheus_client.core import GaugeMetricFamily

pynvml.nvmlInit()
READ = {
    "temperature": lambda h: pynvml.nvmlDeviceGetTemperature(h, 0),
    "power": lambda h: pynvml.nvmlDeviceGetPowerUsage(h) / 1000,
    "utilization": lambda h: pynvml.nvmlDeviceGetUtilizationRates(h).gpu,
    "memory_utilization": lambda h: pynvml.nvmlDeviceGetUtilizationRates(h).memory,
    "memory_used": lambda h: pynvml.nvmlDeviceGetMemoryInfo(h, version=pynvml.nvmlMemory_v2).used,
    "memory_free": lambda h: pynvml.nvmlDeviceGetMemoryInfo(h, version=pynvml.nvmlMemory_v2).free,
    "memory_total": lambda h: pynvml.nvmlDeviceGetMemoryInfo(h, version=pynvml.nvmlMemory_v2).total,
    "encoder": lambda h: pynvml.nvmlDeviceGetEncoderUtilization(h)[0],
    "decoder": lambda h: pynvml.nvmlDeviceGetDecoderUtilization(h)[0],
    "performance_state": pynvml.nvmlDeviceGetPerformanceState,
    "limit": lambda h: pynvml.nvmlDeviceGetEnforcedPowerLimit(h) / 1000,
    **{f"clock_{n}": (lambda h, n=n: pynvml.nvmlDeviceGetClockInfo(h, n)) for n in range(4)},
    **{
        f"field_{n}": (lambda h, n=n: pynvml.nvmlDeviceGetFieldValues(h, [n])[0].value.ullVal)
        for n in (3, 4, 5, 6, 29, 30, 31, 38, 45, 52, 59, 74, 75, 76, 77, 78, 79, 82, 83, 94, 142, 143, 144, 145, 186)
    },
}


class Collector:
    def collect(self):
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        for name, read in READ.items():
            family = GaugeMetricFamily(f"gpu_{name}", name, labels=["gpu", "uuid"])
            for index, handle in enumerate(handles):
                family.add_metric([str(index), pynvml.nvmlDeviceGetUUID(handle)], read(handle))
            yield family


REGISTRY.register(Collector())
start_http_server(int(sys.argv[1]), addr="127.0.0.1")
time.sleep(1e9)
"""


class Result(NamedTuple):
    """Times in seconds, memory in bytes. `cpu`: of the process that responds, for one scrape."""

    p50: float
    p99: float
    worst: float
    cpu: float
    body: int
    series: int


class Server:
    """A process that is scraped, and its children."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int) -> None:
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.port = port
        self.first = self._first_response()

    def _first_response(self) -> float:
        while True:
            with contextlib.suppress(OSError):
                scrape(self.connect())
                return time.monotonic() - self.began
            assert time.monotonic() < self.began + 20
            time.sleep(0.002)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def pids(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def memory(self, name: str = "Rss") -> int:
        pattern = re.compile(rf"^{name}:\s+(\d+) kB", re.MULTILINE)
        total = 0
        for pid in self.pids():
            # A sampler that hangs is killed, at any moment.
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                match = pattern.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
                total += int(match[1]) << 10 if match else 0
        return total

    def cpu(self, *pids: int) -> float:
        """Seconds of CPU so far, ended threads included; the kernel counts them in hundredths."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def scrape(sock: socket.socket) -> bytes:
    """One request; the body. Servers without a length end their response by closing."""
    sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    received = sock.recv(1 << 18)
    if not received:
        raise ConnectionResetError
    while b"\r\n\r\n" not in received:
        received += sock.recv(1 << 18)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head.lower())
    parts, size = [body], len(body)
    while length is None or size < int(length[1]):
        piece = sock.recv(1 << 18)
        if not piece:
            break
        parts.append(piece)
        size += len(piece)
    return b"".join(parts)


def measure(server: Server, scrapes: int, pause: float = 0.0) -> Result:
    """Scrape over kept connections; servers that close each get a new one."""
    sock = server.connect()
    body = scrape(sock)
    times = []
    before = server.cpu(server.process.pid)
    for _ in range(scrapes):
        began = time.perf_counter()
        try:
            scrape(sock)
        except OSError:
            sock = server.connect()
            scrape(sock)
        times.append(time.perf_counter() - began)
        if pause:
            time.sleep(pause)
    spent = server.cpu(server.process.pid) - before
    times.sort()
    series = sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))
    return Result(
        statistics.median(times), times[int(0.99 * len(times))], times[-1], spent / scrapes, len(body), series
    )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], port: int) -> Iterator[Server]:
    server = Server(command, environment, port)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def ours(fake: Fake) -> Iterator[Server]:
    port = free_port()
    config = Config(listen=f"127.0.0.1:{port}", library=str(fake.library))
    environment = {**exporters.gpu.environment(), **fake.environment}
    with running(exporters.gpu.arguments(config), environment, port) as server:
        yield server


def background(server: Server, seconds: float) -> float:
    """Share of a core that all its processes take while nobody scrapes."""
    before = run_time(server.pids())
    time.sleep(seconds)
    return (run_time(server.pids()) - before) / seconds


def run_time(pids: list[int]) -> float:
    """Seconds that these processes' threads ran, by nanoseconds: ticks are too coarse for work of milliseconds."""
    files = [file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def line(name: str, result: Result, server: Server) -> None:
    ms, mib = 1e3, 1 / (1 << 20)
    print(
        f"{name:34} p50 {result.p50 * ms:6.2f} ms  p99 {result.p99 * ms:6.2f} ms  worst {result.worst * ms:6.2f} ms",
        f"cpu/scrape {result.cpu * ms:6.3f} ms  {result.series:5} series {result.body >> 10:4} KiB",
        f"RSS {server.memory() * mib:5.1f} MiB  PSS {server.memory('Pss') * mib:5.1f} MiB",
        f"first response {server.first * ms:4.0f} ms",
        sep="  ",
        flush=True,
    )


def telltale(fake: Fake, scrapes: int, growth: int) -> None:
    with ours(fake) as server:
        time.sleep(3)
        line("telltale, healthy", measure(server, scrapes, 0.001), server)
        print(f"{'':34} background {100 * background(server, 20):.2f} % of a core at 1 Hz", flush=True)
        if growth:
            measure(server, 2000)
            before = server.memory()
            measure(server, growth)
            grown = (server.memory() - before) / 2**20
            print(f"{'':34} {grown:+.2f} MiB RSS over {growth} scrapes", flush=True)
    with ours(fake) as server:
        fake.control.delay_us = 5000
        time.sleep(20)
        line("telltale, every call + 5 ms", measure(server, scrapes, 0.001), server)
        fake.control.delay_us = 0
    with ours(fake) as server:
        time.sleep(2)
        fake[3].hang = 1
        line("telltale, one GPU hangs", measure(server, scrapes, 0.002), server)
        for gpu in range(GPUS):
            fake[gpu].hang = 1
        line("telltale, all GPUs hang", measure(server, scrapes, 0.002), server)
        for gpu in range(GPUS):
            fake[gpu].hang = 0


def others(fake: Fake, scrapes: int, nvitop: str) -> None:
    environment = {**fake.environment, "LD_LIBRARY_PATH": str(fake.library.parent)}
    port = free_port()
    with running([sys.executable, "-c", NAIVE, str(port)], environment, port) as server:
        line("naive prometheus_client", measure(server, scrapes // 4, 0.001), server)
        fake.control.delay_us = 5000
        line("naive, every call + 5 ms", measure(server, 3), server)
        fake.control.delay_us = 0
    if not nvitop:
        print("nvitop-exporter: left out; --nvitop names a Python that has it")
        return
    port = free_port()
    command = [nvitop, "-m", "nvitop_exporter", "-B", "127.0.0.1", "-p", str(port)]
    with running(command, environment, port) as server:
        time.sleep(3)
        line("nvitop-exporter", measure(server, scrapes // 4, 0.001), server)
        print(f"{'':34} background {100 * background(server, 20):.2f} % of a core at 1 Hz", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scrapes", type=int, default=2000)
    parser.add_argument("--growth", type=int, default=0, help="scrapes over which growth is measured")
    parser.add_argument("--nvitop", default="", help="Python with nvitop-exporter installed")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fake = Fake(Path(folder), build(Path(folder)), gpus=GPUS)
        telltale(fake, wanted.scrapes, wanted.growth)
        others(fake, wanted.scrapes, wanted.nvitop)


if __name__ == "__main__":
    main()
