"""From a statistic to a score: no change, or a change that is both real and large enough."""

from __future__ import annotations

from monitors.rows import Comparison
from telltale.evidence.scores import Details, Examples, Finding, Interval
from telltale.records import Score


def score(
    comparison: Comparison, monitor: str, signal: str, samples: int, *,
    effect: float, threshold: float, p_value: float, finding: Finding | None = None, shown: tuple[int, ...] = (),
    interval: Interval | None = None,
) -> Score:  # fmt: skip
    """A score of one window by itself; persistence over windows turns `suspect` into `alert`.

    `shown` are the places of the window's rows that show the change best; without them any will do.
    """
    series = comparison.series
    return Score(
        monitor=monitor,
        signal=signal,
        direction=comparison.direction,
        model=series.model,
        version=series.version,
        tenant=series.tenant,
        segment=series.segment,
        window_start=comparison.start,
        window_end=comparison.end,
        samples=samples,
        state="suspect" if effect > threshold else "ok",
        effect=effect,
        threshold=threshold,
        p_value=p_value,
        details=Details(finding=finding, examples=Examples(shown) if shown else None, interval=interval),
    )


def is_hit(score: Score) -> bool:
    """Whether this window by itself exceeds the threshold."""
    return score.effect is not None and score.threshold is not None and score.effect > score.threshold
