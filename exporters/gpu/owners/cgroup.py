"""Which container a process runs in, from /proc/<pid>/cgroup: cgroup v1 and v2, cgroupfs and systemd drivers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """`pod`: the pod's UID; `container`: the runtime's id. '' where there is none."""

    pod: str = ""
    container: str = ""


_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})(?:\.slice)?(?:/|$)")
# Static pods are known by a hash instead of a UUID.
_STATIC_POD = re.compile(r"pod([0-9a-f]{32})(?:\.slice)?(?:/|$)")
_CONTAINER = re.compile(r"(?:^|[-/:])([0-9a-f]{64})(?:\.scope)?(?:/|$)")


def parse(text: str) -> Place:
    """The container that a cgroup file names; the innermost if containers are nested."""
    best = Place()
    for line in text.splitlines():
        path = line.split(":", 2)[-1]
        pods = _POD.findall(path) or _STATIC_POD.findall(path)
        containers = _CONTAINER.findall(path)
        place = Place(pods[-1].replace("_", "-") if pods else "", containers[-1] if containers else "")
        best = max(best, place, key=lambda found: (bool(found.container), bool(found.pod)))
    return best


def of_process(pid: int, proc: str = "/proc") -> Place | None:
    """Where a process runs; None when it is gone or hidden from us."""
    try:
        return parse(Path(proc, str(pid), "cgroup").read_text())
    except OSError:
        return None
