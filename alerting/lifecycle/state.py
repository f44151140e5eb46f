"""The life of a ticket as pure functions: what is known and what is new in, the ticket and its timeline out.

Nothing here closes a ticket because an alert was "resolved": that only says that the alert fell silent, which it also
does when its source dies. A ticket closes after recovery, or another version in its place, was observed without a
break for the hold time.

    open ⇄ recovering ⇄ blind      open: an alert fires or its condition holds; blind: nobody can say
    recovering → closed            verified for the hold time, or by a person
    closed → open                  the alert returns within the reopening window, or outlasts a person's decision
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from alerting.intake.notification import Alert
from alerting.lifecycle import closing
from alerting.lifecycle.attention import anew, gravest, rests, wake
from alerting.lifecycle.closing import CLOCK_SKEW_S
from alerting.lifecycle.storm import fold, tell
from alerting.lifecycle.title import title
from telltale.evidence.alerts import TicketAlert
from telltale.records import Ticket, TicketState
from telltale.store.tickets import TicketEvent

Alerts = Mapping[str, TicketAlert]

TELLTALE = "telltale"


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a ticket: `ticket` is None when there is none and none is needed; without id it is a new one.

    `is_recount`: only the number of its other alerts has changed, which is kept without a line in the timeline.
    """

    ticket: Ticket | None
    events: tuple[TicketEvent, ...] = ()
    is_recount: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Prometheus says of a ticket whose alerts are silent.

    `superseded`: this version is no longer judged because another one of the same model is.
    """

    kind: Literal["firing", "blind", "recovered", "superseded"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """The real state as of `at`: Alertmanager's active alerts of a ticket, and Prometheus' verdict.

    Nobody looked in between two observations that are more than `longest_break` seconds apart.
    """

    at: float
    active: tuple[Alert, ...]
    verdict: Verdict
    longest_break: float = 300.0


def receive(ticket: Ticket | None, alerts: Sequence[Alert], now: float, reopen_window: float) -> Step:
    """Apply a notification's alerts of one key. The same one again, or late, or in another order is harmless."""
    found = _merge(ticket.alerts if ticket else {}, alerts, now)
    # A notification may bring a part of them only: fewer are found by the next observation.
    return _derive_state(ticket, found, ticket.more_alerts if ticket else 0, now, reopen_window)


def observe(ticket: Ticket, observation: Observation, now: float, close_hold: float, reopen_window: float) -> Step:
    """Apply an observation: correct what notifications got wrong, then verify recovery or say that nobody can."""
    step = _derive_state(ticket, _correct(ticket, observation, now), 0, now, reopen_window)
    current = step.ticket
    if current is None or is_firing(current.alerts):
        return step
    if current.state == "closed":
        judged = _confirm(current, step.events, observation.verdict, now)
    else:
        judged = _apply_verdict(current, step.events, observation, now, close_hold)
    return replace(judged, is_recount=step.is_recount)


def close(
    ticket: Ticket, reason: str, actor: str, now: float, comment: str = "", details: Mapping[str, object] = {}
) -> Step:
    """Close by a person's decision, or by verification with `TELLTALE` as the actor."""
    closed = replace(
        ticket,
        state="closed",
        closed_at=now,
        close_reason=reason,
        updated_at=now,
        verified_since=None,
        verified_at=None,
    )
    return Step(closed, (_event("closed", now, {"reason": reason, "words": comment, **details}, actor),))


def join(ticket: Ticket, duplicate: Ticket, actor: str, now: float) -> Step:
    """What a ticket becomes that stands for a duplicate too: the duplicate's alerts are its own, none seen to be over.

    Where it rests and the duplicate does not, it is woken by what wakes people.
    """
    # No list of alerts that was read before knows that these are looked for here.
    others = {name: replace(alert, received_at=now) for name, alert in duplicate.alerts.items()}
    found = {**ticket.alerts, **others}
    for name in ticket.alerts.keys() & others.keys():
        found[name] = max(ticket.alerts[name], others[name], key=lambda alert: _recency(alert, now))
    alerts, more = fold(found)
    awake, woken = (ticket, ()) if rests(duplicate, now) else wake(ticket, found, actor, now)
    joined = replace(
        awake,
        state="open" if is_firing(alerts) else ticket.state,
        alerts=alerts,
        more_alerts=more + ticket.more_alerts + duplicate.more_alerts,
        unreadable_alerts={**duplicate.unreadable_alerts, **ticket.unreadable_alerts},
        updated_at=now,
        verified_since=None,
        verified_at=None,
    )
    return Step(_titled(joined), (_event("merged_here", now, {"other": duplicate.id}, actor), *woken))


def is_firing(alerts: Alerts) -> bool:
    return any(alert.is_firing for alert in alerts.values())


