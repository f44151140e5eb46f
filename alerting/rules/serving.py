"""The service itself, seen through its traces: errors, calls given up, and whether traces still arrive."""

from __future__ import annotations

from typing import Final

from alerting.rules import objectives
from alerting.rules.objectives import Objectives
from alerting.rules.rule import Rule, selector
from alerting.rules.sli import braces, counted, requests, seen_by
from telltale.settings import Settings

ERROR_RATIO: Final = 0.05
ABORTED_RATIO: Final = 0.5
LEAST_ABORTED: Final = 50
_OWN: Final = 'model={{ $labels.model | printf "%q" }},layer={{ $labels.layer | printf "%q" }}'


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Layers are kept apart: the same request is often traced by client, gateway and server.

    Raises SettingsError for a file of objectives that cannot be used.
    """
    found = objectives.of(settings)
    return (_errors(found), _aborted(found), *_collector())


def _errors(found: Objectives) -> Rule:
    """What no burn rate sees in time: errors of the last minutes, whatever was promised over hours."""
    layer = seen_by(found.layer)
    all_calls, failed = counted(found.aborted == "failed")
    calls, errors = (f"sum by (model, layer) ({requests(status, layer)})" for status in (all_calls, failed))
    return Rule(
        name="LlmErrorRatioHigh",
        severity="page",
        lane="ops",
        component="serving",
        # A few failed calls are no news, however large a share of a quiet model's they are.
        expr=f"{errors} / {calls} > {ERROR_RATIO}\nand {errors} >= {found.least_bad}",
        hold_s=120.0,
        keep_s=300.0,
        summary="{{ $value | humanizePercentage }} of the calls to {{ $labels.model }} fail",
        description=(
            "Over the last 5 minutes {{ $value | humanizePercentage }} of the calls to {{ $labels.model }} "
            + ("failed or were given up by the caller" if found.aborted == "failed" else "ended with an error")
            + ", as the {{ $labels.layer }} saw them."
            + ("" if found.aborted == "failed" else " Calls that the caller gave up are not counted.")
        ),
        # Where hardly any call comes, no error ratio says that it is well.
        signal=f"sum(increase(telltale_requests_total{braces(all_calls, _OWN)}[5m])) >= {found.least_bad}",
    )


def _aborted(found: Objectives) -> Rule:
    layer = seen_by(found.layer)
    given_up = braces('status="aborted"', layer)
    aborted = f"sum by (model, layer) (increase(telltale_requests_total{given_up}[15m]))"
    calls = f"sum by (model, layer) (increase(telltale_requests_total{braces(layer)}[15m]))"
    return Rule(
        name="LlmAbortedRatioHigh",
        severity="ticket",
        lane="ops",
        component="serving",
        expr=f"{aborted} / {calls} > {ABORTED_RATIO}\nand {aborted} > {LEAST_ABORTED}",
        hold_s=600.0,
        keep_s=900.0,
        summary="Callers give up {{ $value | humanizePercentage }} of their calls to {{ $labels.model }}",
        description=(
            "Over the last 15 minutes callers gave up {{ $value | humanizePercentage }} of the calls to "
            "{{ $labels.model }} before they ended, as the {{ $labels.layer }} saw them. They are no errors, so that "
            "error ratios look well, and a call given up before its first token has no time to it either."
        ),
        signal=f"sum(increase(telltale_requests_total{braces(_OWN)}[15m])) > {LEAST_ABORTED}",
    )


def _collector() -> tuple[Rule, ...]:
    return (
        Rule(
            name="CollectorDown",
            severity="page",
            lane="ops",
            component="collector",
            expr='up{job="telltale-collector"} == 0',
            hold_s=120.0,
            keep_s=300.0,
            summary="The trace collector at {{ $labels.instance }} does not answer",
            description=(
                "Prometheus gets no metrics from the collector: traces are refused or lost, and samples, drift windows "
                "and error ratios stand still."
            ),
            signal=selector("up", "instance", job="telltale-collector"),
        ),
        Rule(
            name="CollectorRejecting",
            severity="ticket",
            lane="ops",
            component="collector",
            # No exporter sends by another method than POST, or to a path that is like none of ours and not as protobuf:
            # that is a probe, a scanner or a browser, and costs no call.
            expr="sum by (reason) "
            '(increase(telltale_collector_rejected_total{reason!~"method_not_allowed|probe"}[10m])) > 0',
            hold_s=300.0,
            keep_s=600.0,
            summary="The collector refuses traces: {{ $labels.reason }}",
            description=(
                "{{ $value | humanize }} requests or spans were refused in 10 minutes, reason {{ $labels.reason }}: "
                "their calls are missing in metrics and samples."
            ),
            signal=selector("telltale_collector_rejected_total", "reason"),
        ),
        Rule(
            name="CollectorSeriesFull",
            severity="ticket",
            lane="ops",
            component="collector",
            expr="sum by (instance) (increase(telltale_collector_folded_total[10m])) > 0",
            hold_s=300.0,
            keep_s=600.0,
            summary="The collector at {{ $labels.instance }} counts new models or tenants as other",
            description=(
                "{{ $value | humanize }} calls in 10 minutes had labels beyond collector.max_series and are counted "
                "as other: their errors and cost cannot be told apart, and no alert names their model."
            ),
            signal=selector("telltale_collector_folded_total", "instance"),
        ),
    )
