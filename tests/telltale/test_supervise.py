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

import pytest
from support.ports import free_port

from telltale import survivors
from telltale.liveness import responds
from telltale.supervise import Patience, Process, Supervisor

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


def test_bad_settings_are_tried_again_slowly_and_at_once_when_they_change(tmp_path: Path) -> None:
    now = [0.0]
    file = tmp_path / "mended"
    code = f"import os,time\nif not os.path.exists({str(file)!r}): raise SystemExit(2)\ntime.sleep(60)"
    supervisor = Supervisor([Process("part", python(code))], lambda *_: None, clock=lambda: now[0])
    supervisor.tick()
    until(lambda: supervisor.states()[0].blocked, supervisor)
    now[0] += 59
    supervisor.tick()
    assert supervisor.states()[0].pid is None
    now[0] += 1
    supervisor.tick()
    assert supervisor.states()[0].pid is not None
    until(lambda: supervisor.states()[0].pid is None, supervisor)
    file.touch()
    assert supervisor.retry() == ["part"]
    supervisor.tick()
    assert supervisor.states()[0].pid is not None
    assert not supervisor.states()[0].blocked
    supervisor.stop()


SERVER = (
    "import socket\ns = socket.create_server(('127.0.0.1', {port}))\nprint('ready')\n"
    "while True:\n c = s.accept()[0]; c.recv(99); c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n'); c.close()"
)
QUICK = Patience(start=0.5, missed=2, stop=0.5)


def test_a_part_that_hangs_is_restarted() -> None:
    port = free_port()
    lines: list[str] = []
    process = Process("part", python(SERVER.format(port=port)), listens=f"127.0.0.1:{port}")
    supervisor = Supervisor(
        [process], lambda _, line: lines.append(line), patience=QUICK, ask=lambda address: responds(address, 0.3),
        every=0.1,
    )  # fmt: skip
    supervisor.tick()
    until(lambda: lines == ["ready"], supervisor)
    first = supervisor.states()[0].pid
    assert first is not None
    until(lambda: responds(f"127.0.0.1:{port}"), supervisor)
    os.kill(first, signal.SIGSTOP)
    until(lambda: lines == ["ready", "ready"], supervisor)
    assert not alive(first)
    second = supervisor.states()[0].pid
    # It responds, so nobody ends it.
    deadline = time.monotonic() + 1.5
    until(lambda: time.monotonic() > deadline, supervisor)
    assert supervisor.states()[0].pid == second
    supervisor.stop()


def test_a_slow_start_is_no_hang() -> None:
    supervisor = Supervisor(
        [Process("part", ["sleep", "60"], listens=f"127.0.0.1:{free_port()}")],
        lambda *_: None, patience=Patience(start=30, missed=1), every=0.05,
    )  # fmt: skip
    supervisor.tick()
    pid = supervisor.states()[0].pid
    deadline = time.monotonic() + 1
    until(lambda: time.monotonic() > deadline, supervisor)
    assert supervisor.states()[0].pid == pid
    supervisor.stop()


def test_a_part_that_listens_elsewhere_since_the_settings_changed_is_asked_there() -> None:
    before, after = free_port(), free_port()
    supervisor = Supervisor(
        [Process("part", python("raise SystemExit(2)"), listens=f"127.0.0.1:{before}")],
        lambda *_: None, patience=QUICK, ask=lambda address: responds(address, 0.3), every=0.1,
    )  # fmt: skip
    supervisor.tick()
    until(lambda: supervisor.states()[0].blocked, supervisor)
    mended = Process("part", python(SERVER.format(port=after)), listens=f"127.0.0.1:{after}")
    supervisor.replace([mended])
    assert supervisor.retry() == ["part"]
    supervisor.tick()
    pid = supervisor.states()[0].pid
    deadline = time.monotonic() + 2
    until(lambda: time.monotonic() > deadline, supervisor)
    assert supervisor.states()[0].pid == pid
    supervisor.stop()


