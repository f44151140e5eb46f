"""What one attacker does to the pages' port: others are served within a second, and memory stays flat."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.ports import free_port

GET = b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BIG = b"GET /static/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n"
POST += b"Content-Type: application/x-www-form-urlencoded\r\n"
FORM = POST + b"Content-Length: 40000\r\n\r\n" + b"name=" + 39_995 * b"a"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SECONDS = 1.5
MOST_MIB = 64


@dataclass
class Server:
    """The pages' process, and what an honest client sees of it meanwhile."""

    port: int
    process: subprocess.Popen[bytes]
    waits: list[float] = field(default_factory=list)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self) -> float:
        """Seconds until a new client has its response."""
        began = time.monotonic()
        with self.connect() as link:
            link.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            response = b"".join(iter(lambda: link.recv(65536), b""))
        assert response.startswith((b"HTTP/1.1 200", b"HTTP/1.1 303")), response[:200]
        return time.monotonic() - began

    def peak_mib(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Others are served, and memory stays, while the block runs."""
        self.ask()
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        before, waits, done = self.peak_mib(), [], threading.Event()

        def probe() -> None:
            while not done.is_set():
                try:
                    waits.append(self.ask())
                except (OSError, AssertionError):
                    waits.append(float("inf"))
                done.wait(0.02)

        thread = threading.Thread(target=probe)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        grown, worst = self.peak_mib() - before, statistics.quantiles(waits, n=100)[98]
        print(f"{len(waits)} requests of others, p99 {worst:.3f} s; memory +{grown:.0f} MiB")
        # The goal is one second, which benchmarks.attacks measures; tests share their two cores with other tests.
        assert worst < 3.0
        assert grown < MOST_MIB


@contextlib.contextmanager
def serving(folder: Path, files: int | None = None) -> Iterator[Server]:
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")},
        "TELLTALE_DATA_DIR": str(folder),
        "TELLTALE_WEB__LISTEN": f"127.0.0.1:{port}",
    }

    def limit() -> None:
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    process = subprocess.Popen([sys.executable, "-m", "telltale", "web"], env=environment, preexec_fn=limit)
    server = Server(port, process)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                server.ask()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield server
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("attacked")) as started:
        yield started


def flood(server: Server, connections: int, data: bytes, read: int | None = None, start: bytes = b"") -> None:
    """Send `data` over and over on each connection, and read as many bytes at a time; None reads nothing."""
    links = [server.connect() for _ in range(connections)]
    for link in links:
        link.sendall(start)
        link.setblocking(False)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for link in links:
            with contextlib.suppress(OSError):
                link.send(data)
            if read is not None:
                with contextlib.suppress(OSError):
                    link.recv(read)
        time.sleep(0.002)
    for link in links:
        link.close()


ATTACKS: dict[str, Callable[[Server], None]] = {
    "one that pipelines and reads": lambda server: flood(server, 1, GET * 1500, 1 << 20),
    "twenty that pipeline and never read": lambda server: flood(server, 20, GET * 1500),
    "a hundred that leave big responses unread": lambda server: flood(server, 100, BIG * 50),
    "a hundred that read a byte at a time": lambda server: flood(server, 100, BIG * 50, 1),
    "pipelined forms": lambda server: flood(server, 20, FORM * 5, 1 << 16),
    "half of a form on each": lambda server: flood(server, 900, b"", None, FORM[:30_000]),
    "bodies by a byte a chunk": lambda server: flood(server, 20, b"1\r\na\r\n" * 10_000, 1 << 16, CHUNKED),
    "chunks that look like ends": lambda server: flood(server, 20, b"4\r\n\r\n\r\n\r\n" * 6000, 1 << 16, CHUNKED),
    "headers in tiny fields": lambda server: flood(server, 50, b"a:b\r\n" * 10_000, 1 << 16, GET[:-2]),
    "empty lines": lambda server: flood(server, 20, b"\r\n" * 30_000, 1 << 16),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_others_are_served_and_memory_stays(server: Server, attack: Callable[[Server], None]) -> None:
    with server.watched():
        attack(server)


def test_half_requests_lock_nobody_out(server: Server) -> None:
    with server.watched():
        links = [server.connect() for _ in range(2500)]
        for number, link in enumerate(links):
            with contextlib.suppress(OSError):
                link.sendall(b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + bytes([65 + number % 26]) * 8000)
        time.sleep(1)
    for link in links:
        link.close()


def test_few_open_files_lock_nobody_out(tmp_path: Path) -> None:
    with serving(tmp_path, files=256) as server, server.watched():
        links = [server.connect() for _ in range(600)]
        time.sleep(1)
        for link in links:
            link.close()
