"""Simulated GPUs for machines without one. Every series and log line is marked as such.

Load follows a slow wave with a phase of its own per GPU, a plain function of the clock: no state, nothing random.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from exporters.gpu.nvml.counters import Counters
from exporters.gpu.nvml.identity import Identity
from exporters.gpu.nvml.mig import Instance
from exporters.gpu.nvml.processes import Process
from exporters.gpu.nvml.source import Gpu
from exporters.gpu.series import Values, label

GIB = 1 << 30
IDLE_WATTS, PEAK_WATTS, MEMORY = 75.0, 700.0, 80 * GIB
PERIOD = 240.0


class SimulatedGpu:
    """One simulated GPU."""

    def __init__(self, index: int, saved: dict[str, Counters], clock: Callable[[], float]) -> None:
        uuid = f"SIMULATED-{index:04d}"
        self.index = index
        self.identity = Identity(
            index, uuid, "Simulated GPU 80 GiB", "", "", "", "Simulated", "Simulated", ("", "", "", "")
        )
        self.labels = self.identity.labels
        self.counters = saved.setdefault(uuid, Counters())
        self.values: Values = {}
        self.state = "unknown"
        self.processes: list[Process] = []
        self.instances: list[Instance] = []
        self.slow: list[str] = []
        self._clock = clock
        self._read_at: float | None = None
        self._joules = 0.0

    def read(self, now: float, longest: float) -> None:
        elapsed = min(longest, now - self._read_at) if self._read_at is not None else 0.0
        self._read_at = now
        wave = 0.5 + 0.5 * math.sin(2 * math.pi * self._clock() / PERIOD + self.index)
        load = round(0.1 + 0.85 * wave, 2)
        watts = round(IDLE_WATTS + (PEAK_WATTS - IDLE_WATTS) * load, 1)
        self._joules += watts * elapsed
        used = int(MEMORY * (0.55 + 0.3 * wave))
        self.values.update(_values(load, watts, used))
        self.values["gpu_energy_joules_total", ""] = round(self._joules, 3)
        self.counters.elapse(self.values, elapsed, set())
        self.state = "ok"


def _values(load: float, watts: float, used: int) -> Values:
    clock = round(1200 + 780 * load) * 1e6
    return {
        ("gpu_temperature_celsius", ""): round(38 + 40 * load),
        ("gpu_memory_temperature_celsius", ""): round(42 + 38 * load),
        ("gpu_power_watts", ""): watts,
        ("gpu_power_limit_watts", label("limit", "enforced")): PEAK_WATTS,
        ("gpu_utilization_ratio", ""): load,
        ("gpu_memory_copy_utilization_ratio", ""): round(load * 0.6, 2),
        ("gpu_clock_hertz", label("clock", "sm")): clock,
        ("gpu_clock_hertz", label("clock", "memory")): 2619e6,
        ("gpu_memory_total_bytes", ""): MEMORY,
        ("gpu_memory_used_bytes", ""): used,
        ("gpu_memory_free_bytes", ""): MEMORY - used,
        ("gpu_sm_active_ratio", ""): round(load * 0.85, 4),
        ("gpu_tensor_active_ratio", ""): round(load * 0.45, 4),
        ("gpu_dram_active_ratio", ""): round(load * 0.55, 4),
        ("_clocks_event_reasons", ""): 0x4 if load > 0.9 else 0,
    }


class SimulatedSource:
    driver = nvml = "simulated"

    def __init__(self, count: int, saved: dict[str, Counters], clock: Callable[[], float] = time.time) -> None:
        self._gpus = [SimulatedGpu(index, saved, clock) for index in range(count)]
        self.missing: dict[int, str] = {}

    def gpus(self) -> list[Gpu]:
        return list(self._gpus)

    def close(self) -> None:
        pass