def test_a_part_that_read_the_changed_settings_first_is_not_taken_as_hung() -> None:
    before, after = free_port(), free_port()
    part = Process("part", python(SERVER.format(port=after)), listens=f"127.0.0.1:{before}")
    patience = Patience(start=2, missed=2, stop=0.5)
    supervisor = Supervisor(
        [part], lambda *_: None, patience=patience, ask=lambda address: responds(address, 0.3), every=0.1
    )
    supervisor.tick()
    pid = supervisor.states()[0].pid
    supervisor.replace([Process("part", part.command, listens=f"127.0.0.1:{after}")])
    deadline = time.monotonic() + 4
    until(lambda: time.monotonic() > deadline, supervisor)
    assert supervisor.states()[0].pid == pid
    supervisor.stop()


def test_a_list_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk must not end the stack."""
    full = tmp_path / "gone" / "pids"
    supervisor = Supervisor([Process("part", ["sleep", "300"])], lambda *_: None, pids=full)
    supervisor.tick()
    assert supervisor.states()[0].pid is not None
    supervisor.stop()
    assert supervisor.states()[0].pid is None
    assert str(full) in caplog.text


def test_a_process_that_cannot_be_made_is_tried_again_and_ends_no_other() -> None:
    now = [0.0]
    # No system takes one argument that long.
    processes = [Process("refused", ["true", "x" * (1 << 20)]), Process("part", ["sleep", "300"])]
    supervisor = Supervisor(processes, lambda *_: None, clock=lambda: now[0])
    supervisor.tick()
    refused, part = supervisor.states()
    assert (refused.pid, refused.failures) == (None, 1)
    assert part.pid is not None
    now[0] += 0.5
    supervisor.tick()
    assert supervisor.states()[0].failures == 2
    supervisor.stop()


def test_what_a_part_started_ends_with_it() -> None:
    lines: list[str] = []
    code = "import subprocess\nprint(subprocess.Popen(['sleep', '300']).pid)\nraise SystemExit(1)"
    supervisor = Supervisor([Process("part", python(code))], lambda _, line: lines.append(line))
    supervisor.tick()
    until(lambda: supervisor.states()[0].failures == 1, supervisor)
    until(lambda: bool(lines))
    until(lambda: not alive(int(lines[0])))
    supervisor.stop()


def test_what_survives_a_killed_supervisor_is_ended_by_the_next(tmp_path: Path) -> None:
    """A stopped process does not end when its parent does, and would hold its port for good."""
    pids = tmp_path / "pids"
    code = (
        "import os,pathlib,signal,time\nfrom telltale.supervise import Process, Supervisor\n"
        f"s = Supervisor([Process('part', ['sleep', '300'])], lambda *_: None, pids=pathlib.Path({str(pids)!r}))\n"
        "s.tick()\nprint(s.states()[0].pid, flush=True)\ntime.sleep(300)"
    )
    parent = subprocess.Popen(python(code), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    until(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes())
    os.kill(child, signal.SIGSTOP)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert alive(child)
    assert survivors.end(pids) == [child]
    assert not alive(child)
    assert survivors.end(pids) == []


def test_another_process_under_a_listed_id_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"])
    pids = tmp_path / "pids"
    pids.write_text(f"{survivors.BOOT_ID.read_text()}{other.pid} 1\nno number\n{2**22 + 1} 5\n")
    assert survivors.end(pids) == []
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_list_of_an_earlier_boot_or_another_machine_is_not_believed(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"])
    pids = tmp_path / "pids"
    survivors.note(pids, [other.pid])
    written = pids.read_text()
    assert survivors.BOOT_ID.read_text().strip() in written
    pids.write_text(written.replace(survivors.BOOT_ID.read_text().strip(), "another-boot"))
    assert survivors.end(pids) == []
    assert other.poll() is None
    other.kill()
    other.wait()


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
