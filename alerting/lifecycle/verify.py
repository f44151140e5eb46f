"""Has a silent alert recovered, or can nobody tell? A pure decision over what Prometheus reports.

Recovered means: Prometheus evaluates the alert's rule, finds it neither pending nor firing, and the signal that the
rule judges has series now. An alert that fell silent with its source fails the last, unless the monitors judge another
version of the same model in its place: after a roll-back no rows of the bad version come any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from alerting.intake import identity
from alerting.lifecycle.sources import RuleState, Versions
from alerting.lifecycle.state import Verdict
from telltale.evidence.alerts import TicketAlert
from telltale.records import Ticket

STALE_RULE = "ModelMonitorStale"
# A rule counts as evaluated while its last evaluation is at most this many intervals (and this many seconds) old.
INTERVALS = 3
GRACE_S = 10.0


def verdict(
    ticket: Ticket, rules: Sequence[RuleState], present: Mapping[str, bool], versions: Versions, now: float
) -> Verdict:
    """The verdict over all alerts of a ticket.

    `present` says of each signal whether it has series now; `versions` are those of the ticket's model.
    """
    verdicts = [_of_alert(alert, rules, present, versions, now) for alert in ticket.alerts.values()]
    if ticket.unreadable_alerts:
        verdicts.append(Verdict("blind", f"{len(ticket.unreadable_alerts)} alerts in the store cannot be read"))
    for kind in ("firing", "blind", "superseded"):
        for found in verdicts:
            if found.kind == kind:
                return found
    return Verdict("recovered")


def is_of_monitors(alert: TicketAlert) -> bool:
    """Whether the alert is about what the monitors say of a model."""
    return alert.labels.get("component") == "model"


def signals(alerts: Iterable[TicketAlert]) -> set[str]:
    """The signals that `verdict` must know about."""
    return {alert.signal for alert in alerts if alert.signal}


def _of_alert(
    alert: TicketAlert, rules: Sequence[RuleState], present: Mapping[str, bool], versions: Versions, now: float
) -> Verdict:
    name = alert.name
    own = [rule for rule in rules if rule.name == name]
    if not own:
        return Verdict("blind", f"Prometheus has no rule {name}")
    if any(_is_of_ticket(active, alert) for rule in own for active in rule.active):
        return Verdict("firing", f"{name} still meets its condition")
    if not all(_is_evaluated(rule, now) for rule in own):
        return Verdict("blind", f"Prometheus does not evaluate {name}")
    is_model = is_of_monitors(alert)
    if is_model and (monitor := _stale_monitor(alert.labels, rules)):
        return Verdict("blind", f"monitor {monitor} has finished no run for too long")
    if present.get(alert.signal, False):
        return Verdict("recovered")
    version = alert.labels.get("version")
    if is_model and version and versions.judged and version not in versions.served:
        return Verdict("superseded", f"version {', '.join(sorted(versions.judged))} is judged in its place")
    return Verdict("blind", f"{name}: the series it judges is gone: {alert.signal or 'it names none'}")


def _is_of_ticket(active: Mapping[str, str], alert: TicketAlert) -> bool:
    """Whether what Prometheus finds now is this alert, or another one of its ticket: of a storm it keeps only some."""
    # External labels are added on the way to Alertmanager, so the rule's own labels are fewer.
    return identity.key({**alert.labels, **active}) == identity.key(alert.labels)


def _is_evaluated(rule: RuleState, now: float) -> bool:
    return rule.healthy and now - rule.evaluated_at <= INTERVALS * rule.interval_s + GRACE_S


def _stale_monitor(labels: Mapping[str, str], rules: Sequence[RuleState]) -> str | None:
    """The monitor that went stale, of those that this alert depends on."""
    stale = [active.get("monitor", "?") for rule in rules if rule.name == STALE_RULE for active in rule.active]
    own = labels.get("monitor")
    return next((name for name in stale if own is None or name == own), None)
