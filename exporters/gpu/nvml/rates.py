"""Rates from the driver's counters, for the DCGM page: it shows rates where the native page shows counters."""

from __future__ import annotations

from exporters.gpu.series import Key, label

_ALL = ("_nvlink_transmitted_kib", "_nvlink_received_kib")
_LINK = ("gpu_nvlink_transmitted_bytes_total", "gpu_nvlink_received_bytes_total")
_LINKS = [label("link", link) for link in range(18)]
_SUMS: tuple[tuple[Key, tuple[Key, ...], float], ...] = (
    # DCGM's own unit: thousands of KiB per second.
    (("_nvlink_rate", ""), tuple((family, "") for family in _ALL), 1e-3),
    *(
        (
            ("_nvlink_link_rate", label("link", link)),
            tuple((family, label("link", link)) for family in _LINK),
            1 / 1024e3,
        )
        for link in range(18)
    ),
    (("_pcie_transmit_rate", ""), (("gpu_pcie_transmitted_bytes_total", ""),), 1),
    (("_pcie_receive_rate", ""), (("gpu_pcie_received_bytes_total", ""),), 1),
)


GAP = 5.0
"""Seconds between two reads of a counter: it is read only every ten readings."""


class Rates:
    """Remembers each sum of counters at its last read."""

    def __init__(self) -> None:
        self._last: dict[Key, tuple[float, float]] = {}
        self._due = 0.0

    def update(self, values: dict[Key, float], now: float) -> None:
        """Add the rates to `values`; keep the last one until the counters are read again."""
        if now < self._due:
            return
        self._due = now + GAP
        for rate, parts, scale in _SUMS:
            if parts[0] not in values:
                values.pop(rate, None)
                self._last.pop(rate, None)
                continue
            total = sum(values.get(part, 0) for part in parts)
            when, before = self._last.get(rate, (now, total))
            self._last[rate] = (now, total)
            if now > when and total >= before:
                values[rate] = round((total - before) / (now - when) * scale, 3)
