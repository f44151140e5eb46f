"""The demo as a person runs it: drift, alert, ticket, through the real parts; and silence on healthy traffic."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from telltale.binaries import find
from telltale.settings import load

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def demo(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-u", "-m", "telltale", "demo", "--folder", str(folder), *arguments]


@pytest.fixture(autouse=True)
def components(require: Callable[[object, str], None]) -> None:
    settings = load()
    for component in ("prometheus", "alertmanager"):
        require(find(settings, component), f"{component} is missing: run `telltale fetch`")


def test_drift_opens_a_ticket_and_everything_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        demo(tmp_path / "demo", "--exit"), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"/tickets/\d+", done.stdout)
    # The terminal has the link of the first start; the log, which is kept, has not.
    (code,) = re.findall(r"first start: .*/first-start#(\S+)$", done.stdout, re.MULTILINE)
    assert code not in (tmp_path / "demo" / "stack.log").read_text()
    seconds = [float(found) for found in re.findall(r"^\s+(\d+\.\d) s  Alertmanager", done.stdout, re.MULTILINE)]
    assert seconds
    assert seconds[-1] <= 180
    assert processes_in(tmp_path) == []


def test_healthy_traffic_opens_none(tmp_path: Path) -> None:
    """The short form of the ten quiet minutes."""
    done = subprocess.run(
        demo(tmp_path / "demo", "--no-drift", "--exit", "--minutes", "1"),
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no ticket in" in done.stdout


def test_it_stays_up_until_it_is_stopped(tmp_path: Path) -> None:
    running = subprocess.Popen(demo(tmp_path / "demo"), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    web = ""
    for line in running.stdout:
        if found := re.search(r"pages and feedback API\s+(http\S+)", line):
            web = found[1]
        if "calls measured" in line:
            break
    assert httpx.get(f"{web}/-/healthy").status_code == 200
    running.send_signal(signal.SIGTERM)
    running.stdout.read()
    assert running.wait(timeout=60) == 0
    running.stdout.close()
    assert processes_in(tmp_path) == []


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes that still run with files of this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
    return found
