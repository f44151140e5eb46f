"""`telltale up`: a failing part is restarted, SIGTERM stops all, nothing is left behind, targets reload."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from support.ports import free_address, free_addresses

from telltale.binaries import find
from telltale.settings import load

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SETTINGS = """
data_dir = "{folder}/data"
[collector]
http_listen = "{0}"
grpc_listen = "{1}"
metrics_listen = "{2}"
[gpu]
listen = "{3}"
[monitor]
listen = "{4}"
[web]
listen = "{5}"
[tickets]
listen = "{6}"
[prometheus]
listen = "{7}"
scrape_interval = "1s"
binary = "{prometheus}"
promtool = "{promtool}"
[alertmanager]
listen = "{8}"
binary = "{alertmanager}"
amtool = "{amtool}"
"""


@dataclass
class Stack:
    """A running `telltale up` and what it printed."""

    popen: subprocess.Popen[str]
    file: Path
    addresses: list[str]
    lines: list[str] = field(default_factory=list)

    def prometheus(self, query: str) -> list[dict[str, object]]:
        try:
            response = httpx.get(f"http://{self.addresses[7]}/api/v1/query", params={"query": query}, timeout=5)
        except httpx.HTTPError:
            return []
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            # It listens before it is ready.
            return []
        rows: list[dict[str, object]] = response.json().get("data", {}).get("result", [])
        return rows

    def healthy(self, number: int) -> bool:
        try:
            return httpx.get(f"http://{self.addresses[number]}/-/healthy", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def pid(self, part: str) -> int:
        """The pid of the part's last start."""
        return int(
            [found[1] for line in self.lines if (found := re.search(rf"{part} started \(pid (\d+)\)", line))][-1]
        )


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        select.select([], [], [], 0.1)


@pytest.fixture
def stack(require: Callable[[object, str], None], tmp_path: Path) -> Iterator[Stack]:
    settings = load()
    found = {name: find(settings, name) for name in ("prometheus", "promtool", "alertmanager", "amtool")}
    require(all(found.values()), "Prometheus or Alertmanager is missing: run `telltale fetch`")
    addresses = free_addresses(9)
    file = tmp_path / "telltale.toml"
    named = {name: str(path and path.absolute()) for name, path in found.items()}
    file.write_text(SETTINGS.format(*addresses, folder=tmp_path, **named))
    popen = subprocess.Popen(
        [sys.executable, "-m", "telltale", "--config", str(file), "up"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    running = Stack(popen, file, addresses)
    assert popen.stderr is not None
    reader = threading.Thread(target=lambda: running.lines.extend(popen.stderr or ()), daemon=True)
    reader.start()
    yield running
    popen.send_signal(signal.SIGTERM)
    try:
        popen.wait(timeout=30)
    finally:
        popen.kill()
        reader.join(10)
        popen.stderr.close()


def test_every_part_is_healthy_and_scraped_and_ends_at_sigterm(stack: Stack) -> None:
    until(lambda: len(stack.prometheus("up == 1")) >= 7)
    assert all(stack.healthy(number) for number in (2, 3, 4, 5, 6))
    assert stack.prometheus("telltale_requests_total") == []
    (link,) = {found[1] for line in stack.lines if (found := re.match(r"web +\| first start: .* (http\S+)$", line))}
    assert httpx.get(link).status_code == 200
    stack.popen.send_signal(signal.SIGTERM)
    assert stack.popen.wait(timeout=30) == 0
    until(lambda: not any(stack.healthy(number) for number in (2, 3, 4, 5, 6)))


def test_a_killed_part_comes_back(stack: Stack) -> None:
    until(lambda: stack.healthy(4))
    os.kill(stack.pid("monitor"), signal.SIGKILL)
    until(lambda: any("monitor ended with code -9; next start in" in line for line in stack.lines))
    until(lambda: stack.healthy(4))


def test_no_orphan_after_a_killed_parent(stack: Stack) -> None:
    until(lambda: all(stack.healthy(number) for number in (2, 3, 4, 5, 6)))
    stack.popen.kill()
    stack.popen.wait()
    until(lambda: not any(is_running(pid, stack.file.parent) for pid in all_pids()))


def test_scrape_targets_are_reloaded_without_a_restart(stack: Stack) -> None:
    until(lambda: bool(stack.prometheus('up{job="prometheus"} == 1')))
    address = free_address()
    with stack.file.open("a") as file:
        file.write(f'\n[[prometheus.scrape]]\nkind = "vllm"\ntargets = ["{address}"]\nlabels = {{ team = "search" }}\n')
    until(lambda: bool(stack.prometheus(f'up{{instance="{address}",team="search"}}')))


def test_broken_settings_are_not_reloaded(stack: Stack) -> None:
    until(lambda: stack.healthy(5))
    with stack.file.open("a") as file:
        file.write("\n[nonsense]\n")
    until(lambda: any("the changed settings are not used" in line for line in stack.lines))
    assert stack.healthy(5)


def test_a_second_stack_in_the_same_folder_is_refused(stack: Stack) -> None:
    until(lambda: stack.healthy(5))
    second = subprocess.run(
        [sys.executable, "-m", "telltale", "--config", str(stack.file), "up"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode == 2
    assert "data_dir" in second.stderr


def test_an_address_in_use_is_named_before_anything_starts(stack: Stack, tmp_path: Path) -> None:
    until(lambda: stack.healthy(5))
    other = tmp_path / "other.toml"
    other.write_text(stack.file.read_text().replace("/data", "/elsewhere"))
    second = subprocess.run(
        [sys.executable, "-m", "telltale", "--config", str(other), "up"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode == 2
    assert f"web.listen = {stack.addresses[5]}" in second.stderr


def test_check_reports_what_is_wrong(stack: Stack) -> None:
    until(lambda: stack.healthy(5))
    done = subprocess.run(
        [sys.executable, "-m", "telltale", "--config", str(stack.file), "check"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "ok   rules" in done.stdout
    assert "FAIL addresses" in done.stdout


def test_generated_files_hold_no_secret(stack: Stack) -> None:
    until(lambda: stack.healthy(5))
    folder = stack.file.parent / "data"
    assert (folder.stat().st_mode & 0o777) == 0o700
    assert json.loads((folder / "generated/targets/inference.json").read_text()) == []


def all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def is_running(pid: int, folder: Path) -> bool:
    try:
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
