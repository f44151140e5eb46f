"""Requests sent without end, before any of our code runs, use no memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.ports import free_port

HEAD = b"POST /api/v1/feedback HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("part", ["web", "tickets"])
@pytest.mark.parametrize(
    ("start", "endless"),
    [(HEAD, b"A: b\r\n"), (HEAD + b"A: ", b"b"), (HEAD + b"\r\n0\r\n", b"A: b\r\n"), (HEAD + b"\r\n1;", b"b")],
    ids=["fields", "a field", "fields behind a body", "a chunk's extension"],
)
def test_endless_headers_use_no_memory(part: str, start: bytes, endless: bytes, tmp_path: Path) -> None:
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")},
        "TELLTALE_DATA_DIR": str(tmp_path),
        f"TELLTALE_{part.upper()}__LISTEN": f"127.0.0.1:{port}",
    }
    process = subprocess.Popen([sys.executable, "-m", "telltale", part], env=environment)

    def most() -> int:
        return int(Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()[0])

    try:
        connect(port, process).close()
        # Ignores what the very first request loads.
        with connect(port, process) as link:
            link.sendall(b"GET /-/ready HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            while link.recv(65536):
                pass
        before = most()
        with connect(port, process) as link:
            link.sendall(start)
            try:
                for _ in range(300):
                    link.sendall(endless * (100_000 // len(endless)))
            except (ConnectionResetError, BrokenPipeError):
                pass
        assert most() - before < 6_000
        connect(port, process).close()
    finally:
        process.kill()
        process.wait()


def connect(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
