"""The service itself, seen through its traces: errors, and whether traces still arrive."""

from __future__ import annotations

from alerting.rules.rule import Rule, selector
from telltale.settings import Settings

ERROR_RATIO = 0.05
MIN_CALLS = 50


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Layers are kept apart: the same request is often traced by client, gateway and server."""
    return (
        Rule(
            name="LlmErrorRatioHigh",
            severity="page",
            lane="ops",
            component="serving",
            # A few calls with one error are no news, hence the least number of calls.
            expr=(
                'sum by (model, layer) (rate(telltale_requests_total{status="error"}[5m]))\n'
                "  / sum by (model, layer) (rate(telltale_requests_total[5m])) "
                f"> {ERROR_RATIO}\n"
                f"and sum by (model, layer) (increase(telltale_requests_total[5m])) > {MIN_CALLS}"
            ),
            hold_s=120.0,
            keep_s=300.0,
            summary="{{ $value | humanizePercentage }} of the calls to {{ $labels.model }} fail",
            description=(
                "Over the last 5 minutes {{ $value | humanizePercentage }} of the calls to {{ $labels.model }} ended "
                "with an error, as the {{ $labels.layer }} saw them. Calls that the caller gave up are not counted."
            ),
            # Where hardly any call comes, no error ratio says that it is well.
            signal=f"sum(increase({selector('telltale_requests_total', 'model', 'layer')}[5m])) > {MIN_CALLS}",
        ),
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
