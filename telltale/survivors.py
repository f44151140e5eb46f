"""Processes that outlived the supervisor which started them: found in the list that it left, and ended.

A process is known by its id and the time when it started, so that another one that has the id since is left alone.
Linux only, where `/proc` tells that time; elsewhere nothing is listed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from telltale import private

STOP_S = 10.0
KILL_S = 5.0
_PAUSE_S = 0.05


def note(file: Path, pids: Sequence[int]) -> None:
    """List the processes that run now."""
    lines = [f"{pid} {started}\n" for pid in pids if (started := _started(pid)) is not None]
    temporary = file.with_name(file.name + ".new")
    with open(temporary, "w", opener=private.opener) as written:
        written.writelines(lines)
    temporary.replace(file)


def end(file: Path, timeout: float = STOP_S) -> list[int]:
    """End what runs of those listed, together with what they started: SIGTERM, then SIGKILL. Returns their ids."""
    found = [pid for pid, started in _listed(file) if _started(pid) == started]
    for pid in found:
        _kill(pid, signal.SIGTERM)
        # One that was stopped ends only once it goes on.
        _kill(pid, signal.SIGCONT)
    left = _wait(found, timeout)
    for pid in left:
        _kill(pid, signal.SIGKILL)
    _wait(left, KILL_S)
    for pid in found:
        kill_group(pid)
    file.unlink(missing_ok=True)
    return found


def kill_group(leader: int) -> None:
    """Kill what a process that led its own group has left running."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _listed(file: Path) -> list[tuple[int, int]]:
    try:
        rows = [line.split() for line in file.read_text().splitlines()]
    except (OSError, UnicodeDecodeError):
        return []
    return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2 and all(word.isdecimal() for word in row)]


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), field 22 of `stat`); None: it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _wait(pids: Sequence[int], timeout: float) -> list[int]:
    """Those that still run after that long."""
    deadline = time.monotonic() + timeout
    left = [pid for pid in pids if _started(pid) is not None]
    while left and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        left = [pid for pid in left if _started(pid) is not None]
    return left
