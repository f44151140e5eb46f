"""Traffic that is not what it was at the same time of other days."""

from __future__ import annotations

from typing import Final

from alerting.rules.rule import Record, Rule, selector
from telltale.settings import Settings

CALLS: Final = "model_layer:telltale_calls:increase10m"
USUAL: Final = "model_layer:telltale_usual_calls:increase10m"
# Where fewer calls than these are usual, chance alone moves them much.
USUAL_LEAST: Final = 300
SPIKE_LEAST: Final = 600
DROP: Final = 0.2
SPIKE: Final = 4
ABOVE_ALL: Final = 1.5

RECORDS: Final = (
    Record(CALLS, "sum by (model, layer) (increase(telltale_requests_total[10m]))"),
    # The fewer of two: a holiday, a weekend and yesterday's load test are each the exception of one of them.
    Record(
        USUAL,
        f"({CALLS} offset 1d < {CALLS} offset 1w)\nor ({CALLS} offset 1w and {CALLS} offset 1d)",
    ),
)


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Compared with the same ten minutes of yesterday and a week ago, because traffic has its hours and days."""
    return (_drop(), _spike())


def _drop() -> Rule:
    # After a restart of the collector a model that nobody calls has no series. While a collector is down nobody knows
    # how many calls there are, and what comes back has filled ten minutes before the hold is over.
    is_watched = 'and on () min(up{job="telltale-collector"}) == 1'
    return Rule(
        name="LlmTrafficDrop",
        severity="page",
        lane="ops",
        component="serving",
        # In its first week a model's weekend is not known: only silence counts.
        expr=(
            f"(({CALLS} or 0 * {USUAL}) < {DROP} * {USUAL}\n"
            f"and {USUAL} > {USUAL_LEAST}\n"
            f"or ({CALLS} or 0 * {CALLS} offset 1d) == 0\n"
            f"and {CALLS} offset 1d > {USUAL_LEAST}\n"
            f"unless {CALLS} offset 1w)\n"
            f"{is_watched}"
        ),
        hold_s=600.0,
        keep_s=600.0,
        summary="Calls to {{ $labels.model }} have nearly stopped",
        description=(
            "{{ $value | humanize }} calls to {{ $labels.model }} ended in 10 minutes, as the {{ $labels.layer }} saw "
            f"them: less than {DROP:.0%} of what is usual at this time, by yesterday and a week ago. Calls that hang "
            "are not seen before they end."
        ),
        signal=f"{selector(CALLS, 'model', 'layer')} > 0",
    )


def _spike() -> Rule:
    return Rule(
        name="LlmTrafficSpike",
        severity="ticket",
        lane="ops",
        component="serving",
        # Monday is no spike after a quiet Sunday: it must also be more than ever in the week before.
        expr=(
            f"{CALLS} > {SPIKE} * {CALLS} offset 1d\n"
            f"and {CALLS} > {ABOVE_ALL} * max_over_time({CALLS}[6d:30m] offset 1d)\n"
            f"and {CALLS} > {SPIKE_LEAST}"
        ),
        hold_s=900.0,
        keep_s=1800.0,
        summary="{{ $labels.model }} gets many more calls than ever in the last week",
        description=(
            "{{ $value | humanize }} calls to {{ $labels.model }} in 10 minutes, as the {{ $labels.layer }} saw them: "
            f"more than {SPIKE} times as many as yesterday at this time, and more than at any time of the week before."
        ),
        signal=selector(CALLS, "model", "layer"),
    )
