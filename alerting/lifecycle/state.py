"""The life of a ticket as pure functions: what is known and what is new in, the ticket and its timeline out.

Nothing here closes a ticket because an alert was "resolved": that only says that the alert fell silent, which it also
does when its source dies. A ticket closes after recovery, or another version in its place, was seen without a break
for the hold time.

    open ⇄ recovering ⇄ blind      open: an alert fires or its condition holds; blind: nobody can say
    recovering → closed            verified for the hold time, or by a person
    closed → open                  the alert returns within the reopening window (never after "won't fix")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from alerting.intake.notification import Alert
from alerting.lifecycle.title import title
from telltale.records import Ticket, TicketState
from telltale.store.tickets import TicketEvent

Entry = Mapping[str, object]
Entries = Mapping[str, Entry]

WONT_FIX = "wontfix"
US = "telltale"


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a ticket: `ticket` is None when there is none and none is needed; without id it is a new one."""

    ticket: Ticket | None
    events: tuple[TicketEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at Prometheus says of a ticket whose alerts are silent.

    `superseded`: this version is no longer judged because another one of the same model is.
    """

    kind: Literal["firing", "blind", "recovered", "superseded"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the real state: Alertmanager's active alerts of a ticket, and Prometheus' verdict, as of `at`."""

    at: float
    active: tuple[Alert, ...]
    verdict: Verdict


def receive(ticket: Ticket | None, alerts: Sequence[Alert], now: float, reopen_window: float) -> Step:
    """Take a notification's alerts of one key. Taking the same one again, or late, or in another order is harmless."""
    entries, events = _merge(ticket.alerts if ticket else {}, alerts, now)
    return _settle(ticket, entries, events, now, reopen_window)


def observe(ticket: Ticket, look: Look, now: float, close_hold: float, reopen_window: float) -> Step:
    """Take a look's result: correct what notifications got wrong, then verify recovery or say that nobody can."""
    entries, events = _correct(ticket, look, now)
    step = _settle(ticket, entries, events, now, reopen_window)
    settled = step.ticket
    if settled is None or settled.state == "closed" or is_firing(settled.alerts):
        return step
    return _judge(settled, step.events, look.verdict, now, close_hold)


def close(ticket: Ticket, reason: str, actor: str, now: float, words: str = "") -> Step:
    """Close by a person's hand (or by verification, with `actor` us)."""
    closed = replace(ticket, state="closed", closed_at=now, close_reason=reason, updated_at=now, verified_since=None)
    return Step(closed, (_event("closed", now, {"reason": reason, "words": words}, actor),))


def is_firing(entries: Entries) -> bool:
    return any(entry["status"] == "firing" for entry in entries.values())


def _settle(
    ticket: Ticket | None, entries: dict[str, Entry], events: list[TicketEvent], now: float, reopen_window: float
) -> Step:
    """The state that follows from which alerts fire."""
    firing = is_firing(entries)
    if ticket is None:
        return _open(entries, now) if firing else Step(None)
    if not events:
        return Step(ticket)
    changed = replace(ticket, alerts=entries, updated_at=now)
    if ticket.state == "closed":
        return _return(changed, events, now, reopen_window) if firing else Step(changed, tuple(events))
    if firing:
        return Step(_titled(replace(changed, state="open", verified_since=None)), tuple(events))
    if ticket.state == "open":
        changed = replace(changed, state="recovering")
        events.append(_event("recovering", now))
    return Step(_titled(changed), tuple(events))


def _open(entries: dict[str, Entry], now: float, previous: Ticket | None = None) -> Step:
    firing = {name: entry for name, entry in entries.items() if entry["status"] == "firing"}
    first = min(firing.values(), key=_order)
    labels = _labels(first)
    ticket = Ticket(
        key=str(first["key"]),
        lane=str(first["lane"]),
        model=labels.get("model", ""),
        version=labels.get("version", ""),
        title=title(firing.values()),
        state="open",
        episode=1,
        opened_at=now,
        updated_at=now,
        alerts=firing,
    )
    link = {"previous": previous.id} if previous else {}
    return Step(ticket, (_event("opened", now, link), *(_told(entry, now) for entry in firing.values())))


def _return(ticket: Ticket, events: list[TicketEvent], now: float, reopen_window: float) -> Step:
    """A closed ticket whose alert fires again."""
    if ticket.close_reason == WONT_FIX:
        return Step(ticket, tuple(events))
    firing = {name: entry for name, entry in ticket.alerts.items() if entry["status"] == "firing"}
    if ticket.closed_at is not None and now - ticket.closed_at > reopen_window:
        return _open(firing, now, previous=ticket)
    # What was resolved in the last episode would have to be verified again, though its source may be gone for good.
    opened = replace(ticket, state="open", episode=ticket.episode + 1, closed_at=None, close_reason=None, alerts=firing)
    return Step(_titled(opened), (_event("reopened", now, {"episode": opened.episode}), *events))


def _judge(ticket: Ticket, events: tuple[TicketEvent, ...], verdict: Verdict, now: float, close_hold: float) -> Step:
    """A ticket without a firing alert: is it over, does its condition still hold, or can nobody tell?"""
    if verdict.kind in ("firing", "blind"):
        state: TicketState = "blind" if verdict.kind == "blind" else "open"
        if ticket.state == state:
            return Step(ticket, events)
        waiting = replace(ticket, state=state, verified_since=None, updated_at=now)
        kind = "blind" if state == "blind" else "not_recovered"
        return Step(waiting, (*events, _event(kind, now, {"reason": verdict.reason})))
    if ticket.verified_since is None:
        verified = replace(ticket, state="recovering", verified_since=now, updated_at=now)
        details = {"hold_s": close_hold, "reason": verdict.reason or verdict.kind}
        return Step(verified, (*events, _event("verified", now, details)))
    if now - ticket.verified_since < close_hold:
        return Step(ticket, events)
    done = close(ticket, verdict.kind, US, now)
    return Step(done.ticket, (*events, *done.events))


def _merge(known: Entries, alerts: Iterable[Alert], now: float) -> tuple[dict[str, Entry], list[TicketEvent]]:
    """Of each alert keep what is newest: by start, then resolved over firing, then by end.

    That order does not depend on the order of arrival, so late and doubled notifications change nothing.
    """
    entries, events = dict(known), []
    for alert in sorted(alerts, key=lambda alert: (alert.starts_at, not alert.firing)):
        entry, old = _entry(alert, now), entries.get(alert.fingerprint)
        if old is None and not alert.firing:
            continue
        if old is None or _order(entry) > _order(old):
            entries[alert.fingerprint] = entry
            if old is None or old["status"] != entry["status"] or old["starts_at"] != entry["starts_at"]:
                events.append(_told(entry, now))
    return entries, events


def _correct(ticket: Ticket, look: Look, now: float) -> tuple[dict[str, Entry], list[TicketEvent]]:
    """Make the entries agree with what is active now, whatever was notified; newer notifications than the look stay."""
    known, entries, events = ticket.alerts, dict(ticket.alerts), []
    active = {alert.fingerprint: alert for alert in look.active}
    for name, alert in active.items():
        old = known.get(name)
        # A silenced alert must not bring up what is not there, but it keeps a ticket from closing.
        if alert.muted and (old is None or ticket.state == "closed"):
            continue
        if old is not None and (old["status"] == "firing" or _number(old, "received_at") > look.at):
            continue
        entries[name] = _entry(alert, now)
        events.append(_told(entries[name], now, noticed=True))
    for name, old in known.items():
        if old["status"] == "firing" and name not in active and _number(old, "received_at") <= look.at:
            entries[name] = {**old, "status": "resolved", "ends_at": look.at, "received_at": now}
            events.append(_told(entries[name], now, noticed=True))
    return entries, events


def _entry(alert: Alert, now: float) -> Entry:
    annotations = alert.annotations
    return {
        "key": alert.key,
        "lane": alert.lane,
        "name": alert.name,
        "status": "firing" if alert.firing else "resolved",
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "received_at": now,
        "labels": dict(alert.labels),
        **{name: annotations.get(name, "") for name in ("summary", "description", "signal", "dashboard_url")},
    }


def _order(entry: Entry) -> tuple[float, bool, float]:
    return _number(entry, "starts_at"), entry["status"] == "resolved", _number(entry, "ends_at")


def _number(entry: Entry, name: str) -> float:
    value = entry.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _labels(entry: Entry) -> Mapping[str, str]:
    labels = entry["labels"]
    return labels if isinstance(labels, Mapping) else {}


def _titled(ticket: Ticket) -> Ticket:
    return replace(ticket, title=title(ticket.alerts.values()))


def _told(entry: Entry, now: float, noticed: bool = False) -> TicketEvent:
    details = {"alert": entry["name"], "summary": entry["summary"], "since": entry["starts_at"]}
    kind = "alert_firing" if entry["status"] == "firing" else "alert_resolved"
    return _event(kind, now, details | ({"noticed": True} if noticed else {}))


def _event(kind: str, at: float, details: Mapping[str, object] = {}, actor: str = US) -> TicketEvent:
    return TicketEvent(at, kind, actor, details)
