"""Rate-bounded sampling: each model, tenant and layer keeps about `per_minute` calls, each with its known probability.

A call is kept when the hash of its trace id falls below its stratum's probability, so that all layers of a trace agree,
and ids that are not random everywhere do no harm. The probability halves each time a minute's budget is spent, and is
set anew each minute from the rate that was seen; it is known exactly when a call is decided, which makes weights of
1/probability unbiased (Horvitz and Thompson, 1952).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

MINUTE = 60.0
MAX_STRATA = 10_000
LEAST = 1e-6


@dataclass(slots=True)
class _Stratum:
    minute: int
    probability: float = 1.0
    budget: float = 0.0
    kept: int = 0
    seen: int = 0


class Sampler:
    """Decides which calls are kept."""

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._strata: OrderedDict[tuple[str, ...], _Stratum] = OrderedDict()

    def keep(self, stratum: tuple[str, ...], trace_id: str, now: float) -> float | None:
        """The probability with which this call was kept, or None if it is not. `now` is in seconds."""
        state = self._state(stratum, int(now // MINUTE))
        state.seen += 1
        probability = state.probability
        if position(trace_id) >= probability:
            return None
        state.kept += 1
        if state.kept >= state.budget:
            state.probability = max(LEAST, state.probability / 2)
            state.budget += self._per_minute / 2
        return probability

    def _state(self, stratum: tuple[str, ...], minute: int) -> _Stratum:
        state = self._strata.get(stratum)
        if state is None:
            if len(self._strata) >= MAX_STRATA:
                # The oldest stratum starts anew when it is seen again: memory stays bounded.
                self._strata.popitem(last=False)
            state = self._strata[stratum] = _Stratum(minute, budget=self._per_minute)
        elif state.minute != minute:
            seen = state.seen if minute == state.minute + 1 else 0
            state.probability = min(1.0, max(LEAST, self._per_minute / seen)) if seen else 1.0
            state.minute, state.kept, state.seen, state.budget = minute, 0, 0, self._per_minute
        return state


def position(trace_id: str) -> float:
    """Where a trace falls in [0, 1), by a hash of its whole id."""
    return int.from_bytes(hashlib.blake2b(trace_id.encode(), digest_size=7).digest()) / (1 << 56)
