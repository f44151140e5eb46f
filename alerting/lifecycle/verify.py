"""Has a silent alert recovered, or can nobody tell? A pure decision over what Prometheus reports.

Recovered means: Prometheus evaluates the alert's rule, finds it neither pending nor firing, the signal that the rule
judges had series when it was evaluated, and as far back as the rule looks, and the monitors it depends on are seen to
run. What is not seen is unknown, never well. An alert that fell silent with its source fails the signal, unless the
monitors say that its version gets no rows any more and judge another one in its place: so it is after a roll-back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from alerting.intake import identity
from alerting.lifecycle.sources import RuleState, Versions
from alerting.lifecycle.state import Verdict
from telltale.evidence.alerts import TicketAlert
from telltale.records import Ticket

# A rule counts as evaluated while its last evaluation is at most this many intervals (and this many seconds) old.
INTERVALS = 3
GRACE_S = 10.0
NO_VERSIONS = Versions()


class Moment(NamedTuple):
    """A signal at a time."""

    signal: str
    at: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What Prometheus reports: its rules, the moments at which a signal has series, of the monitors whether they run.

    `versions` are those of the ticket's model.
    """

    rules: Sequence[RuleState] = ()
    present: Collection[Moment] = frozenset()
    running: Mapping[str, bool] | None = None
    versions: Versions = NO_VERSIONS


def verdict(ticket: Ticket, facts: Facts, now: float) -> Verdict:
    """The verdict over all alerts of a ticket."""
    if not ticket.alerts and not ticket.unreadable_alerts:
        return Verdict("blind", "the ticket has no alerts whose recovery could be verified")
    verdicts = [_of_alert(ticket, alert, facts, now) for alert in ticket.alerts.values()]
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


def moments(ticket: Ticket, rules: Sequence[RuleState], now: float) -> set[Moment]:
    """The moments that `verdict` must know about."""
    return {moment for alert in ticket.alerts.values() for moment in _moments(alert, _own(alert, rules), now)}


def _of_alert(ticket: Ticket, alert: TicketAlert, facts: Facts, now: float) -> Verdict:
    name, own = alert.name, _own(alert, facts.rules)
    if not own:
        return Verdict("blind", f"Prometheus has no rule {name}")
    if any(_is_of_ticket(active, alert) for rule in own for active in rule.active):
        return Verdict("firing", f"{name} still meets its condition")
    if not all(_is_evaluated(rule, now) for rule in own):
        return Verdict("blind", f"Prometheus does not evaluate {name}")
    if is_of_monitors(alert) and (silent := _not_running(alert.labels, facts.running or {})):
        return Verdict("blind", silent)
    needed = _moments(alert, own, now)
    if needed and needed <= set(facts.present):
        return Verdict("recovered")
    version = alert.labels.get("version")
    # The versions are those of the ticket's model; it may stand for a ticket of another one.
    is_own = alert.labels.get("model") == ticket.model
    # Where a tenant has no calls at all any more, what is judged of others' says nothing of it.
    instead = facts.versions.in_place(alert.labels.get("tenant", ""))
    if is_own and is_of_monitors(alert) and version and version in facts.versions.ended and instead:
        return Verdict("superseded", f"version {', '.join(sorted(instead))} is judged in its place")
    return Verdict("blind", f"{name}: {_unseen(alert, needed, facts.present)}")


def _own(alert: TicketAlert, rules: Sequence[RuleState]) -> list[RuleState]:
    return [rule for rule in rules if rule.name == alert.name]


def _is_of_ticket(active: Mapping[str, str], alert: TicketAlert) -> bool:
    """Whether what Prometheus finds now is this alert, or another one of its ticket: of a storm it keeps only some."""
    # On the way to Alertmanager external labels are added, so the rule's own are fewer, and others may be dropped.
    arriving = {name: value for name, value in active.items() if name in alert.labels}
    own = identity.key(alert.labels)
    return any(identity.key({**alert.labels, **labels}) == own for labels in (active, arriving))


def _is_evaluated(rule: RuleState, now: float) -> bool:
    # Far ahead, it was evaluated by another clock: nobody knows when.
    return rule.healthy and abs(now - rule.evaluated_at) <= INTERVALS * rule.interval_s + GRACE_S


def _moments(alert: TicketAlert, own: Sequence[RuleState], now: float) -> set[Moment]:
    if not alert.signal or not own or not all(_is_evaluated(rule, now) for rule in own):
        return set()
    last, reach = min(rule.evaluated_at for rule in own), max(rule.lookback_s for rule in own)
    return {Moment(alert.signal, last), Moment(alert.signal, last - reach)}


def _unseen(alert: TicketAlert, needed: set[Moment], present: Collection[Moment]) -> str:
    if not needed:
        return "it names no series that it judges"
    missing = max(needed.difference(present), key=lambda moment: moment.at)
    if missing.at < max(moment.at for moment in needed):
        return f"the series it judges is younger than what the rule looks back on: {alert.signal}"
    return f"the series it judges is gone: {alert.signal}"


def _not_running(labels: Mapping[str, str], running: Mapping[str, bool]) -> str | None:
    """Of the monitors that this alert depends on, what keeps them from being known to run."""
    own = labels.get("monitor")
    needed = [own] if own else sorted(running)
    if not needed:
        return "no monitor says that it runs"
    silent = [name for name in needed if not running.get(name, False)]
    return f"monitor {silent[0]} has finished no run for too long" if silent else None
