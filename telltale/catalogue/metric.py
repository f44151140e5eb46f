"""A metric's entry in the catalogue."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """One metric family. `unit` is the base unit ('' for a pure number); `buckets` only for histograms.

    A named tuple, because the processes of the GPU exporter read the catalogue too and must stay small.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
