"""Calls that were not kept, for a while and within a number of bytes: feedback may still ask for them."""

from __future__ import annotations

from collections import OrderedDict

from telltale.records import Sample


class Ring:
    """Unsampled, already redacted samples by trace; the oldest make room."""

    def __init__(self, max_bytes: int, max_age: float) -> None:
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._traces: OrderedDict[str, list[Sample]] = OrderedDict()
        self.bytes = 0

    def add(self, sample: Sample, now: float) -> None:
        self._traces.setdefault(sample.trace_id, []).append(sample)
        self.bytes += _size(sample)
        while self._traces and (self.bytes > self._max_bytes or self._is_old(now)):
            self._drop(next(iter(self._traces)))

    def take(self, trace_id: str) -> list[Sample]:
        """The calls of a trace, which leave the ring."""
        return self._drop(trace_id) if trace_id in self._traces else []

    def _is_old(self, now: float) -> bool:
        return next(iter(self._traces.values()))[0].observed_at < now - self._max_age

    def _drop(self, trace_id: str) -> list[Sample]:
        samples = self._traces.pop(trace_id)
        self.bytes -= sum(map(_size, samples))
        return samples


def _size(sample: Sample) -> int:
    # The fixed part is what the record and its keys take beside the two texts.
    return 1000 + len(sample.prompt) + len(sample.response)
