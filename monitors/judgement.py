"""From a statistic to a score: not enough data, no change, or a change that is both real and large enough."""

from __future__ import annotations

from dataclasses import replace

from telltale.evidence.scores import Details, Finding
from telltale.records import Score, Window


def score(
    window: Window, monitor: str, signal: str, samples: int, *,
    effect: float | None = None, threshold: float | None = None, p_value: float | None = None,
    finding: Finding | None = None,
) -> Score:  # fmt: skip
    """A score of one window by itself; persistence over windows turns `suspect` into `alert`.

    Without an effect the state is `insufficient_data`.
    """
    judged = Score(
        monitor=monitor,
        signal=signal,
        direction=window.direction,
        model=window.model,
        version=window.version,
        tenant=window.tenant,
        window_start=window.start,
        window_end=window.end,
        samples=samples,
        state="insufficient_data",
        effect=effect,
        threshold=threshold,
        p_value=p_value,
        details=Details(finding=finding),
    )
    return judged if effect is None else replace(judged, state="suspect" if is_hit(judged) else "ok")


def is_hit(score: Score) -> bool:
    """Whether this window by itself exceeds the threshold."""
    return score.effect is not None and score.threshold is not None and score.effect > score.threshold
