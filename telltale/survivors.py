"""Processes that outlived the supervisor which started them: found in the list that it left, and ended.

A process is known by its id, the time when it started and the boot that this time counts from, so that another one
that has the id since, or on another machine that has the same folder, is left alone.
Linux only, where `/proc` tells that time; elsewhere nothing is listed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from telltale import private

STOP_S = 10.0
KILL_S = 5.0
_PAUSE_S = 0.05
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def note(file: Path, pids: Sequence[int]) -> None:
    """List the processes that run now. Raises OSError."""
    lines = [f"{_boot()}\n"]
    lines += [f"{pid} {started}\n" for pid in pids if (started := _started(pid)) is not None]
    temporary = file.with_name(file.name + ".new")
    with open(temporary, "w", opener=private.opener) as written:
        written.writelines(lines)
    temporary.replace(file)


def end(file: Path, timeout: float = STOP_S) -> list[int]:
    """End what runs of those listed, together with what they started: SIGTERM, then SIGKILL. Returns their ids."""
    listed = dict(_listed(file))
    found = _running(listed, listed)
    for pid in found:
        _kill(pid, signal.SIGTERM)
        # One that was stopped ends only once it goes on.
        _kill(pid, signal.SIGCONT)
    left = _wait(found, listed, timeout)
    for pid in left:
        _kill(pid, signal.SIGKILL)
    _wait(left, listed, KILL_S)
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
        boot, *lines = file.read_text().splitlines() or [""]
    except (OSError, UnicodeDecodeError):
        return []
    if boot != _boot():
        return []
    rows = [line.split() for line in lines]
    return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2 and all(word.isdecimal() for word in row)]


def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return "?"


def _running(pids: Iterable[int], listed: Mapping[int, int]) -> list[int]:
    """Those that run and are the listed ones still."""
    return [pid for pid in pids if _started(pid) == listed[pid]]


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


def _wait(pids: Sequence[int], listed: Mapping[int, int], timeout: float) -> list[int]:
    """Those that still run after that long."""
    deadline = time.monotonic() + timeout
    left = _running(pids, listed)
    while left and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        left = _running(left, listed)
    return left