def _derive_state(ticket: Ticket | None, found: _Found, least_more: int, now: float, reopen_window: float) -> Step:
    """The state that follows from which alerts fire; at least so many more do than are found."""
    alerts, more = fold(found.alerts)
    more, firing = max(more, least_more), is_firing(alerts)
    if ticket is None:
        return _open(alerts, more, now) if firing else Step(None)
    is_back = ticket.state == "closed" and closing.reopens(ticket, found.alerts, now)
    # What opens it again is told of, kept or not.
    events = tell([event for fingerprint, event in found.changes if is_back or fingerprint in alerts])
    awake, woken = wake(ticket, found.alerts, TELLTALE, now)
    events += woken
    if not events and not is_back:
        return Step(replace(ticket, more_alerts=more), is_recount=more != ticket.more_alerts)
    changed = replace(awake, alerts=alerts, more_alerts=more, updated_at=now)
    if ticket.state == "closed":
        return _reopen(changed, events, now, reopen_window) if is_back else Step(changed, tuple(events))
    if firing:
        return Step(_titled(replace(changed, state="open", verified_since=None, verified_at=None)), tuple(events))
    if ticket.state == "open":
        changed = replace(changed, state="recovering")
        events.append(_event("recovering", now))
    return Step(_titled(changed), tuple(events))


def _open(alerts: Alerts, more: int, now: float, previous: Ticket | None = None) -> Step:
    firing = _firing(alerts)
    first = min(firing.values(), key=lambda alert: _recency(alert, now))
    ticket = Ticket(
        # It may stand for others, whose alerts these are.
        key=previous.key if previous else first.key,
        lane=previous.lane if previous else first.lane,
        model=previous.model if previous else first.labels.get("model", ""),
        version=previous.version if previous else first.labels.get("version", ""),
        title=title(firing.values()),
        state="open",
        episode=1,
        opened_at=now,
        updated_at=now,
        alerts=firing,
        more_alerts=more,
        severity=gravest(firing.values()),
    )
    link = {"previous": previous.id} if previous else {}
    lines = tell([_alert_event(alert, now) for alert in firing.values()], more)
    return Step(ticket, (_event("opened", now, link), *lines))


def _reopen(ticket: Ticket, events: list[TicketEvent], now: float, reopen_window: float) -> Step:
    """A closed ticket whose alert fires again."""
    firing = _firing(ticket.alerts)
    if now - closing.quiet_until(ticket) > reopen_window:
        return _open(firing, ticket.more_alerts, now, previous=ticket)
    # What was resolved in the last episode would have to be verified again, though its source may be gone for good.
    opened = replace(reopened(ticket), state="open", alerts=firing)
    return Step(_titled(opened), (_event("reopened", now, {"episode": opened.episode}), *events))


def reopened(ticket: Ticket) -> Ticket:
    """A closed ticket in its next episode: what closed it holds no more."""
    return replace(
        anew(ticket), state="open", episode=ticket.episode + 1, closed_at=None, close_reason=None, muted_until=None,
        merged_into=None, verified_since=None, verified_at=None,
    )  # fmt: skip


def _confirm(ticket: Ticket, events: tuple[TicketEvent, ...], verdict: Verdict, now: float) -> Step:
    """What a person closed, and what is now seen to be over."""
    if not closing.is_decided(ticket) or verdict.kind not in ("recovered", "superseded"):
        return Step(ticket, events)
    confirmed = replace(ticket, verified_since=now, verified_at=now, updated_at=now)
    return Step(confirmed, (*events, _event("confirmed", now, {"reason": verdict.reason})))


def _apply_verdict(
    ticket: Ticket, events: tuple[TicketEvent, ...], observation: Observation, now: float, close_hold: float
) -> Step:
    """A ticket without a firing alert: is it over, does its condition still hold, or can nobody tell?"""
    verdict = observation.verdict
    if verdict.kind in ("firing", "blind"):
        state: TicketState = "blind" if verdict.kind == "blind" else "open"
        if ticket.state == state:
            return Step(ticket, events)
        waiting = replace(ticket, state=state, verified_since=None, verified_at=None, updated_at=now)
        kind = "blind" if state == "blind" else "not_recovered"
        return Step(waiting, (*events, _event(kind, now, {"reason": verdict.reason})))
    if ticket.verified_since is None:
        verified = replace(ticket, state="recovering", verified_since=now, verified_at=now, updated_at=now)
        details = {"hold_s": close_hold, "reason": verdict.reason or verdict.kind}
        return Step(verified, (*events, _event("verified", now, details)))
    since = ticket.verified_since if _is_unbroken(ticket, now, observation.longest_break) else now
    if now - since < close_hold:
        return Step(replace(ticket, verified_since=since, verified_at=now), events)
    closed = close(ticket, verdict.kind, TELLTALE, now)
    return Step(closed.ticket, (*events, *closed.events))


