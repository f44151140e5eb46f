"""The monitors themselves: those that do not run, and series that they never come to judge."""

from __future__ import annotations

from alerting.rules.model import JUDGED, SEGMENT, TENANT
from alerting.rules.rule import Rule, selector
from telltale.settings import Settings

DAY_S = 86400.0
STALE_RUNS = 3
# What a monitor judges, whichever version serves it: a new version takes its time, and the one before it is judged.
LABELS = ("monitor", "direction", "model", "tenant", "segment")
WAITING = "no_reference|gathering|not_enough_data"
_STATES = (
    "{{ with printf `max by (state) (telltale_monitor_state"
    '{monitor=%q,direction=%q,model=%q,tenant=%q,segment=%q,state!="stale"} == 1)` '
    "$labels.monitor $labels.direction $labels.model $labels.tenant $labels.segment | query }}"
    "{{ range $place, $found := . }}{{ if $place }}, {{ end }}{{ $found.Labels.state | reReplaceAll `_` ` ` }}{{ end }}"
    "{{ end }}"
)


def rules(settings: Settings) -> tuple[Rule, ...]:
    """A monitor that says nothing looks like one that finds nothing: both have to be told apart."""
    by = ", ".join(LABELS)
    return (
        Rule(
            name="ModelMonitorStale",
            severity="ticket",
            lane="ops",
            component="model",
            expr=(
                "time() - max by (monitor) (telltale_monitor_last_success_timestamp_seconds)\n"
                f"  > {STALE_RUNS} * max by (monitor) (telltale_monitor_interval_seconds)\n"
                # One that finished no run since it started has no time of the last one.
                "or max by (monitor) (telltale_monitor_interval_seconds)\n"
                "  unless max by (monitor) (telltale_monitor_last_success_timestamp_seconds)"
            ),
            hold_s=300.0,
            summary="Monitor {{ $labels.monitor }} is blind",
            description=(
                "Monitor {{ $labels.monitor }} finished no run for "
                f"more than {STALE_RUNS} of its intervals, or none since it started: no drift can be seen, and no "
                "retraining ticket is closed."
            ),
            signal=selector("telltale_monitor_last_success_timestamp_seconds", "monitor"),
        ),
        Rule(
            name="ModelNotJudged",
            severity="ticket",
            lane="ops",
            component="model",
            # Where no rows come any more, nothing is to be judged: `stale` is left out.
            expr=(
                f'max by ({by}) (telltale_monitor_state{{state=~"{WAITING}"}}) == 1\n'
                f'unless max by ({by}) (telltale_monitor_state{{state=~"{JUDGED}"}}) == 1'
            ),
            # The first reference takes its span, and the first windows after it a while.
            hold_s=settings.monitor.reference_span + DAY_S,
            # What is missing is missing of all tenants and segments alike, or their traffic is split too finely.
            ticket_by=("model", "monitor"),
            summary=(
                "{{ $labels.model }}" + TENANT + SEGMENT + ": {{ $labels.direction }}s are not judged by "
                "{{ $labels.monitor }} (" + _STATES + ")"
            ),
            description=(
                "Calls or votes come, but monitor {{ $labels.monitor }} judges no version of {{ $labels.model }}"
                + TENANT
                + SEGMENT
                + ": a change of its {{ $labels.direction }}s would not be seen. The first page of Telltale "
                "says for each series what is missing."
            ),
            signal=selector("telltale_monitor_state", *LABELS).removesuffix("}") + f',state=~"{JUDGED}"}} == 1',
        ),
    )
