"""`telltale gpu --once`: the readings as a table for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporters.gpu.expose.board import Board
    from exporters.gpu.watch import Watch

_SAMPLE = re.compile(r'(\w+)\{gpu="(\d+)",uuid="([^"]*)"((?:,\w+="(?:[^"\\]|\\.)*")*)\} (\S+)')
_NAME = re.compile(r',name="((?:[^"\\]|\\.)*)"')
_GIB = 1 << 30
_HEADS = ("GPU", "Name", "State", "Util", "SM", "Tensor", "Memory", "Temp", "Power", "Clock", "XIDs", "Procs")


def table(board: Board, watch: Watch, now: float) -> str:
    """Header, one line for each GPU, then what could not be read and why."""
    series = _series(b"".join(board.native(now)).decode())
    rows: list[tuple[str, ...]] = [_HEADS]
    for labels, index, state in board.states(watch.snapshot, now):
        rows.append(_row(index, state, series.get(str(index), {}), 'simulated="true"' in labels))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if board.facts:
        lines.insert(0, f"driver {board.facts['driver']}, NVML {board.facts['nvml']}")
    if watch.error:
        lines.append(f"No readings: {watch.error}")
    return "\n".join(lines + [f"  {line}" for line in _refusals(board)])


def _row(index: int, state: str, values: dict[str, str], simulated: bool) -> tuple[str, ...]:
    def number(name: str, form: str, scale: float = 1.0) -> str:
        return form.format(float(values[name]) * scale) if name in values else "-"

    name = _NAME.search(values.get("gpu_info", ""))
    memory = number("gpu_memory_used_bytes", "{:.1f}", 1 / _GIB) + number(
        "gpu_memory_total_bytes", "/{:.0f} GiB", 1 / _GIB
    )
    power = number("gpu_power_watts", "{:.0f}") + number('gpu_power_limit_watts,limit="enforced"', "/{:.0f} W")
    xids = sum(float(value) for key, value in values.items() if key.startswith("gpu_xid_errors_total"))
    return (
        str(index),
        "SIMULATED" if simulated else name[1] if name else "-",
        state,
        number("gpu_utilization_ratio", "{:.0f} %", 100),
        number("gpu_sm_active_ratio", "{:.0f} %", 100),
        number("gpu_tensor_active_ratio", "{:.0f} %", 100),
        memory,
        number("gpu_temperature_celsius", "{:.0f} C"),
        power,
        number('gpu_clock_hertz,clock="sm"', "{:.0f} MHz", 1e-6),
        f"{xids:.0f}" if any(key.startswith("gpu_xid_errors_total") for key in values) else "-",
        number("gpu_processes", "{:.0f}"),
    )


def _series(page: str) -> dict[str, dict[str, str]]:
    """GPU index to its series: name with the labels beside the GPU's own, to the value; gpu_info to its labels."""
    found: dict[str, dict[str, str]] = {}
    for match in _SAMPLE.finditer(page):
        name, gpu, _, labels, value = match.groups()
        labels = labels.replace(',simulated="true"', "")
        if name == "gpu_info":
            found.setdefault(gpu, {})[name] = labels
        elif ",mig=" not in labels:
            found.setdefault(gpu, {})[name + labels] = value
    return found


def _refusals(board: Board) -> list[str]:
    """What the driver refused, one line a GPU and reason."""
    lines: dict[tuple[str, str], list[str]] = {}
    for uuid, counters in board.facts.get("counters", {}).items():
        for key in counters["errors"]:
            call, _, reason = key.rpartition(" ")
            lines.setdefault((uuid, reason), []).append(call.removeprefix("nvmlDeviceGet").removeprefix("nvml"))
    return [f"{uuid} {reason}: {', '.join(sorted(calls))}" for (uuid, reason), calls in lines.items()]
