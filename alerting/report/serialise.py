"""Tickets as JSON."""

from __future__ import annotations

from dataclasses import asdict

from alerting.report.explained import public
from alerting.report.series import Series
from alerting.report.summary import Summary
from alerting.report.ticket_report import TicketReport
from telltale.evidence.alerts import TicketAlert
from telltale.evidence.codec import dump
from telltale.evidence.scores import dump_details, trust
from telltale.records import Ticket


def brief(ticket: Ticket, web_url: str) -> dict[str, object]:
    """A ticket as one row."""
    fields = ("id", "lane", "model", "version", "title", "state", "episode")
    times = ("opened_at", "updated_at", "closed_at", "close_reason", "verified_since")
    work = ("severity", "assignee", "acknowledged_by", "acknowledged_at", "snoozed_until", "merged_into")
    return {
        **{name: getattr(ticket, name) for name in (*fields, *times, *work)},
        "labels": list(ticket.labels),
        "name": f"T-{ticket.id}",
        "url": f"{web_url}/tickets/{ticket.id}",
    }


def as_json(report: TicketReport, summary: Summary, web_url: str, may_read: bool) -> dict[str, object]:
    """A ticket with its evidence; prompts and responses only for those who may read them."""
    ticket, impact = report.ticket, report.impact
    return {
        **brief(ticket, web_url),
        "since": report.since,
        "sentence": summary.sentence,
        "facts": [asdict(fact) for fact in summary.facts],
        "owner": report.owner,
        "impact": asdict(impact) | {"share": impact.share} if impact else None,
        "deploys": asdict(report.deploys),
        "linked": [other.id for other in report.linked],
        "merged": [other.id for other in report.merged],
        "alerts": [_alert(alert) for alert in ticket.alerts.values()],
        "events": [
            {"at": event.at, "kind": event.kind, "actor": event.actor, "details": dict(event.details)}
            for event in report.events
        ],
        "more_events": report.more_events,
        "series": [_series(series, web_url, may_read) for series in report.series],
        "more_series": report.more_series,
        "export_command": report.export_command,
    }


def _alert(alert: TicketAlert) -> dict[str, object]:
    return {name: value for name, value in dump(TicketAlert, alert).items() if name not in ("key", "received_at")}


def _series(series: Series, web_url: str, may_read: bool) -> dict[str, object]:
    judged, report = series.judged, series.report
    names = ("monitor", "signal", "direction", "tenant", "segment", "version", "state", "since")
    numbers = ("effect", "threshold", "p_value", "samples", "window_start", "window_end")
    table: dict[str, object] = {
        **{name: getattr(judged, name) for name in (*names, *numbers)},
        "score_id": judged.id,
        **trust(judged.details),
        "alarming": series.alarming,
        "finding": dump_details(judged.details)["finding"],
        "history": [
            {"end": score.window_end, "effect": score.effect, "threshold": score.threshold, "state": score.state}
            for score in series.history
        ],
        "report": f"{web_url}/evidence/{report.evidence_id}" if report else None,
    }
    stored = dump_details(judged.details)["explanation"]
    explained = judged.details.explanation
    table["explanation"] = stored if may_read or explained is None else public(explained, stored)
    if may_read:
        table["examples"] = {
            "current": [{"trace_id": s.trace_id, "prompt": s.prompt, "response": s.response} for s in series.current],
            "reference": list(series.reference),
        }
    return table
