"""Counters and histograms for the path of every call: lists of numbers, and pages made from templates.

prometheus_client serves everything that is not per call; its parsers judge these pages in the tests. The owner locks.
Text format: Prometheus exposition formats 0.0.4; OpenMetrics 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from exporters.traces.core.interning import id_bytes
from telltale.catalogue import Metric, metric

Labels = tuple[str, ...]

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Counter:
    """One series of a counter."""

    __slots__ = ("line", "value")

    def __init__(self, line: str) -> None:
        self.line = line
        self.value = 0.0


class Histogram:
    """One series of a histogram. `counts` are not cumulated; the last is of what is above all bounds."""

    __slots__ = ("bounds", "count_line", "counts", "examples", "highs", "lines", "lows", "sum", "sum_line")

    def __init__(self, bounds: tuple[float, ...], lines: list[str], sum_line: str, count_line: str) -> None:
        self.bounds: vec[float] = vec[float](bounds)
        self.counts: vec[i64] = vec[i64]([0] * (len(bounds) + 1))
        self.sum = 0.0
        # The newest trace of each bucket and its value.
        self.highs: vec[i64] = vec[i64]([0] * (len(bounds) + 1))
        self.lows: vec[i64] = vec[i64]([0] * (len(bounds) + 1))
        self.examples: vec[float] = vec[float]([0.0] * (len(bounds) + 1))
        self.lines = lines
        self.sum_line = sum_line
        self.count_line = count_line

    def observe(self, value: float, trace_high: i64, trace_low: i64) -> None:
        """Count a value; the trace's id, in two halves, becomes its bucket's exemplar."""
        # Bisection to the left, as in the standard library, without a call.
        bounds = self.bounds
        index: i64 = 0
        above: i64 = len(bounds)
        while index < above:
            middle = (index + above) >> 1
            if bounds[middle] < value:
                index = middle + 1
            else:
                above = middle
        self.counts[index] += 1
        self.sum += value
        self.highs[index] = trace_high
        self.lows[index] = trace_low
        self.examples[index] = value


class Registry:
    """Series of metrics of the catalogue, by their label values."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[Labels, Counter]] = {}
        self._histograms: dict[str, dict[Labels, Histogram]] = {}

    def counter(self, name: str, *values: str) -> Counter:
        """The series with these label values, made when it is new."""
        family = self._counters.setdefault(name, {})
        found = family.get(values)
        if found is None:
            found = family[values] = Counter(f"{name}{{{_labels(metric(name), values)}}} ")
        return found

    def histogram(self, name: str, *values: str) -> Histogram:
        """The series with these label values, made when it is new."""
        family = self._histograms.setdefault(name, {})
        found = family.get(values)
        if found is None:
            found = family[values] = _histogram(metric(name), values)
        return found

    def page(self, openmetrics: bool) -> str:
        """All series; exemplars only in OpenMetrics, without its end mark."""
        parts: list[str] = []
        for name, counters in self._counters.items():
            family = name.removesuffix("_total") if openmetrics else name
            parts.append(_head(family, "counter", metric(name)))
            parts.extend(f"{series.line}{series.value!r}\n" for series in counters.values())
        for name, histograms in self._histograms.items():
            parts.append(_head(name, "histogram", metric(name)))
            for histogram in histograms.values():
                parts.extend(_with_exemplars(histogram) if openmetrics else _plain(histogram))
        return "".join(parts)


def _histogram(entry: Metric, values: Labels) -> Histogram:
    labels = _labels(entry, values)
    bounds = [*(repr(bound) for bound in entry.buckets), "+Inf"]
    before = f"{labels}," if labels else ""
    lines = [f'{entry.name}_bucket{{{before}le="{bound}"}} ' for bound in bounds]
    return Histogram(entry.buckets, lines, f"{entry.name}_sum{{{labels}}} ", f"{entry.name}_count{{{labels}}} ")


def _labels(entry: Metric, values: Labels) -> str:
    pairs = zip(entry.labels, values, strict=True)
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs)


def _head(family: str, kind: str, entry: Metric) -> str:
    return f"# HELP {family} {entry.help}\n# TYPE {family} {kind}\n"


def _plain(series: Histogram) -> Iterator[str]:
    total = 0
    for line, total in zip(series.lines, accumulate(series.counts), strict=True):
        yield f"{line}{total}\n"
    yield f"{series.count_line}{total}\n{series.sum_line}{series.sum!r}\n"


def _with_exemplars(series: Histogram) -> Iterator[str]:
    total = 0
    for line, total, high, low, value in zip(
        series.lines, accumulate(series.counts), series.highs, series.lows, series.examples, strict=True
    ):
        trace = (id_bytes(high) + id_bytes(low)).hex() if high or low else ""
        mark = f' # {{trace_id="{trace}"}} {value!r}' if trace else ""
        yield f"{line}{total}{mark}\n"
    yield f"{series.count_line}{total}\n{series.sum_line}{series.sum!r}\n"
