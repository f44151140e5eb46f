"""Rate-bounded sampling: of each model, tenant and layer about `per_minute` calls, each with its known probability.

A call is drawn when the hash of its trace id falls below its stratum's probability: all layers of a trace agree, and
ids that are not random everywhere do no harm. The probability halves each time a minute's budget is spent, and is
set anew each minute from the rate that was seen; it is known exactly when a call is decided, which makes weights of
1/probability unbiased (Horvitz and Thompson, 1952).
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exporters.traces.calls.call import Call
from exporters.traces.core.interning import spread

MINUTE: Final = 60.0
# Senders choose model names: beyond this many at once, new ones share a stratum.
MAX_STRATA: Final = 2_000
IDLE_MINUTES: Final = 10
_SHARED: Final = ("", "", "")
_NEAR: Final = 1_024

Key = tuple[str, str, str]
"""Model, tenant and layer."""

LEAST: Final = 1e-6


class _Stratum:
    __slots__ = ("budget", "drawn", "key", "minute", "probability", "seen")

    def __init__(self, key: Key, minute: int, budget: float) -> None:
        self.key = key
        self.minute = minute
        self.budget = budget
        self.probability = 1.0
        self.drawn = 0
        self.seen = 0


class RateSampler:
    """Decides which calls are sampled."""

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._strata: dict[Key, _Stratum] = {}
        self._near: list[_Stratum | None] = [None] * _NEAR
        self._minute = 0
        self._room_made = -1

    def draw(self, call: Call, now: float) -> float | None:
        """The probability with which this call was drawn, or None if it was not. `now` is in Unix seconds."""
        if not 0.0 <= now - self._minute * MINUTE < MINUTE:
            self._minute = int(now // MINUTE)
        state = self._of(call)
        state.seen += 1
        probability = state.probability
        if probability < 1.0 and position(call.trace_high, call.trace_low) >= probability:
            return None
        state.drawn += 1
        if state.drawn >= state.budget:
            state.probability = max(LEAST, state.probability / 2)
            state.budget += self._per_minute / 2
        return probability

    def _of(self, call: Call) -> _Stratum:
        """The call's stratum, this minute; most are found by their labels' hash, without a look into the table."""
        slot = spread(call.label_fingerprint) & (_NEAR - 1)
        model = call.model or ""
        near = self._near[slot]
        if near is not None and near.minute == self._minute:
            known = near.key
            if known[0] == model and known[1] == call.tenant and known[2] == call.layer:
                return near
        near = self._state((model, call.tenant, call.layer), self._minute)
        self._near[slot] = near
        return near

    def _state(self, stratum: Key, minute: int) -> _Stratum:
        state = self._strata.get(stratum)
        if state is None and len(self._strata) >= MAX_STRATA:
            self._make_room(minute)
            if len(self._strata) >= MAX_STRATA:
                stratum = _SHARED
                state = self._strata.get(stratum)
        if state is None:
            state = self._strata[stratum] = _Stratum(stratum, minute, self._per_minute)
        elif state.minute != minute:
            seen = state.seen if minute == state.minute + 1 else 0
            state.probability = min(1.0, max(LEAST, self._per_minute / seen)) if seen else 1.0
            state.minute, state.drawn, state.seen, state.budget = minute, 0, 0, self._per_minute
        return state

    def _make_room(self, minute: int) -> None:
        """Forget strata without calls lately, at most once a minute."""
        if self._room_made != minute:
            self._room_made = minute
            self._strata = {
                stratum: state for stratum, state in self._strata.items() if state.minute > minute - IDLE_MINUTES
            }


def position(trace_high: i64, trace_low: i64) -> float:
    """Where a trace falls in [0, 1), by a hash of its whole id."""
    first = spread(trace_low) ^ (trace_low >> 33)
    second = spread(first ^ trace_high) ^ (trace_high >> 33)
    third = spread(second ^ (first >> 11))
    return float(spread(third ^ (second << 7)) & 0xFFFFFFFF) / 4294967296.0
