"""The memory that the sampler shares with its parent: the last page, and what the sampler is doing right now.

Anonymous shared memory made by the parent before it forks, one for each sampler, so that an abandoned one
cannot write to its successor's page. Two slots: the writer fills the one that nobody reads, then publishes it.
"""

from __future__ import annotations

import mmap
import struct
import time
from typing import NamedTuple

_HEAD = 4096
_SLOT = 8 << 20
_SEQUENCE = struct.Struct("<QIxxxxdd")  # pages published, slot, when (monotonic), duration of the reading
_LENGTHS = struct.Struct("<III")
_STEP = struct.Struct("<di68s")  # since when (monotonic; 0: idle), GPU index or one of the names below, call
_STEP_AT, _WAIT_AT, _ERROR_AT, _SKIP_AT = 64, 160, 256, 1024
_ERROR_SIZE = 512
MAX_GPUS = 256
NO_GPU = -1


class TooLarge(ValueError):
    """The page does not fit into its slot."""


class Snapshot(NamedTuple):
    """One reading of all GPUs. `at`: monotonic seconds when it was finished."""

    sequence: int
    at: float
    duration: float
    native: bytes
    dcgm: bytes
    facts: bytes


class Page:
    """Both ends of the shared memory; the methods say who may call them."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD + 2 * _SLOT)

    def publish(self, native: bytes, dcgm: bytes, facts: bytes, duration: float) -> None:
        """Sampler: make this the page. Raises TooLarge."""
        sequence, slot, _, _ = _SEQUENCE.unpack_from(self._memory, 0)
        slot = 1 - slot
        start = _HEAD + slot * _SLOT
        body = native + dcgm + facts
        if len(body) + _LENGTHS.size > _SLOT:
            raise TooLarge(f"page of {len(body)} bytes")
        _LENGTHS.pack_into(self._memory, start, len(native), len(dcgm), len(facts))
        self._memory[start + _LENGTHS.size : start + _LENGTHS.size + len(body)] = body
        _SEQUENCE.pack_into(self._memory, 0, sequence + 1, slot, time.monotonic(), duration)

    @property
    def sequence(self) -> int:
        number: int = _SEQUENCE.unpack_from(self._memory, 0)[0]
        return number

    def read(self) -> Snapshot | None:
        """Parent: the last page, whole; None before the first."""
        for _ in range(3):
            sequence, slot, at, duration = _SEQUENCE.unpack_from(self._memory, 0)
            if not sequence:
                return None
            start = _HEAD + slot * _SLOT
            native, dcgm, facts = _LENGTHS.unpack_from(self._memory, start)
            start += _LENGTHS.size
            body = self._memory[start : start + native + dcgm + facts]
            # The slot is written again only with the page after the next.
            if self.sequence < sequence + 2:
                cut = native + dcgm
                return Snapshot(sequence, at, duration, body[:native], body[native:cut], body[cut:])
        return None

    def step(self, gpu: int, call: str) -> None:
        """Sampler: this call on this GPU begins now."""
        _STEP.pack_into(self._memory, _STEP_AT, time.monotonic(), gpu, call.encode()[:68])

    def idle(self) -> None:
        """Sampler: no call is under way."""
        _STEP.pack_into(self._memory, _STEP_AT, 0.0, NO_GPU, b"")

    def wait_begins(self) -> None:
        """Sampler's event thread: a wait of at most a second begins now."""
        struct.pack_into("<d", self._memory, _WAIT_AT, time.monotonic())

    def wait_ends(self) -> None:
        struct.pack_into("<d", self._memory, _WAIT_AT, 0.0)

    def current(self) -> tuple[float, int, str]:
        """Parent: since when, on which GPU, which call; since 0 when idle."""
        since, gpu, call = _STEP.unpack_from(self._memory, _STEP_AT)
        return since, gpu, call.rstrip(b"\0").decode("ascii", "replace")

    def waiting_since(self) -> float:
        since: float = struct.unpack_from("<d", self._memory, _WAIT_AT)[0]
        return since

    def set_error(self, text: str) -> None:
        """Sampler: why it ends or has nothing to show; '' when all is well."""
        self._memory[_ERROR_AT : _ERROR_AT + _ERROR_SIZE] = text.encode()[:_ERROR_SIZE].ljust(_ERROR_SIZE, b"\0")

    def error(self) -> str:
        return self._memory[_ERROR_AT : _ERROR_AT + _ERROR_SIZE].rstrip(b"\0").decode("utf-8", "replace")

    def skip(self, gpu: int, leave_alone: bool) -> None:
        """Parent: whether the sampler must leave that GPU alone."""
        if 0 <= gpu < MAX_GPUS:
            self._memory[_SKIP_AT + gpu] = int(leave_alone)

    def skipped(self) -> frozenset[int]:
        flags = self._memory[_SKIP_AT : _SKIP_AT + MAX_GPUS]
        return frozenset(index for index, flag in enumerate(flags) if flag) if any(flags) else frozenset()

    def close(self) -> None:
        self._memory.close()
