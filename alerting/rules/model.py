"""Models that change: drift, feedback, and the monitors that would see it."""

from __future__ import annotations

from collections.abc import Mapping

from alerting.rules.rule import Rule, selector
from telltale.records import Direction
from telltale.settings import Settings

SERIES = ("monitor", "signal", "direction", "model", "version", "tenant")
STALE_RUNS = 3
ADDED_UP: Mapping[str, Direction] = {"NegativeFeedbackHigh": "feedback"}
"""Rules that add up the series of one direction, so that their alerts name neither monitor nor signal."""


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Monitors judge windows against calibrated thresholds and ask for persistence; rules add only hold and keep."""
    hold, keep = settings.alerts.hold, settings.alerts.keep
    return (
        Rule(
            name="ModelDriftPersistent",
            severity="ticket",
            lane="retrain",
            component="model",
            # The monitors' own persistence decides; `max` drops the target's labels, which move with every restart.
            expr=f'max by ({", ".join(SERIES)}) (telltale_monitor_state{{state="alert",direction!="feedback"}}) == 1',
            hold_s=hold,
            keep_s=keep,
            summary="{{ $labels.monitor }} drift of {{ $labels.direction }}s of {{ $labels.model }}",
            description=(
                "Monitor {{ $labels.monitor }} ({{ $labels.signal }}) sees {{ $labels.direction }}s of "
                "{{ $labels.model }}, version {{ $labels.version }}"
                "{{ if $labels.tenant }}, tenant {{ $labels.tenant }}{{ end }}, differ from the reference "
                "beyond its calibrated threshold, in enough windows in a row to rule out noise."
            ),
            signal=selector("telltale_monitor_effect", *SERIES),
        ),
        Rule(
            name="NegativeFeedbackHigh",
            severity="ticket",
            lane="retrain",
            component="model",
            expr='max by (model, version) (telltale_monitor_state{state="alert",direction="feedback"}) == 1',
            hold_s=hold,
            keep_s=keep,
            summary="More negative feedback on {{ $labels.model }}",
            description=(
                "People vote against responses of {{ $labels.model }}, version {{ $labels.version }}, "
                "more often than they did in the reference, beyond what chance explains."
            ),
            signal=selector("telltale_feedback_negative_ratio", "model", "version"),
        ),
        Rule(
            name="ModelRetrainRecommended",
            severity="ticket",
            lane="retrain",
            component="model",
            # Both alerts have waited their hold already, so this one needs none of its own.
            expr=(
                "count by (model, version) (\n"
                '  ALERTS{alertname="ModelDriftPersistent",alertstate="firing"}\n'
                ")\n"
                "and on (model, version) count by (model, version) (\n"
                '  ALERTS{alertname="NegativeFeedbackHigh",alertstate="firing"}\n'
                ")"
            ),
            keep_s=keep,
            summary="Retraining recommended: {{ $labels.model }} drifts and its users notice",
            description=(
                "{{ $labels.model }}, version {{ $labels.version }}: {{ $value }} drift alerts fire together with a "
                "rise of negative feedback. Prompts or responses moved, and people like the responses less."
            ),
            signal=selector("telltale_monitor_effect", "model", "version"),
        ),
        Rule(
            name="ModelMonitorStale",
            severity="ticket",
            lane="ops",
            component="model",
            expr=(
                "time() - max by (monitor) (telltale_monitor_last_success_timestamp_seconds)\n"
                f"  > {STALE_RUNS} * max by (monitor) (telltale_monitor_interval_seconds)"
            ),
            hold_s=300.0,
            summary="Monitor {{ $labels.monitor }} is blind",
            description=(
                "Monitor {{ $labels.monitor }} finished no run for {{ $value | humanizeDuration }}, "
                f"more than {STALE_RUNS} of its intervals: no drift can be seen, and no retraining ticket is closed."
            ),
            signal=selector("telltale_monitor_last_success_timestamp_seconds", "monitor"),
        ),
    )