def _is_unbroken(ticket: Ticket, now: float, longest_break: float) -> bool:
    """Whether comparisons went on since it was verified first; nor does a clock that jumped tell how long that is."""
    since, last = ticket.verified_since, ticket.verified_at
    return since is not None and last is not None and since <= last and abs(now - last) <= longest_break


class _Found(NamedTuple):
    """All alerts of a ticket, those that it cannot keep too, and by fingerprint what became of some."""

    alerts: Alerts
    changes: Sequence[tuple[str, TicketEvent]]


def _merge(known: Alerts, notified: Iterable[Alert], now: float) -> _Found:
    """Of each alert keep what is newest: by start, then resolved over firing, then by end.

    That order does not depend on the order of arrival, so late and doubled notifications change nothing.
    """
    alerts, changes = dict(known), list[tuple[str, TicketEvent]]()
    for entry in sorted(notified, key=lambda alert: (alert.starts_at, not alert.firing)):
        alert, old = _ticket_alert(entry, now), alerts.get(entry.fingerprint)
        if old is None and not alert.is_firing:
            continue
        if old is None or _recency(alert, now) > _recency(old, now):
            alerts[entry.fingerprint] = alert
            if old is None or old.status != alert.status or old.starts_at != alert.starts_at:
                changes.append((entry.fingerprint, _alert_event(alert, now)))
    return _Found(alerts, changes)


def _correct(ticket: Ticket, observation: Observation, now: float) -> _Found:
    """Make the alerts agree with what is active now; notifications newer than the observation stay."""
    known, alerts, changes = ticket.alerts, dict(ticket.alerts), list[tuple[str, TicketEvent]]()
    active = {alert.fingerprint: alert for alert in observation.active}
    for fingerprint, entry in active.items():
        old = known.get(fingerprint)
        # A silenced alert must not bring up what is not there, but it keeps a ticket from closing.
        if entry.muted and (old is None or ticket.state == "closed"):
            continue
        alert = _ticket_alert(entry, now)
        if old is not None and (_is_newer(old, observation, now) or _goes_on(old, alert, now)):
            continue
        alerts[fingerprint] = alert
        changes.append((fingerprint, _alert_event(alerts[fingerprint], now, noticed=True)))
    for fingerprint, old in known.items():
        if old.is_firing and fingerprint not in active and not _is_newer(old, observation, now):
            alerts[fingerprint] = replace(old, status="resolved", ends_at=observation.at, received_at=now)
            changes.append((fingerprint, _alert_event(alerts[fingerprint], now, noticed=True)))
    return _Found(alerts, changes)


def _goes_on(old: TicketAlert, alert: TicketAlert, now: float) -> bool:
    """Whether it still fires; an alert with a later start ended in between, and nobody was told."""
    return old.is_firing and _recency(alert, now) <= _recency(old, now)


def _is_newer(alert: TicketAlert, observation: Observation, now: float) -> bool:
    # What was received in the future was received by a clock that was ahead.
    return observation.at < alert.received_at <= now + CLOCK_SKEW_S


def _ticket_alert(alert: Alert, now: float) -> TicketAlert:
    annotations = alert.annotations
    return TicketAlert(
        key=alert.key,
        lane=alert.lane,
        name=alert.name,
        status="firing" if alert.firing else "resolved",
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        received_at=now,
        labels=dict(alert.labels),
        summary=annotations.get("summary", ""),
        description=annotations.get("description", ""),
        signal=annotations.get("signal", ""),
        dashboard_url=annotations.get("dashboard_url", ""),
    )


def _firing(alerts: Alerts) -> dict[str, TicketAlert]:
    return {fingerprint: alert for fingerprint, alert in alerts.items() if alert.is_firing}


def _recency(alert: TicketAlert, now: float) -> tuple[bool, float, bool, float]:
    # What starts in the future was seen by a clock that was ahead: whatever came since is newer.
    is_ahead = alert.starts_at > now + CLOCK_SKEW_S
    return not is_ahead, alert.starts_at, not alert.is_firing, alert.ends_at or 0.0


def _titled(ticket: Ticket) -> Ticket:
    alerts = ticket.alerts
    if not alerts:
        return ticket
    # It may stand for others too, and is named after itself.
    own = [alert for alert in alerts.values() if alert.key == ticket.key]
    grave = _firing(alerts) or alerts
    return replace(ticket, title=title(own or alerts.values()), severity=gravest(grave.values()))


def _alert_event(alert: TicketAlert, now: float, noticed: bool = False) -> TicketEvent:
    details = {"alert": alert.name, "summary": alert.summary, "since": alert.starts_at}
    kind = "alert_firing" if alert.is_firing else "alert_resolved"
    return _event(kind, now, details | ({"noticed": True} if noticed else {}))


def _event(kind: str, at: float, details: Mapping[str, object] = {}, actor: str = TELLTALE) -> TicketEvent:
    return TicketEvent(at, kind, actor, details)
