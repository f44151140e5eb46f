"""Tickets as people look for them: filtered, searched, sorted, a page at a time; also among many thousands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from telltale.records import Ticket, TicketState
from telltale.store import ticket_terms
from telltale.store.schema import tickets
from telltale.store.ticket_terms import ASSIGNEE, LABEL, MODEL, VERSION, beginning, having, having_any
from telltale.store.tickets import of_ids

Sort = Literal["number", "opened", "updated", "severity", "state", "model", "assignee"]
LIVE: Final[tuple[TicketState, ...]] = ("open", "recovering", "blind")
# So many of the newest are looked at where no index helps: by a team's name, or in the order of a text.
MAX_LOOKED_AT: Final = 2000
MAX_SORTED: Final = 10_000
MAX_CANDIDATES: Final = 50
_NUMBER: Final = re.compile(r"[tT]-?(\d{1,18})|(\d{1,18})")
_GRAVITY: Final = {"page": 0, "ticket": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets; None asks for nothing. An empty `assignee` asks for those that nobody has.

    `words` are all in the ticket, in its title, model, version, labels, assignee or its alerts' labels, each at least
    as a beginning; one like T-12 is its number. `snoozed` and `acknowledged` hold at the time of the search.
    """

    states: Sequence[TicketState] | None = None
    severity: str | None = None
    lane: str | None = None
    model: str | None = None
    version: str | None = None
    tenant: str | None = None
    assignee: str | None = None
    label: str | None = None
    acknowledged: bool | None = None
    snoozed: bool | None = None
    words: str = ""
    sort: Sort = "number"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A page of tickets, of `total` in all; `is_all` is False where only the newest were looked at."""

    tickets: list[Ticket]
    total: int
    is_all: bool = True


def search(
    connection: Connection,
    wanted: Wanted,
    now: float,
    *,
    limit: int,
    offset: int = 0,
    keep: Callable[[Ticket], bool] | None = None,
) -> Found:
    """The tickets that are wanted, and of which `keep` is true."""
    conditions = _conditions(wanted, now)
    if keep is None:
        query = _ordered(select(tickets.c.id).where(*conditions), wanted, conditions)
        ids = list(connection.scalars(query.limit(limit).offset(offset)))
        total = connection.execute(select(func.count()).select_from(tickets).where(*conditions)).scalar_one()
        return Found(of_ids(connection, ids), total)
    query = _ordered(select(tickets.c.id).where(*conditions), wanted, conditions)
    ids = list(connection.scalars(query.limit(MAX_LOOKED_AT)))
    kept = [ticket for ticket in of_ids(connection, ids) if keep(ticket)]
    return Found(kept[offset : offset + limit], len(kept), is_all=len(ids) < MAX_LOOKED_AT)


def with_alert(connection: Connection, labels: Mapping[str, str]) -> Ticket | None:
    """The newest ticket one of whose alerts has all these labels, one that is not closed before others."""
    having_each = [tickets.c.id.in_(having(name, value)) for name, value in labels.items()]
    is_closed = case((tickets.c.state == "closed", 1), else_=0)
    query = select(tickets.c.id).where(*having_each).order_by(is_closed, tickets.c.id.desc()).limit(MAX_CANDIDATES)
    for ticket in of_ids(connection, list(connection.scalars(query))):
        # The terms may come from several of its alerts.
        if any(labels.items() <= alert.labels.items() for alert in ticket.alerts.values()):
            return ticket
    return None


def _conditions(wanted: Wanted, now: float) -> list[ColumnElement[bool]]:
    fixed = (("severity", wanted.severity), ("lane", wanted.lane))
    found = [tickets.c[name] == value for name, value in fixed if value is not None]
    if wanted.states is not None:
        found.append(tickets.c.state.in_(wanted.states))
    terms = ((MODEL, wanted.model), (VERSION, wanted.version), ("tenant", wanted.tenant), (LABEL, wanted.label))
    found += [tickets.c.id.in_(having(name, value)) for name, value in terms if value is not None]
    if wanted.assignee:
        found.append(tickets.c.id.in_(having(ASSIGNEE, wanted.assignee)))
    elif wanted.assignee is not None:
        found.append(tickets.c.id.not_in(having_any(ASSIGNEE)))
    if wanted.acknowledged is not None:
        known = tickets.c.acknowledged_at
        found.append(known.is_not(None) if wanted.acknowledged else known.is_(None))
    if wanted.snoozed is not None:
        rests = func.coalesce(tickets.c.snoozed_until, 0.0) > now
        found.append(rests if wanted.snoozed else ~rests)
    return [*found, *_words(wanted.words)]


def _words(text: str) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for piece in text.split()[: ticket_terms.MAX_WORDS]:
        number = _NUMBER.fullmatch(piece)
        words = ticket_terms.words_of(piece)[: ticket_terms.MAX_WORDS]
        each = [tickets.c.id.in_(beginning(word)) for word in words]
        if number and number[1]:
            found.append(tickets.c.id == int(number[1]))
        elif number:
            found.append(or_(tickets.c.id == int(number[2]), *each))
        else:
            found += each
    return found


def _ordered(query: Select[Any], wanted: Wanted, conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    by: dict[Sort, ColumnElement[Any]] = {
        "opened": tickets.c.opened_at,
        "updated": tickets.c.updated_at,
        "severity": case(_GRAVITY, value=tickets.c.severity, else_=len(_GRAVITY)) * -1,
        "state": tickets.c.state,
        "model": tickets.c.model,
        "assignee": tickets.c.assignee,
    }
    if wanted.sort in ("model", "assignee"):
        newest = select(tickets.c.id).where(*conditions).order_by(tickets.c.id.desc()).limit(MAX_SORTED)
        query = select(tickets.c.id).where(tickets.c.id.in_(newest.scalar_subquery()))
    keys = [by[wanted.sort]] if wanted.sort in by else []
    ways = [key.desc() if wanted.descending else key.asc() for key in [*keys, tickets.c.id]]
    return query.order_by(*ways)
