"""Which calls a data set is made of: those of a model, or those that a ticket is about.

A ticket is about one version, or those that its alerts name, while it was open and since the change that opened it
began; the healthy time between two episodes is none of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from feedback.data_sets.spec import Format, Span, Spec
from telltale import exits
from telltale.evidence.alerts import TicketAlert
from telltale.records import Score, Ticket
from telltale.settings import Settings
from telltale.store import feedback, samples, scores, tickets
from telltale.store.review import labels

# Windows before an episode in which the change that led to it is looked for.
FURTHEST = 120
MOST_NAMED = 10
_DIRECTION = re.compile(r'direction="(\w+)"')


class Scope(NamedTuple):
    """The versions (none: all) and spans of time of a ticket's calls, and the tenant that its alerts name, if any."""

    versions: tuple[str, ...]
    spans: tuple[Span, ...]
    tenant: str | None


WHOLE = Scope((), ((None, None),), None)
"""All calls of a model."""


class Episode(NamedTuple):
    """When a ticket was opened, and when closed; None while it is open."""

    opened_at: float
    closed_at: float | None


def make_spec(
    connection: Connection,
    settings: Settings,
    *,
    format: Format,
    ticket: str | None = None,
    model: str | None = None,
    tenant: str | None = None,
    **limits: Any,
) -> Spec:
    """What there is to export now; `limits` are other fields of a Spec.

    Raises exits.UsageError for a ticket that does not exist, and where it is not said whose calls are meant.
    """
    found = None if ticket is None else ticket_named(connection, ticket, tenant)
    if found is None and not model:
        raise exits.UsageError("name a ticket or a model")
    window, (_, last) = settings.monitor.window, settings.monitor.persistence
    within = WHOLE if found is None else of_ticket(connection, found, window, last + 1, tenant)
    if found is not None and tenant is not None and not _has_calls(connection, found.model or "", within, tenant):
        raise _no_ticket(f"T-{found.id}", tenant)
    of_model = model if found is None else found.model
    return Spec(
        format=format,
        model=of_model or "",
        tenant=_whose(connection, of_model or "", within, tenant),
        last_sample_id=samples.last_id(connection),
        last_feedback_id=feedback.last_id(connection),
        last_label_id=labels.last_id(connection),
        versions=within.versions,
        spans=within.spans,
        ticket=f"T-{found.id}" if found else None,
        ticket_key=found.key if found else None,
        per_subject=settings.data_sets.per_subject,
        per_key=settings.data_sets.per_key,
        **limits,
    )


def ticket_named(connection: Connection, name: str, tenant: str | None = None) -> Ticket:
    """The ticket `T-12`. Raises exits.UsageError for one that does not exist.

    Whoever asks for a tenant's may not know others': of them it is told what is told of tickets that do not exist.
    """
    number = re.fullmatch(r"(?:[tT]-)?(\d{1,18})", name.strip())
    if number is None:
        raise exits.UsageError(f"{name} is not a ticket: write T-12")
    found = tickets.get(connection, int(number[1]))
    if found is None or (tenant is not None and not found.model):
        raise _no_ticket(f"T-{int(number[1])}", tenant)
    if not found.model:
        raise exits.UsageError(f"T-{number[1]} is about no model, so there are no calls to export: name one (--model)")
    return found


def _no_ticket(name: str, tenant: str | None) -> exits.UsageError:
    return exits.UsageError(f"there is no ticket {name}" + (f" with calls of tenant {tenant}" if tenant else ""))


def _has_calls(connection: Connection, model: str, within: Scope, tenant: str) -> bool:
    """Whether a ticket is about calls of a tenant, as far as its alerts and the calls tell."""
    if within.tenant not in (None, tenant):
        return False
    return any(
        samples.number(connection, model=model, tenant=tenant, versions=within.versions, since=since, until=until)
        for since, until in within.spans
    )


