"""A reference: the first rows of a series, frozen, and what the monitors learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nextafter

from monitors import calibration, windows
from monitors.monitor import Monitor
from monitors.sources import Observation, Source
from telltale.settings import Monitor as MonitorSettings
from telltale.store.references import Reference


def freeze(
    model: str, source: Source, found: Sequence[Observation], monitors: Sequence[Monitor], settings: MonitorSettings,
    now: float,
) -> Reference | None:  # fmt: skip
    """The reference that these observations give; None while they are too few."""
    first = source.rows(found, len(found))
    if len(first.ids) < source.reference_size:
        return None
    rows = windows.head(first, source.reference_size)
    learned = {m.name: calibration.inflation(type(m), rows, settings) for m in monitors if m.is_calibrated}
    # Windows begin at the end: the last row of the reference must not be in the first one too.
    return Reference(model, source.direction, now, rows, nextafter(rows.times[-1], inf), learned)
