"""Tickets: how many there are, and the way from Alertmanager to them."""

from __future__ import annotations

from telltale.catalogue.metric import Metric

TICKETS = (
    Metric("telltale_tickets", "gauge", "", ("lane", "state"), "Tickets by lane and state."),
    Metric(
        "telltale_webhook_notifications_total",
        "counter",
        "",
        ("outcome",),
        "Notifications from Alertmanager, by what became of them.",
    ),
    Metric(
        "telltale_alerts_refused_total",
        "counter",
        "",
        ("reason",),
        "Alerts that were left out of a notification or of Alertmanager's list, by the field at fault.",
    ),
    Metric(
        "telltale_alerts_cut_total",
        "counter",
        "",
        ("field",),
        "Labels and annotations of alerts that were cut or left out because they were too long, too many or no text.",
    ),
    Metric(
        "telltale_ticket_reconcile_last_success_timestamp_seconds",
        "gauge",
        "seconds",
        (),
        "Last time the tickets were compared with Alertmanager and Prometheus.",
    ),
    Metric(
        "telltale_ticket_outbox_oldest_age_seconds",
        "gauge",
        "seconds",
        ("tracker",),
        "Age of the oldest ticket change that its tracker has not taken yet; 0 when none waits.",
    ),
    Metric(
        "telltale_ticket_outbox_failed",
        "gauge",
        "",
        ("tracker",),
        "Ticket changes that the tracker refused for good.",
    ),
)
