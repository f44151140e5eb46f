"""The supervisor: restarts with back-off, stops cleanly, leaves no orphan. All processes are real."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from telltale.supervise import Process, Supervisor

ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], bool], supervisor: Supervisor | None = None, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        if supervisor:
            supervisor.tick()
        select.select([], [], [], 0.02)


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_output_and_a_clean_stop() -> None:
    lines: list[tuple[str, str]] = []
    code = (
        "import signal,sys,time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('flushed'), sys.exit(0)))\n"
        "print('ready')\nwhile True: time.sleep(0.05)"
    )
    supervisor = Supervisor([Process("part", python(code))], lambda name, line: lines.append((name, line)))
    supervisor.tick()
    until(lambda: ("part", "ready") in lines)
    supervisor.stop()
    until(lambda: ("part", "flushed") in lines)
    assert supervisor.states()[0].pid is None


def test_a_part_that_fails_is_started_again_later_and_later() -> None:
    now = [0.0]
    starts: list[float] = []
    supervisor = Supervisor(
        [Process("part", python("print('up'); raise SystemExit(3)"))],
        lambda _name, line: starts.append(now[0]) if line == "up" else None,
        clock=lambda: now[0],
    )

    def failed(times: int) -> None:
        until(lambda: supervisor.states()[0].failures == times, supervisor)

    supervisor.tick()
    failed(1)
    for failures, delay in ((2, 0.5), (3, 1.0), (4, 2.0)):
        now[0] += delay - 0.01
        supervisor.tick()
        assert supervisor.states()[0].pid is None
        now[0] += 0.01
        supervisor.tick()
        failed(failures)
    until(lambda: len(starts) == 4)


def test_bad_settings_are_not_tried_again() -> None:
    supervisor = Supervisor([Process("part", python("raise SystemExit(2)"))], lambda *_: None)
    supervisor.tick()
    until(lambda: supervisor.states()[0].given_up, supervisor)


def test_an_unknown_command_is_reported() -> None:
    supervisor = Supervisor([Process("part", ["/no/such/binary"])], lambda *_: None)
    supervisor.tick()
    until(lambda: any("/no/such/binary" in line for line in supervisor.states()[0].last_lines), supervisor)
    supervisor.stop()


def test_what_ignores_sigterm_is_killed() -> None:
    lines: list[str] = []
    code = "import signal,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(60)"
    supervisor = Supervisor([Process("part", python(code))], lambda _, line: lines.append(line))
    supervisor.tick()
    until(lambda: "deaf" in lines)
    pid = supervisor.states()[0].pid
    assert pid is not None
    supervisor.stop(timeout=0.3)
    assert not alive(pid)


def test_no_orphan_after_a_killed_parent() -> None:
    code = (
        "import time\nfrom telltale.supervise import Process, Supervisor\n"
        "s = Supervisor([Process('part', ['sleep', '300'])], lambda *_: None)\n"
        "s.tick()\nprint(s.states()[0].pid, flush=True)\ntime.sleep(300)"
    )
    parent = subprocess.Popen(python(code), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    # Let the launcher become the command first.
    until(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: not alive(child))
