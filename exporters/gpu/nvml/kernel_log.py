"""XIDs from the kernel's log, as a second source: not every XID raises an NVML event.

Reading /dev/kmsg needs CAP_SYSLOG or kernel.dmesg_restrict=0, so it is off unless `gpu.kmsg` names it.
"""

from __future__ import annotations

import os
import re

_XID = re.compile(r"NVRM: Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+)")
SAME = 2.0
"""Seconds within which the same XID of the same GPU from the other source is the same event."""


def parse(record: str) -> tuple[str, int] | None:
    """(PCI bus id in lower case without leading zeros of the domain, XID) of a kernel log line; None for others."""
    match = _XID.search(record)
    return (bus(match[1]), int(match[2])) if match else None


def bus(pci: str) -> str:
    """`00000000:10:00.0`, `0000:10:00.0` and `0000:10:00` as one: `0:10:00`."""
    domain, _, rest = pci.lower().partition(":")
    return f"{int(domain or '0', 16):x}:{rest.partition('.')[0]}"


class KernelLog:
    """New records of the kernel's log. Raises OSError when it cannot be opened."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.lseek(self._file, 0, os.SEEK_END)
        except OSError:
            # A pipe cannot seek; everything in it is new.
            return

    def drain(self) -> list[tuple[str, int]]:
        """XIDs since the last call, as (bus id, code)."""
        found = []
        for _ in range(1000):
            try:
                record = os.read(self._file, 8192)
            except BlockingIOError:
                break
            except OSError:
                # EPIPE: records were overwritten before we read them; the next read continues with the oldest left.
                continue
            if not record:
                break
            found += [parsed for line in record.decode("utf-8", "replace").splitlines() if (parsed := parse(line))]
        return found


class Deduplicator:
    """Counts an event that both sources report only once."""

    def __init__(self) -> None:
        self._lone: list[tuple[str, str, int, float]] = []

    def is_new(self, source: str, uuid: str, code: int, when: float) -> bool:
        """Whether this is a new event."""
        self._lone = [one for one in self._lone if abs(when - one[3]) <= SAME]
        for one in self._lone:
            if one[0] != source and one[1:3] == (uuid, code):
                self._lone.remove(one)
                return False
        self._lone.append((source, uuid, code, when))
        return True
