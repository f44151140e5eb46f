"""Closing a ticket by hand: the form with what each reason does to a returning alert, and what it sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi import Path as InPath
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from alerting.lifecycle import closing, decisions
from alerting.lifecycle.closing import MAX_WORDS, CannotClose, Closing, Reason
from telltale import pinning
from telltale.closed import closed_as
from telltale.records import Ticket
from telltale.redaction import redact
from telltale.store import tickets
from telltale.web import Principal, require, state

router = APIRouter()

OFFERED_DAYS: Final = 14
Reviewer = Annotated[Principal, Depends(require("reviewer"))]


@dataclass(frozen=True, slots=True)
class ClosingForm:
    """What the page says of a closing, and offers. Dates as an input of type date takes them; times in Unix seconds."""

    title: str
    is_confirmed: bool
    is_firing: bool
    reopens_at: float | None
    mutes_for_ever: bool
    has_reference: bool
    pin_url: str
    earliest: str
    offered: str
    latest: str


def form(ticket: Ticket, now: float) -> ClosingForm:
    """The form for a ticket, open or closed."""
    is_muted = ticket.state == "closed" and closing.is_muted(ticket, now)
    firing = any(alert.is_firing for alert in ticket.alerts.values())
    ends = ticket.muted_until if is_muted else (ticket.closed_at or 0.0) + closing.OUTLAST_S
    return ClosingForm(
        title=closed_as(ticket),
        is_confirmed=ticket.verified_since is not None,
        is_firing=firing,
        reopens_at=ends if firing else ticket.muted_until,
        mutes_for_ever=is_muted and ticket.muted_until is None,
        has_reference=bool(ticket.model) and _is_of_monitors(ticket),
        pin_url=_pin_url(ticket),
        earliest=_date(now + closing.DAY_S),
        offered=_date(now + OFFERED_DAYS * closing.DAY_S),
        latest=_date(now + closing.MOST_MUTED_S),
    )


@router.post("/tickets/{number}/close", include_in_schema=False)
def close(
    request: Request,
    number: Annotated[int, InPath(ge=1, lt=2**63)],
    principal: Reviewer,
    reason: Annotated[Reason, Form()],
    words: Annotated[str, Form(max_length=2 * MAX_WORDS)],
    other: Annotated[str, Form(max_length=40)] = "",
    until: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Close by a person's decision. 422 where something is missing, 409 where it is closed meanwhile."""
    here = state(request)
    now, text = here.clock(), redact(words.strip(), here.settings.redaction.rules)[0]

    def write(connection: Connection) -> Ticket | None:
        """The ticket as it was."""
        tickets.lock(connection)
        ticket = tickets.get(connection, number)
        if ticket is not None and ticket.state != "closed":
            decisions.close_by_hand(connection, ticket, decision, principal.name, now)
        return ticket

    try:
        decision = Closing(reason, text, _other(reason, other), _until(reason, until))
        ticket = here.store.write(write)
    except CannotClose as error:
        raise HTTPException(422, f"Not closed: {error}.") from error
    if ticket is None:
        raise HTTPException(404)
    if ticket.state == "closed":
        raise HTTPException(409, "The ticket has changed meanwhile; look at it again.")
    return RedirectResponse(_pin_url(ticket) if reason == "accepted" else f"/tickets/{number}", 303)


def _other(reason: Reason, text: str) -> int | None:
    if reason != closing.DUPLICATE:
        return None
    number = text.strip().upper().removeprefix("T-")
    if not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise CannotClose(f"{text.strip()!r} is no ticket: name the one that stands for it, such as T-12")
    return int(number)


def _until(reason: Reason, text: str) -> float | None:
    """The end of that day, in UTC, or that moment."""
    if reason != closing.WONT_FIX or not text.strip():
        return None
    try:
        found = pinning.parse_time(text)
    except pinning.CannotAsk as error:
        raise CannotClose(str(error)) from error
    return found


def _is_of_monitors(ticket: Ticket) -> bool:
    return any(alert.labels.get("component") == "model" for alert in ticket.alerts.values())


def _pin_url(ticket: Ticket) -> str:
    """The form in which a new reference is asked for: that of the series that changed, since it did."""
    if not (ticket.model and _is_of_monitors(ticket)):
        return f"/tickets/{ticket.id}"
    named = sorted(ticket.alerts.values(), key=lambda alert: (not alert.is_firing, alert.starts_at))
    of = {name: named[0].labels.get(name, "") for name in ("tenant", "segment")}
    query = {"version": ticket.version, **of, "period": "changed"}
    told = urlencode({name: value for name, value in query.items() if value})
    return f"/models/{quote(ticket.model, safe='')}?{told}#freeze"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
