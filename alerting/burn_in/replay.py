"""When an alert would have fired: `for` and `keep_firing_for` over the times when its condition held. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Span:
    """From the first to the last evaluation, Unix seconds, both inclusive."""

    start: float
    end: float


def spans(times: Iterable[float], step: float) -> list[Span]:
    """Evaluations at which a condition held, in order, as uninterrupted spans of `step` seconds between two."""
    found: list[Span] = []
    for at in times:
        if found and at - found[-1].end <= 1.5 * step:
            found[-1] = Span(found[-1].start, at)
        else:
            found.append(Span(at, at))
    return found


def firing(held: Iterable[Span], hold: float, keep: float, step: float) -> list[Span]:
    """When one alert fires, by the spans in which its condition held; as Prometheus does it (rules/alerting.go).

    It is pending from a span's first evaluation and fires from the first one that is `hold` later. Once its condition
    is gone it fires on until an evaluation finds it gone for `keep`; a condition that returns before finds it firing.
    """
    found: list[Span] = []
    for span in held:
        if found and span.start <= found[-1].end + step:
            found[-1] = Span(found[-1].start, _kept(span.end, keep, step))
            continue
        first = span.start + ceil(round(hold / step, 6)) * step
        if first <= span.end:
            found.append(Span(first, _kept(span.end, keep, step)))
    return found


def _kept(last: float, keep: float, step: float) -> float:
    # The evaluation after the last finds the condition gone, and those within `keep` of it still fire.
    return last + ceil(round(keep / step, 6)) * step


def merged(all_spans: Iterable[Span], step: float) -> list[Span]:
    """Spans of several alerts as the times in which at least one of them fired."""
    found: list[Span] = []
    for span in sorted(all_spans, key=lambda one: one.start):
        if found and span.start <= found[-1].end + step:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found
