"""The exporter's real processes over the fake driver library."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import exporters.gpu
from exporters.gpu.config import Config

sys.path.insert(0, str(Path(__file__).parent))

from fake import Fake, build  # beside this file, which is no package

DEADLINE = 20.0


@pytest.fixture(scope="session")
def fake_library(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Path:
    require(shutil.which("gcc"), "needs gcc to build the fake libnvidia-ml (Debian: apt install gcc)")
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def fake(fake_library: Path, tmp_path: Path) -> Fake:
    return Fake(tmp_path, fake_library, gpus=2)


class Page:
    """Samples of one scrape: `page[name]` gives (labels, value) of each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in self.families.values():
            for sample in family.samples:
                self.samples.setdefault(self._as_written(sample.name), []).append((sample.labels, sample.value))

    def _as_written(self, name: str) -> str:
        """The parser adds _total to counters; DCGM's have none."""
        return name if f"\n{name}{{" in self.text or f"\n{name} " in self.text else name.removesuffix("_total")

    def all(self, name: str, **labels: str) -> list[float]:
        wanted = labels.items()
        return [value for found, value in self.samples.get(name, []) if wanted <= found.items()]

    def one(self, name: str, **labels: str) -> float | None:
        """The value of the only such sample; None without one."""
        values = self.all(name, **labels)
        assert len(values) <= 1, f"{name} {labels}: {values}"
        return values[0] if values else None


class Exporter:
    """A running exporter."""

    def __init__(self, config: Config, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                exporters.gpu.arguments(config), env={**exporters.gpu.environment(), **environment}, stderr=output
            )
        address = self.wait(lambda: re.search(r"(https?)://([\d.]+:\d+)/metrics", self.log()))
        self.url = f"{address[1]}://{address[2]}"

    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str = "/metrics") -> str:
        with urllib.request.urlopen(self.url + path, timeout=5) as response:
            text: str = response.read().decode()
        return text

    def page(self, path: str = "/metrics") -> Page:
        return Page(self.get(path))

    def wait(self, condition: Callable[[], Any], seconds: float = DEADLINE) -> Any:
        """The first true result of `condition`."""
        until = time.monotonic() + seconds
        pause = 0.01
        while not (result := condition()):
            assert time.monotonic() < until, f"not within {seconds} s; log:\n{self._log.read_text()}"
            _pause(pause)
            pause = min(0.1, pause * 1.5)
        return result

    def when(self, condition: Callable[[Page], Any], seconds: float = DEADLINE) -> Page:
        """The first page for which `condition` holds."""
        seen: list[Page] = []

        def check() -> bool:
            seen[:] = [self.page()]
            return bool(condition(seen[0]))

        self.wait(check, seconds)
        return seen[0]

    def healthy(self, gpus: int = 2) -> Page:
        return self.when(lambda page: page.all("telltale_gpu_up") == [1.0] * gpus)

    def children(self) -> list[int]:
        listed = subprocess.run(
            ["ps", "--no-headers", "-o", "pid", "--ppid", str(self.process.pid)], capture_output=True
        )
        return [int(pid) for pid in listed.stdout.split()]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def _pause(seconds: float) -> None:
    """Let other processes run between two checks of a condition."""
    import select

    select.select([], [], [], seconds)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Exporter]]:
    """`start(fake, interval=…)` runs an exporter; it and its children are gone after the test."""
    running: list[Exporter] = []

    def run(fake: Fake | None = None, environment: dict[str, str] | None = None, **settings: Any) -> Exporter:
        defaults: dict[str, Any] = {"listen": "127.0.0.1:0", "interval": 0.2, "watchdog": 1.0}
        if fake is not None:
            defaults["library"] = str(fake.library)
        config = Config(**(defaults | settings))
        around = {**(fake.environment if fake else {}), **(environment or {})}
        running.append(Exporter(config, around, tmp_path / f"exporter{len(running)}.log"))
        return running[-1]

    yield run
    for exporter in running:
        left = exporter.children()
        exporter.stop()
        for pid in left:
            assert _gone(pid), f"process {pid} outlived its parent"


def _gone(pid: int) -> bool:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        _pause(0.05)
    return False
