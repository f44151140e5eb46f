"""Counters kept by the exporter itself, per GPU. They outlive the process that reads the driver."""

from __future__ import annotations

from typing import Any

from exporters.gpu.nvml.table import REASON_BITS
from exporters.gpu.series import Key, label

# Zero from the start, so that increase() sees the first one: those that a rule asks for, and the usual ones.
XIDS = (
    *(13, 31, 43, 45, 46, 48, 62, 63, 64, 74, 79, 92, 94, 95, 109, 110, 119, 120, 136, 140),
    *(143, 144, 145, 146, 147, 148, 149, 150, 155, 156, 158),
)
# After these the work on the GPU is lost or the GPU must be reset.
GRAVE_XIDS = frozenset({48, 62, 64, 74, 79, 95, 119, 120, 140})
HOUR = 3600.0
# Recovery actions that require a reset or reboot.
_GRAVE_ACTIONS = frozenset({1, 2, 4, 6, 7})
_LIMITING = {name: bit for name, bit in REASON_BITS.items() if name != "gpu_idle"}


class Counters:
    """Integrated and counted values of one GPU, restored from `saved` (what `dump` gave)."""

    def __init__(self, saved: dict[str, Any] | None = None) -> None:
        saved = saved or {}
        self.busy = float(saved.get("busy", 0.0))
        self.throttle: dict[str, float] = dict(saved.get("throttle", {}))
        self.throttled: dict[str, int] = dict(saved.get("throttled", {}))
        self.xids: dict[str, list[float]] = {code: list(seen) for code, seen in saved.get("xids", {}).items()}
        self.last_xid = int(saved.get("last_xid", 0))
        self.errors: dict[str, int] = dict(saved.get("errors", {}))
        self._active: set[str] = set()

    def dump(self) -> dict[str, Any]:
        return {
            "busy": self.busy,
            "throttle": self.throttle,
            "throttled": self.throttled,
            "xids": self.xids,
            "last_xid": self.last_xid,
            "errors": self.errors,
        }

    def failed(self, call: str, reason: str) -> None:
        key = f"{call} {reason}"
        self.errors[key] = self.errors.get(key, 0) + 1

    def xid(self, code: int, when: float) -> None:
        seen = self.xids.setdefault(str(code), [0, 0.0])
        seen[0] += 1
        seen[1] = when
        self.last_xid = code

    def elapse(self, values: dict[Key, float], seconds: float, counted: set[Key]) -> None:
        """Integrate `values` over `seconds`, and add the sums to them.

        `counted`: keys that the driver counts itself; they are left as the driver gave them.
        """
        utilization = values.get(("gpu_utilization_ratio", ""))
        if utilization is not None:
            self.busy += utilization * seconds
            values["gpu_busy_seconds_total", ""] = round(self.busy, 6)
        mask = values.get(("_clocks_event_reasons", ""))
        if mask is not None:
            self._throttles(values, int(mask), seconds, counted)

    def _throttles(self, values: dict[Key, float], mask: int, seconds: float, counted: set[Key]) -> None:
        for name, bit in _LIMITING.items():
            labels = label("reason", name)
            active = bool(mask & bit)
            values["gpu_throttle_active", labels] = int(active)
            if active and name not in self._active:
                self.throttled[name] = self.throttled.get(name, 0) + 1
            values["_throttle_events", labels] = self.throttled.get(name, 0)
            key = ("gpu_throttle_seconds_total", labels)
            if key not in counted:
                self.throttle[name] = self.throttle.get(name, 0.0) + seconds * active
                values[key] = round(self.throttle[name], 6)
        self._active = {name for name, bit in _LIMITING.items() if mask & bit}

    def xid_values(self, values: dict[Key, float]) -> None:
        total = sum(int(seen[0]) for seen in self.xids.values())
        # They stay in the values until those are cleared.
        if values.get(("_xids", "")) == total:
            return
        values["_xids", ""] = total
        for code in (*map(str, XIDS), *self.xids):
            count, last = self.xids.get(code, (0, 0.0))
            values["gpu_xid_errors_total", label("xid", code)] = count
            if count:
                values["gpu_xid_last_timestamp_seconds", label("xid", code)] = round(last, 3)
        values["_last_xid", ""] = self.last_xid

    def health(self, values: dict[Key, float], wall: float) -> None:
        """gpu_health_status by our own rules; absent when too little is known."""
        known = ("gpu_row_remap_failed", "gpu_recovery_action", "_last_xid")
        if not any((family, "") in values for family in known):
            return
        recent = {int(code) for code, (_, last) in self.xids.items() if wall - last < HOUR}
        failed = (
            values.get(("gpu_row_remap_failed", "")),
            values.get(("gpu_recovery_action", ""), 0) in _GRAVE_ACTIONS,
            recent & GRAVE_XIDS,
        )
        uncorrected = label("severity", "uncorrected") + label("since", "load")
        warning = (
            values.get(("gpu_row_remap_pending", "")),
            values.get(("gpu_recovery_action", "")),
            values.get(("gpu_ecc_errors_total", uncorrected)),
            recent,
        )
        values["gpu_health_status", ""] = 20 if any(failed) else 10 if any(warning) else 0
