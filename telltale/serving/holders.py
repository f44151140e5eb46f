"""Which process holds a port, as far as this one may know (proc(5), `net/tcp` and the processes' descriptors)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"


def of_port(port: int) -> str | None:
    """`name (pid N)` of a process of this machine that listens on that TCP port; None where nobody can be named."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if any(link in sockets for link in _descriptors(process)):
            return f"{_name(process)} (pid {process.name})"
    return None


def _inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        yield from (row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port)


def _descriptors(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            yield os.readlink(descriptor)
    except OSError:
        # It ended in the meantime, or belongs to somebody else.
        return


def _name(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    # Of ours: `python -m telltale web` is `telltale web`.
    return " ".join(words[words.index("telltale") :][:4]).strip() if "telltale" in words else Path(words[0]).name
