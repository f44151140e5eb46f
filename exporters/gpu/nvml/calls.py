"""The calls of one GPU: which are due, which the card refuses, which are too slow for every reading."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from ctypes import byref, c_uint, c_void_p
from typing import Any

from exporters.gpu.nvml.batch import scaled
from exporters.gpu.nvml.library import (
    DRIVER_GONE,
    GPU_IS_LOST,
    NO_PERMISSION,
    RESET_REQUIRED,
    WILL_NOT,
    DriverGone,
    Library,
    NvmlError,
)
from exporters.gpu.nvml.table import EVERY, Getter
from exporters.gpu.series import Key, Values

SLOW = 0.002
"""Seconds; a call of tier 0 that takes longer twice running moves to tier 1."""
RETRY_REFUSED = 3600.0
RETRY_FORBIDDEN = 300.0

Step = Callable[[str], None]


class Lost(NvmlError):
    """The GPU is gone or wants a reset; no other call on it can succeed."""


class Call:
    """One reading: `read()` gives values or raises NvmlError; `keys` are dropped when it fails."""

    def __init__(self, name: str, tier: int, read: Callable[[], Values], keys: Iterable[Key], canary: bool) -> None:
        self.name, self.tier, self.read, self.keys, self.canary = name, tier, read, tuple(keys), canary
        self.not_before = 0.0
        self._slow = 0

    @property
    def demoted(self) -> bool:
        return self.tier == 0 and self._slow >= 2 and not self.canary

    def due(self, tick: int, now: float) -> bool:
        tier = 1 if self.demoted else self.tier
        return tick % EVERY[tier] == 0 and now >= self.not_before

    def timed(self, seconds: float) -> None:
        self._slow = min(3, self._slow + 1) if seconds > SLOW else 0


class Calls:
    """Runs what is due and keeps `values`. Errors are reported to `failed(call, code)`."""

    def __init__(self, values: Values, step: Step, failed: Callable[[str, int], None]) -> None:
        self.values, self.step, self.failed = values, step, failed
        self.all: list[Call] = []

    def add(
        self, name: str, tier: int, read: Callable[[], Values], keys: Iterable[Key] = (), canary: bool = False
    ) -> None:
        self.all.append(Call(name, tier, read, keys, canary))

    def retry_all(self) -> None:
        """Try everything again: the card was reconfigured."""
        for call in self.all:
            call.not_before = 0.0

    def run(self, tick: int, now: float) -> int:
        """Make the calls that are due; return how many gave values. Raises Lost and DriverGone."""
        done = 0
        for call in self.all:
            if call.due(tick, now):
                done += self._one(call, now)
        return done

    def _one(self, call: Call, now: float) -> int:
        self.step(call.name)
        began = time.perf_counter()
        try:
            fresh = call.read()
        except NvmlError as error:
            self._refused(call, error, now)
            return 0
        call.timed(time.perf_counter() - began)
        if len(fresh) < len(call.keys):
            for key in call.keys:
                if key not in fresh:
                    self.values.pop(key, None)
        self.values.update(fresh)
        return int(bool(fresh))

    def _refused(self, call: Call, error: NvmlError, now: float) -> None:
        for key in call.keys:
            self.values.pop(key, None)
        raise_if_lost(error)
        self.failed(call.name, error.code)
        if error.code in WILL_NOT:
            call.not_before = now + RETRY_REFUSED
        elif error.code == NO_PERMISSION:
            call.not_before = now + RETRY_FORBIDDEN


def raise_if_lost(error: NvmlError) -> None:
    if error.code in DRIVER_GONE:
        raise DriverGone(error.call, error.code) from error
    if error.code in (GPU_IS_LOST, RESET_REQUIRED):
        raise Lost(error.call, error.code) from error


def reader(library: Library, handle: c_void_p, getter: Getter) -> tuple[str, Callable[[], Values]]:
    """A getter's name in this driver, and a function that calls it into buffers made once."""
    name = next((name for name in getter.names if library.has(name)), getter.names[0])
    function = library.function(name)
    buffers: list[Any] = [kind() for kind in getter.outs]
    args = (handle, *(c_uint(value) for value in getter.before), *(byref(buffer) for buffer in buffers))
    first = buffers[0]

    def read() -> Values:
        if getter.init:
            first[0] = getter.init
        code = function(*args)
        if code:
            raise NvmlError(name, code)
        flat = [number for buffer in buffers for number in _numbers(buffer)]
        return {
            key[0]: scaled(number, key[1]) for key, number in zip(getter.keys, flat, strict=True) if key is not None
        }

    return name, read


def _numbers(buffer: Any) -> Iterable[int]:
    return buffer if hasattr(buffer, "_length_") else (buffer.value,)
