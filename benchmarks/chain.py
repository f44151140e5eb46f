"""Prometheus, Alertmanager and the tracker as processes, with a page of metrics in place of the monitors.

What measures the chain from outside uses it, and so do its tests.
"""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from alerting import rules
from alerting.config import alertmanager, prometheus
from telltale.binaries import Component, find, how_to_get
from telltale.settings import Settings
from telltale.store import Store, open_store

Binary = Callable[[Component], Path]
Table = Mapping[str, Mapping[str, Any]]
QUICK: Table = {
    "prometheus": {"scrape_interval": "1s"},
    "alerts": {"hold": 1, "keep": 1, "group_wait": 0.1, "group_interval": 1},
    "tickets": {"reconcile": 1, "close_hold": 3},
}
# `telltale` with a clock that can be set while it runs.
SHIFTED = """
import sys, time
from types import SimpleNamespace
from alerting import serve
from telltale.cli import main
def shifted():
    return time.time() + float(open({file!r}).read())
serve.time = SimpleNamespace(time=shifted)
sys.exit(main())
"""
PARTS = ("monitor", "prometheus", "alertmanager", "tickets", "web", "gpu")


class Page:
    """A page of metrics that a test writes and Prometheus scrapes. `text = None` responds 503: the exporter is ill."""

    def __init__(self, address: str) -> None:
        self.text: str | None = ""
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(503 if page.text is None else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write((page.text or "").encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        host, _, port = address.rpartition(":")
        self._server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Chain:
    """Prometheus, Alertmanager and the tracker as processes, with a page in place of the monitors."""

    def __init__(self, folder: Path, binary: Binary, addresses: Sequence[str], table: Table = QUICK) -> None:
        """`addresses` are free ones, as many as there are PARTS; `table` has settings other than the default ones."""
        self.folder, self._binary = folder, binary
        self.settings_table: dict[str, dict[str, Any]] = {
            name: {"listen": address} for name, address in zip(PARTS, addresses, strict=True)
        }
        for section, values in table.items():
            self.settings_table.setdefault(section, {}).update(values)
        self.settings = Settings.model_validate(self.settings_table | {"data_dir": folder})
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.page = Page(self.settings.monitor.listen)
        self.shift_clock(0.0)
        self.client = httpx.Client(timeout=5, trust_env=False)
        self._write()

    def start(self, name: str) -> None:
        """Start prometheus, alertmanager or tickets."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                getattr(self, f"_{name}")(), stdout=log, stderr=log, start_new_session=True, env=_environment()
            )

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(timeout=20)

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name, signal.SIGTERM)
        self.page.close()
        self.client.close()

    def get(self, url: str, **parameters: str) -> Any:
        """An address' JSON or text; None while nothing usable responds."""
        try:
            response = self.client.get(url, params=parameters)
        except httpx.TransportError:
            return None
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return (response.json() if is_json else response.text) if response.is_success else None

    def tail(self, name: str) -> str:
        """The end of what a process has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def shift_clock(self, seconds: float) -> None:
        """Set the tracker's clock, and no other, so far ahead of the machine's."""
        aside = self.folder / "clock.new"
        aside.write_text(str(seconds))
        aside.rename(self.folder / "clock")

    def store(self) -> Store:
        return open_store(self.settings.store_url)

    def _write(self) -> None:
        settings, folder = self.settings, self.folder
        (folder / "targets").mkdir()
        (folder / "rules.yml").write_text(rules.render(settings))
        (folder / "prometheus.yml").write_text(prometheus.render(settings, [folder / "rules.yml"], folder / "targets"))
        (folder / "alertmanager.yml").write_text(alertmanager.render(settings))
        lines = [f'data_dir = "{folder}"']
        for section, table in self.settings_table.items():
            lines += [
                f"[{section}]",
                *(f"{k} = {v if isinstance(v, (int, float)) else f'{chr(34)}{v}{chr(34)}'}" for k, v in table.items()),
            ]
        (folder / "telltale.toml").write_text("\n".join(lines) + "\n")

    def _prometheus(self) -> list[str]:
        return [
            str(self._binary("prometheus")),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address={self.settings.prometheus.listen}",
        ]

    def _alertmanager(self) -> list[str]:
        return [
            str(self._binary("alertmanager")),
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address={self.settings.alertmanager.listen}",
            "--cluster.listen-address=",
        ]

    def _tickets(self) -> list[str]:
        program = SHIFTED.format(file=str(self.folder / "clock"))
        return [sys.executable, "-c", program, "--config", str(self.folder / "telltale.toml"), "tickets"]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}


@contextmanager
def running_chain(
    folder: Path, binary: Binary, addresses: Sequence[str], *names: str, table: Table = QUICK
) -> Iterator[Chain]:
    """A chain with these of its parts started; all are stopped at the end."""
    chain = Chain(folder, binary, addresses, table)
    try:
        for name in names:
            chain.start(name)
        yield chain
    finally:
        chain.stop()


def installed(component: Component) -> Path:
    """Where it is; without it the program ends, and says how to get it."""
    path = find(Settings(), component)
    if path is None:
        sys.exit(f"{component} is missing: {how_to_get(component)}")
    return path.absolute()


def free_addresses(number: int) -> list[str]:
    """So many addresses of this machine that nobody listened on a moment ago."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{probe.getsockname()[1]}" for probe in probes]
