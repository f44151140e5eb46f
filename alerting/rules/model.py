"""Models that change: drift, feedback, and what the people who run services must see."""

from __future__ import annotations

from collections.abc import Mapping

from alerting.rules.rule import Rule, selector
from telltale.records import Direction
from telltale.settings import Settings

SERIES = ("model", "version", "tenant", "segment")
"""Whose traffic is judged; a label that is empty says that nothing is told apart by it."""
ALL = ("monitor", "signal", "direction", *SERIES)
JUDGED = "ok|suspect|alert"
"""The states in which a monitor says something of a series."""
ADDED_UP: Mapping[str, Direction] = {"NegativeFeedbackHigh": "feedback"}
"""Rules that add up the series of one direction, so that their alerts name neither monitor nor signal."""

TENANT = "{{ if $labels.tenant }}, tenant {{ $labels.tenant }}{{ end }}"
SEGMENT = "{{ if $labels.segment }}, {{ $labels.segment }}{{ end }}"
_PART = "{{ $labels.model }}" + TENANT + SEGMENT
_VERSION = "{{ $labels.model }}, version {{ $labels.version }}" + TENANT + SEGMENT


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Monitors judge windows against calibrated thresholds and ask for persistence; rules add only hold and keep."""
    return (_drift(settings), _feedback(settings), _retrain(settings), _anomaly(settings))


def _drift(settings: Settings) -> Rule:
    return Rule(
        name="ModelDriftPersistent",
        severity="ticket",
        lane="retrain",
        component="model",
        expr=_in_alert(ALL, 'lane="retrain",direction!="feedback"'),
        hold_s=settings.alerts.hold,
        keep_s=settings.alerts.keep,
        summary="{{ $labels.monitor }} drift of {{ $labels.direction }}s of " + _PART,
        description=(
            "Monitor {{ $labels.monitor }} ({{ $labels.signal }}) sees {{ $labels.direction }}s of " + _VERSION + " "
            "differ from the reference beyond its calibrated threshold, in enough windows in a row to rule out noise."
        ),
        signal=_judged(*ALL),
    )


def _feedback(settings: Settings) -> Rule:
    return Rule(
        name="NegativeFeedbackHigh",
        severity="ticket",
        lane="retrain",
        component="model",
        expr=_in_alert(SERIES, 'lane="retrain",direction="feedback"'),
        hold_s=settings.alerts.hold,
        keep_s=settings.alerts.keep,
        summary="More negative feedback on " + _PART,
        description=(
            "People vote against responses of " + _VERSION + ", more often than they did in the reference, beyond what "
            "chance explains."
        ),
        signal=_judged(*SERIES, direction="feedback"),
    )


def _retrain(settings: Settings) -> Rule:
    by = ", ".join(SERIES)
    return Rule(
        name="ModelRetrainRecommended",
        severity="ticket",
        lane="retrain",
        component="model",
        # Of the same traffic: one tenant's votes say nothing of another's drift. Both alerts have waited their hold
        # already, so this one needs none of its own.
        expr=(
            f"count by ({by}) (\n"
            '  ALERTS{alertname="ModelDriftPersistent",alertstate="firing"}\n'
            ")\n"
            f"and on ({by}) count by ({by}) (\n"
            '  ALERTS{alertname="NegativeFeedbackHigh",alertstate="firing"}\n'
            ")"
        ),
        keep_s=settings.alerts.keep,
        summary="Retraining recommended: " + _PART + " drifts and its users notice",
        description=(
            _VERSION + ": {{ $value }} drift alerts fire together with a rise of negative feedback. Prompts or "
            "responses moved, and people like the responses less."
        ),
        signal=_judged(*SERIES, lane="retrain"),
    )


def _anomaly(settings: Settings) -> Rule:
    return Rule(
        name="ModelAnomalyPersistent",
        severity="ticket",
        lane="ops",
        component="model",
        expr=_in_alert(ALL, 'lane="ops"'),
        hold_s=settings.alerts.hold,
        keep_s=settings.alerts.keep,
        summary="{{ $labels.monitor }} ({{ $labels.signal }}) of " + _PART + " has changed",
        description=(
            "Monitor {{ $labels.monitor }} ({{ $labels.signal }}) sees {{ $labels.direction }}s of " + _VERSION + " "
            "differ from the reference beyond its calibrated threshold, in enough windows in a row to rule out noise. "
            "Training does not help against it: it is for the people who run the service."
        ),
        signal=_judged(*ALL),
    )


def _in_alert(by: tuple[str, ...], which: str) -> str:
    # The monitors' own persistence decides; `max` drops the target's labels, which move with every restart.
    return f'max by ({", ".join(by)}) (telltale_monitor_state{{state="alert",{which}}}) == 1'


def _judged(*labels: str, **fixed: str) -> str:
    # A series that waits for rows has not recovered, and its last effect is still reported.
    return selector("telltale_monitor_state", *labels, **fixed).removesuffix("}") + f',state=~"{JUDGED}"}} == 1'
