"""Telltale itself: parts that are down, and links of the chain from rule to ticket that fail."""

from __future__ import annotations

from alerting.rules.rule import Rule, selector
from telltale.settings import Settings

RECONCILES_MISSED = 5
LEAST_STALE_S = 900.0
TARGETS_LEFT = 0.8


def rules(settings: Settings) -> tuple[Rule, ...]:
    """The chain's own health; the watchdog always fires, so that its silence can be noticed from outside."""
    stale = max(LEAST_STALE_S, RECONCILES_MISSED * settings.tickets.reconcile)
    return (
        Rule(
            name="TelltalePartDown",
            severity="ticket",
            lane="ops",
            component="stack",
            expr='up{job=~"telltale-(monitor|web|tickets)"} == 0',
            hold_s=180.0,
            keep_s=300.0,
            summary="{{ $labels.job }} at {{ $labels.instance }} does not answer",
            description=(
                "Prometheus gets no metrics from {{ $labels.job }}: monitors see no drift, the web takes no feedback, "
                "or no ticket is opened, depending on which it is."
            ),
            signal=selector("up", "job", "instance"),
        ),
        Rule(
            name="TicketReconcileStale",
            severity="ticket",
            lane="ops",
            component="stack",
            expr=f"time() - max(telltale_ticket_reconcile_last_success_timestamp_seconds) > {stale:.0f}",
            hold_s=300.0,
            summary="Tickets were not compared with Prometheus for {{ $value | humanizeDuration }}",
            description=(
                "The tracker cannot reach Alertmanager or Prometheus, or cannot write its store: lost notifications "
                "are not made up for, and no ticket closes."
            ),
            signal="telltale_ticket_reconcile_last_success_timestamp_seconds",
        ),
        Rule(
            name="TicketOutboxStuck",
            severity="ticket",
            lane="ops",
            component="stack",
            expr="max by (tracker) (telltale_ticket_outbox_oldest_age_seconds) > 600",
            hold_s=300.0,
            summary="A ticket change has waited {{ $value | humanizeDuration }} for {{ $labels.tracker }}",
            description=(
                "{{ $labels.tracker }} does not accept changes of tickets: what it shows is out of date. Nothing is "
                "lost, and each change is tried again until it is accepted."
            ),
            signal=selector("telltale_ticket_outbox_oldest_age_seconds", "tracker"),
        ),
        Rule(
            name="TicketChangeRefused",
            severity="ticket",
            lane="ops",
            component="stack",
            expr="max by (tracker) (delta(telltale_ticket_outbox_failed[15m])) > 0",
            summary="{{ $labels.tracker }} refused a ticket change for good",
            description=(
                "The change is not tried again, so {{ $labels.tracker }} shows something else than the ticket. The "
                "log of `telltale tickets` says why; the ticket's later changes are still delivered."
            ),
            signal=selector("telltale_ticket_outbox_failed", "tracker"),
        ),
        Rule(
            name="AlertmanagerNotificationsFailing",
            severity="page",
            lane="ops",
            component="stack",
            expr=(
                "sum by (instance, integration) (rate(alertmanager_notifications_failed_total[15m]))\n"
                "  / sum by (instance, integration) (rate(alertmanager_notifications_total[15m])) > 0.01"
            ),
            hold_s=300.0,
            summary="Alertmanager cannot deliver by {{ $labels.integration }}",
            description=(
                "{{ $value | humanizePercentage }} of the notifications by {{ $labels.integration }} failed in 15 "
                "minutes. Until it works, tickets are opened by the tracker's own comparison only."
            ),
            # While none is sent, nobody knows whether it would arrive.
            signal=f"increase({selector('alertmanager_notifications_total', 'instance', 'integration')}[15m]) > 0",
        ),
        Rule(
            name="RuleEvaluationFailing",
            severity="ticket",
            lane="ops",
            component="stack",
            expr="sum by (instance, rule_group) (increase(prometheus_rule_evaluation_failures_total[5m])) > 0",
            keep_s=900.0,
            summary="Prometheus cannot evaluate rules of {{ $labels.rule_group }}",
            description="A rule that fails cannot fire. Prometheus' page of rules shows its error.",
            signal=selector("prometheus_rule_evaluation_failures_total", "instance", "rule_group"),
        ),
        Rule(
            name="RuleEvaluationSlow",
            severity="ticket",
            lane="ops",
            component="stack",
            expr=(
                "max by (instance, rule_group) (prometheus_rule_group_last_duration_seconds)\n"
                "  > max by (instance, rule_group) (prometheus_rule_group_interval_seconds)"
            ),
            hold_s=300.0,
            summary="Prometheus needs {{ $value | humanizeDuration }} for the rules of {{ $labels.rule_group }}",
            description=(
                "That is longer than the time between two evaluations: rounds are left out, alerts come late, and "
                "recorded series have gaps."
            ),
            signal=selector("prometheus_rule_group_last_duration_seconds", "instance", "rule_group"),
        ),
        Rule(
            name="PrometheusNotConnectedToAlertmanager",
            severity="page",
            lane="ops",
            component="stack",
            expr="max by (instance) (max_over_time(prometheus_notifications_alertmanagers_discovered[5m])) == 0",
            hold_s=600.0,
            summary="The Prometheus at {{ $labels.instance }} knows no Alertmanager",
            description=(
                "No alert of it reaches anybody. Tickets are still opened by the tracker's own comparison with "
                "Prometheus; nobody is called."
            ),
            signal=selector("prometheus_notifications_alertmanagers_discovered", "instance"),
        ),
        Rule(
            name="PrometheusNotificationsDropped",
            severity="ticket",
            lane="ops",
            component="stack",
            expr="sum by (instance) (increase(prometheus_notifications_dropped_total[10m])) > 0",
            hold_s=300.0,
            keep_s=900.0,
            summary="The Prometheus at {{ $labels.instance }} drops notifications",
            description=(
                "{{ $value | humanize }} notifications did not reach Alertmanager in 10 minutes. It sends those of "
                "firing alerts again; news of what ended meanwhile is lost."
            ),
            signal=selector("prometheus_notifications_dropped_total", "instance"),
        ),
        Rule(
            name="ScrapeTargetsDropping",
            severity="info",
            lane="ops",
            component="stack",
            expr=(f"count by (job) (up) < {TARGETS_LEFT} * max_over_time(count by (job) (up)[6h:5m])"),
            hold_s=1800.0,
            summary="Prometheus finds only {{ $value }} targets of job {{ $labels.job }}",
            description=(
                "A fifth or more of the targets that job {{ $labels.job }} had in the last 6 hours is gone. What "
                "discovery does not find is not scraped, and no rule says that it is down."
            ),
            signal=selector("up", "job"),
        ),
        Rule(
            name="OtelCollectorExportFailing",
            severity="ticket",
            lane="ops",
            component="stack",
            # Releases before 0.120 or so leave out _total.
            expr=(
                "sum by (instance, exporter) (\n"
                "  rate(otelcol_exporter_send_failed_spans_total[5m]) or rate(otelcol_exporter_send_failed_spans[5m])\n"
                ") > 0"
            ),
            hold_s=600.0,
            keep_s=300.0,
            summary="The OpenTelemetry Collector at {{ $labels.instance }} cannot deliver by {{ $labels.exporter }}",
            description=(
                "{{ $value | humanize }} spans a second are lost or held back on their way: calls are missing in "
                "metrics and samples."
            ),
            signal=selector("otelcol_exporter_sent_spans_total", "instance", "exporter")
            + " or "
            + selector("otelcol_exporter_sent_spans", "instance", "exporter"),
        ),
        Rule(
            name="Watchdog",
            severity="info",
            lane="none",
            component="stack",
            expr="vector(1)",
            summary="The chain from Prometheus to Alertmanager works",
            description="Always fires. When it stops to arrive somewhere, the chain up to there is broken.",
            signal="vector(1)",
        ),
    )
