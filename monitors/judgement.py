"""From a statistic to a score: not enough data, no change, or a change that is both real and large enough."""

from __future__ import annotations

from collections.abc import Mapping

from telltale.records import Score, Window

HIT = "hit"


def score(
    window: Window, monitor: str, signal: str, samples: int, *,
    effect: float | None = None, threshold: float | None = None, p_value: float | None = None,
    details: Mapping[str, object] | None = None,
) -> Score:  # fmt: skip
    """A score of one window by itself; persistence over windows turns `suspect` into `alert`.

    Without an effect the state is `insufficient_data`.
    """
    hit = effect is not None and threshold is not None and effect > threshold
    return Score(
        monitor=monitor,
        signal=signal,
        direction=window.direction,
        model=window.model,
        version=window.version,
        tenant=window.tenant,
        window_start=window.start,
        window_end=window.end,
        samples=samples,
        state="insufficient_data" if effect is None else "suspect" if hit else "ok",
        effect=effect,
        threshold=threshold,
        p_value=p_value,
        details={**(details or {}), HIT: hit},
    )
