"""A part under attack: started as an operator starts it, with a folder and ports of its own."""

from __future__ import annotations

import http.client
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_S = 60.0
# Of each part: its command, and the settings that name its ports. The first port with a page says when it is ready.
COMMANDS = {"web": "web", "collector": "collect"}
PORTS = {
    "web": {"web": "TELLTALE_WEB__LISTEN"},
    "collector": {
        "metrics": "TELLTALE_COLLECTOR__METRICS_LISTEN",
        "http": "TELLTALE_COLLECTOR__HTTP_LISTEN",
        "grpc": "TELLTALE_COLLECTOR__GRPC_LISTEN",
    },
}


@dataclass(frozen=True)
class Part:
    """A running part: its process, and its ports by name."""

    process: subprocess.Popen[bytes]
    ports: dict[str, int]
    log: Path

    def memory(self) -> float:
        """Resident MiB."""
        return self._status("VmRSS:")

    def most_memory(self) -> float:
        """The most resident MiB since `forget_most`."""
        return self._status("VmHWM:")

    def forget_most(self) -> None:
        # Linux, proc_pid_clear_refs(5): 5 resets the peak.
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> float:
        if self.process.poll() is not None:
            raise SystemExit(f"the part ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}")
        return int(Path(f"/proc/{self.process.pid}/status").read_text().partition(name)[2].split()[0]) / 1024


@contextmanager
def started(name: str, files: int | None, site: Path | None) -> Iterator[Part]:
    """A part that is ready; `files` limits its open files, `site` is where its packages are instead of here."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ports = {port: _free_port() for port in PORTS[name]}
        environment = {key: text for key, text in os.environ.items() if not key.startswith("TELLTALE_")}
        environment |= {setting: f"127.0.0.1:{ports[port]}" for port, setting in PORTS[name].items()}
        environment |= {
            "PYTHONPATH": str((site or ROOT).resolve()),
            "TELLTALE_DATA_DIR": folder,
            "TELLTALE_STORE__URL": f"sqlite:///{folder}/store.db",
        }

        def limit() -> None:
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        log = Path(folder) / "log"
        with log.open("wb") as file:
            # In that folder: Python looks for packages where it starts, before `site`.
            process = subprocess.Popen(
                [sys.executable, "-m", "telltale", COMMANDS[name]],
                cwd=folder, env=environment, preexec_fn=limit, stdout=file, stderr=file,
            )  # fmt: skip
        part = Part(process, ports, log)
        try:
            _wait(part)
            yield part
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait(part: Part) -> None:
    port, deadline = next(iter(part.ports.values())), time.monotonic() + START_S
    while not _is_healthy(port):
        part.memory()
        if time.monotonic() > deadline:
            raise SystemExit(f"the part was not ready in {START_S:.0f} s:\n{part.log.read_text()[-2000:]}")
        time.sleep(0.1)


def _is_healthy(port: int) -> bool:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", "/-/healthy")
        return link.getresponse().status == 200
    except OSError:
        return False
    finally:
        link.close()