def of_ticket(
    connection: Connection, ticket: Ticket, window: float, windows_back: int, tenant: str | None = None
) -> Scope:
    """What a ticket is about; where a tenant is asked for, without what alerts say of others alone.

    Where no monitor says when the change began, it is `windows_back` windows before.
    """
    alerts = [alert for alert in ticket.alerts.values() if alert.labels.get("model", ticket.model) == ticket.model]
    if tenant is not None:
        alerts = [alert for alert in alerts if alert.labels.get("tenant", "") in ("", tenant)] or alerts
    versions = {ticket.version, *(alert.labels.get("version", "") for alert in alerts)} - {""}
    tenants = {tenant for alert in alerts if (tenant := alert.labels.get("tenant"))}
    known = episodes(ticket, tickets.events(connection, ticket.id or 0))
    first = min(episode.opened_at for episode in known) - FURTHEST * window
    judged = [
        score
        for score in scores.load(connection, model=ticket.model, since=first)
        if not versions or score.version in versions
    ]
    about = [_series_labels(alert) for alert in alerts] or [{"tenant": "", "segment": ""}]
    own = [score for score in judged if any(_is_of(score, labels) for labels in about)]
    spans: list[Span] = []
    healthy_until: float | None = None
    for episode in known:
        begun = _begun(own, episode, healthy_until, window, windows_back)
        spans.append((begun, episode.closed_at))
        healthy_until = episode.closed_at
    return Scope(tuple(sorted(versions)), tuple(spans), tenants.pop() if len(tenants) == 1 else None)


def episodes(ticket: Ticket, timeline: Iterable[tickets.TicketEvent]) -> list[Episode]:
    """When the ticket was open, oldest first; of one without a timeline, the time that it names itself."""
    found: list[Episode] = []
    for event in timeline:
        is_open = bool(found) and found[-1].closed_at is None
        if event.kind in ("opened", "reopened") and not is_open:
            found.append(Episode(event.at, None))
        elif event.kind == "closed" and is_open:
            found[-1] = found[-1]._replace(closed_at=event.at)
    if not found:
        return [Episode(ticket.opened_at, ticket.closed_at)]
    if ticket.state != "closed":
        found[-1] = found[-1]._replace(closed_at=None)
    return found


def _whose(connection: Connection, model: str, scope: Scope, asked: str | None) -> str:
    """Whose calls: those asked for, those that the alerts name, or the only tenant's.

    Raises exits.UsageError where there are several to choose from: tenants never mix in one set.
    """
    if asked is not None:
        return asked
    if scope.tenant is not None:
        return scope.tenant
    found = sorted(
        {
            name
            for since, until in scope.spans
            for name in samples.tenants(connection, model=model, versions=scope.versions, since=since, until=until)
        }
    )
    if len(found) > 1:
        named = ", ".join(found[:MOST_NAMED]) + (
            f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        )
        raise exits.UsageError(
            f"{model} has samples of {len(found)} tenants ({named}), and one set holds those of one: "
            f"name it, such as --tenant {found[0]}"
        )
    return found[0] if found else ""


def _begun(
    own: Sequence[Score], episode: Episode, healthy_until: float | None, window: float, windows_back: int
) -> float:
    """When the change began: at the start of the first suspect window of those that led to this episode."""
    earliest = episode.opened_at - FURTHEST * window if healthy_until is None else healthy_until
    found = [score for score in own if earliest <= score.window_end <= episode.opened_at]
    # Windows of little traffic are longer; the newest of each series still knows the first.
    newest = {(s.monitor, s.signal, s.direction, s.series): s for s in found}
    begun = [s.window_start if s.since is None else s.since for s in newest.values() if s.state != "ok"]
    start = min(begun, default=episode.opened_at - windows_back * window)
    return start if healthy_until is None else max(start, healthy_until)


def _series_labels(alert: TicketAlert) -> Mapping[str, str]:
    """What tells the series that an alert is about. A rule over several names what it adds up in its signal alone."""
    known = {name: alert.labels.get(name, "") for name in ("tenant", "segment")}
    known |= {name: value for name in ("monitor", "signal", "direction") if (value := alert.labels.get(name))}
    told = _DIRECTION.search(alert.signal)
    return {"direction": told[1], **known} if told else known


def _is_of(score: Score, labels: Mapping[str, str]) -> bool:
    return all(getattr(score, name) == value for name, value in labels.items())
