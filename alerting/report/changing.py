"""One change of a ticket, asked for by a person: found, allowed, made, and back to its page."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import HTTPException, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from alerting.lifecycle.work import Refused
from telltale.records import Ticket
from telltale.store import tickets
from telltale.web import state

Change = Callable[[Connection, Ticket, float], None]


def change(request: Request, number: int, make: Change, closed: bool | None = None) -> Response:
    """Change a ticket and redirect to its page; see `apply`."""
    apply(request, number, make, closed)
    return RedirectResponse(f"/tickets/{number}", 303)


def apply(request: Request, number: int, make: Change, closed: bool | None = None) -> None:
    """Change a ticket.

    Raises HTTPException: 404 where there is none of that number, 409 unless it is closed, or not, as `closed` requires,
    and where the change is refused, with the reason.
    """
    here = state(request)
    now = here.clock()

    def write(connection: Connection) -> int:
        tickets.lock(connection)
        ticket = tickets.get(connection, number)
        if ticket is None:
            return 404
        if closed is not None and (ticket.state == "closed") != closed:
            return 409
        make(connection, ticket, now)
        return 303

    try:
        status = here.store.write(write)
    except Refused as refused:
        raise HTTPException(409, str(refused)) from refused
    if status == 409:
        raise HTTPException(409, "The ticket has changed meanwhile; look at it again.")
    if status == 404:
        raise HTTPException(404)
