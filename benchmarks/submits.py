"""Durable submits of feedback, compared with a commit for each request.

    python -m benchmarks.submits --rounds 5 --seconds 4

Each server is a process with a new SQLite file and is asked by another process over loopback connections that stay
open, each of which sends its next submit when the last is acknowledged. Servers take turns, so that what else the
machine does meets all of them. Compare ratios within a run: submits a second depend on the machine, and where other
programs want its cores, on how many threads ask for them, which CPU does not.
`submits_served.py` says what the servers are.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.submits_served import WAYS
from telltale.store import open_store
from telltale.web import people

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
WARM_UP_S = 1.0


class Figures(NamedTuple):
    """Of one round: submits a second, milliseconds, microseconds of the server's CPU for each submit."""

    rate: float
    p50: float
    p99: float
    cpu: float


class Acknowledged(NamedTuple):
    """A submit that was answered with 201, and the seconds until then."""

    idempotency_key: str
    took: float


class Sender(asyncio.Protocol):
    """One connection, which sends one submit after the other."""

    def __init__(self, key: str, acknowledged: list[Acknowledged]) -> None:
        self._key, self._acknowledged = key, acknowledged
        self._begun, self._read, self._sent = 0.0, b"", ""
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, _, body = self._read.partition(b"\r\n\r\n")
        size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not size or len(body) < int(size):
            return
        if not head.startswith(b"HTTP/1.1 201"):
            self.stopped.set_exception(RuntimeError(self._read.decode()))
            self._transport.close()
            return
        self._acknowledged.append(Acknowledged(self._sent, time.perf_counter() - self._begun))
        self._read = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)

    def close(self) -> None:
        self._transport.close()

    def _send(self) -> None:
        trace = secrets.token_hex(16)
        said = f'"kind":"thumb","value":"down","subject":"user-{trace[:6]}","comment":"no, wrong city"'
        body = f'{{"trace_id":"{trace}",{said}}}'
        self._begun, self._sent = time.perf_counter(), secrets.token_hex(16)
        self._transport.write(
            f"POST /api/v1/feedback HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
            f"Idempotency-Key: {self._sent}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )


async def send(port: int, key: str, clients: int, seconds: float) -> list[Acknowledged]:
    """What was acknowledged to so many connections within the time, or until the server is gone."""
    times: list[Acknowledged] = []
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Sender(key, times), "127.0.0.1", port) for _ in range(clients)]
    senders = [sender for _, sender in made]
    await asyncio.wait([sender.stopped for sender in senders], timeout=seconds)
    for sender in senders:
        sender.close()
    await asyncio.gather(*(sender.stopped for sender in senders))
    return times


@contextmanager
def served(way: str) -> Iterator[tuple[int, str, int]]:
    """(port, API key, process id) of a server that is ready."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/telltale.db")
        key = people.add_key(
            store, name="app", tenant="shop", scopes=["feedback:write"], actor="bench", now=time.time()
        )
        store.close()
        command = [sys.executable, "-m", "benchmarks.submits_served", way, folder, str(port)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for(port, process)
                yield port, key, process.pid
            finally:
                process.terminate()


def measure(way: str, clients: int, seconds: float) -> Figures:
    """One round."""
    with served(way) as (port, key, pid):
        _load(port, key, clients, WARM_UP_S)
        before = _cpu_s(pid)
        times = sorted(_load(port, key, clients, seconds))
        cpu = (_cpu_s(pid) - before) / len(times)
    return Figures(len(times) / seconds, 1e3 * statistics.median(times), 1e3 * times[len(times) * 99 // 100], 1e6 * cpu)


def _load(port: int, key: str, clients: int, seconds: float) -> list[float]:
    return [acknowledged.took for acknowledged in asyncio.run(send(port, key, clients, seconds))]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return TICK_S * (int(fields[11]) + int(fields[12]))


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/-/healthy")
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the server did not start")


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each server (5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a round (4)")
    parser.add_argument("--clients", type=int, nargs="+", default=[16, 64], help="connections (16 64)")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS, help="servers (all)")
    options = parser.parse_args()
    for clients in options.clients:
        rounds = {way: [] for way in options.ways}  # type: dict[str, list[Figures]]
        for _ in range(options.rounds):
            for way in options.ways:
                rounds[way].append(measure(way, clients, options.seconds))
        middle = {way: Figures(*map(statistics.median, zip(*found, strict=True))) for way, found in rounds.items()}
        first = middle[options.ways[0]]
        for way, found in middle.items():
            print(
                f"{clients:3} clients, {way:8}: {found.rate:6.0f}/s, p50 {found.p50:6.1f} ms, p99 {found.p99:6.1f} ms, "
                f"CPU {found.cpu:5.0f} us a submit; {options.ways[0]} is {first.rate / found.rate:.2f} times as fast "
                f"with {first.cpu / found.cpu:.2f} of the CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
