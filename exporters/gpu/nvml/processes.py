"""Which processes use a GPU, how much memory they use and how much of its time."""

from __future__ import annotations

from ctypes import byref, c_uint, c_ulonglong, c_void_p
from typing import NamedTuple

from exporters.gpu.nvml.library import (
    INSUFFICIENT_SIZE,
    NOT_FOUND,
    Library,
    NvmlError,
    ProcessInfo,
    ProcessUtilization,
    check,
)

_LISTS = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v3")
_UNKNOWN_MEMORY = 0xFFFFFFFFFFFFFFFF
_NO_INSTANCE = 0xFFFFFFFF
_MOST = 4096


class Process(NamedTuple):
    """`memory` in bytes, `sm` as a ratio since the last reading, `instance`: MIG GPU instance id; None if not known."""

    pid: int
    memory: int | None
    sm: float | None
    instance: int | None


class ProcessTable:
    """Reads the processes of one GPU."""

    def __init__(self, library: Library, handle: c_void_p) -> None:
        self._library, self._handle = library, handle
        self._infos = (ProcessInfo * 64)()
        self._samples = (ProcessUtilization * 128)()
        self._seen = 0

    def read(self) -> list[Process]:
        """Every process once. Raises NvmlError."""
        found = {info.pid: info for info in self._list(_LISTS[0])}
        if self._library.has(_LISTS[1]):
            found |= {info.pid: info for info in self._list(_LISTS[1], optional=True)}
        shares = self._utilization() if found else {}
        return [
            Process(
                pid,
                None if info.usedGpuMemory == _UNKNOWN_MEMORY else info.usedGpuMemory,
                shares.get(pid, 0.0) if shares is not None else None,
                None if info.gpuInstanceId == _NO_INSTANCE else info.gpuInstanceId,
            )
            for pid, info in sorted(found.items())
        ]

    def _list(self, name: str, optional: bool = False) -> list[ProcessInfo]:
        for _ in range(4):
            count = c_uint(len(self._infos))
            code = self._library.function(name)(self._handle, byref(count), self._infos)
            if code != INSUFFICIENT_SIZE or len(self._infos) >= _MOST:
                break
            # More may start between two calls.
            self._infos = (ProcessInfo * min(_MOST, 2 * max(count.value, len(self._infos))))()
        if code and optional:
            return []
        check(name, code)
        return [ProcessInfo.from_buffer_copy(info) for info in self._infos[: count.value]]

    def _utilization(self) -> dict[int, float] | None:
        """Mean SM share of each process since the last call; None if the card does not report it."""
        name = "nvmlDeviceGetProcessUtilization"
        for _ in range(4):
            count = c_uint(len(self._samples))
            code = self._library.function(name)(self._handle, self._samples, byref(count), c_ulonglong(self._seen))
            if code != INSUFFICIENT_SIZE or len(self._samples) >= _MOST:
                break
            self._samples = (ProcessUtilization * min(_MOST, 2 * max(count.value, len(self._samples))))()
        if code == NOT_FOUND:
            return {}
        try:
            check(name, code)
        except NvmlError:
            return None
        samples = self._samples[: count.value]
        self._seen = max((sample.timeStamp for sample in samples), default=self._seen)
        shares: dict[int, list[int]] = {}
        for sample in samples:
            shares.setdefault(sample.pid, []).append(min(100, sample.smUtil))
        return {pid: sum(values) / len(values) / 100 for pid, values in shares.items()}
