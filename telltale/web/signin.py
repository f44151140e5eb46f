"""Signing in and out with local passwords. Sessions live in the store, so they can be ended there."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from telltale.store import access, audit
from telltale.store.access import Person
from telltale.web import device, people
from telltale.web.pages import render
from telltale.web.password_turns import RETRY_AFTER_S, Busy, turn
from telltale.web.principal import cookie_name, has_people, identify
from telltale.web.problems import problem
from telltale.web.state import State, state

router = APIRouter(include_in_schema=False)
FIRST_START = "/first-start"
# Actions of the audit log that strangers cause.
REFUSALS = ("sign_in_refused", "sign_in_throttled", "first_start_refused")


@router.get("/sign-in")
def show(request: Request, next: str = "/") -> Response:
    if identify(request) is not None:
        return RedirectResponse(_local(next), 303)
    if not has_people(state(request)):
        return RedirectResponse(FIRST_START, 303)
    return _form(request, next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=people.MAX_NAME)],
    password: Annotated[str, Form(max_length=people.MAX_PASSWORD)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    here = state(request)
    known = _known(request, name)
    if wait := here.sign_ins.acquire(name, address_of(request), known, here.clock()):
        note_refusal(request, "sign_in_throttled", name)
        return too_many(request, wait)
    try:
        with turn(known is not None):
            person = _check(here, name, password)
    except Busy:
        return busy(request)
    if person is None:
        note_refusal(request, "sign_in_refused", name)
        return _form(request, next, name, "Name and password do not fit.", 401)
    return enter(request, person, next)


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    here = state(request)
    principal, token = identify(request), request.cookies.get(cookie_name(here))
    if token and principal is not None and principal.via == "session":
        now = here.clock()

        def close(connection: Connection) -> None:
            access.close_session(connection, token)
            audit.record(connection, actor=principal.name, action="sign_out", subject=principal.name, now=now)

        here.store.write(close)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(cookie_name(here), path="/", secure=here.secure, httponly=True)
    return response


def enter(request: Request, person: Person, next: str = "/") -> Response:
    """Start a session of this person in this browser, and lead to `next`. Raises StoreUnavailable."""
    here = state(request)
    response = RedirectResponse(_local(next), 303)
    token = _open(here, person, request.cookies.get(cookie_name(here)))
    response.set_cookie(
        cookie_name(here), token, int(access.SESSION_MAX_AGE_S), path="/", secure=here.secure, httponly=True
    )
    device.remember(here, response, person.name)
    return response


def address_of(request: Request) -> str:
    """Where the connection comes from. Behind a proxy it is the proxy's: what a request says of itself counts not."""
    return request.client.host if request.client else ""


def note_refusal(request: Request, action: str, name: str) -> None:
    """Record in the audit log that an attempt was refused, or only count it. Raises StoreUnavailable."""
    here = state(request)
    now, address = here.clock(), address_of(request)
    # PostgreSQL refuses a text with NUL.
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    refusal = here.refusals[action].note(shown, now)
    if refusal is None:
        return
    details = {"times": refusal.times, "address": address}
    here.store.write(
        lambda connection: audit.record(
            connection, actor="?", action=action, subject=refusal.subject, now=now, details=details
        )
    )


def too_many(request: Request, wait: float) -> Response:
    return problem(request, 429, "Too many attempts to sign in.", {"Retry-After": str(math.ceil(wait))})


def busy(request: Request) -> Response:
    return problem(request, 503, "Too many people sign in now. Try again.", {"Retry-After": str(RETRY_AFTER_S)})


def _form(request: Request, next: str, name: str = "", error: str = "", status: int = 200) -> Response:
    return render(request, "sign_in.html", status_code=status, next=_local(next), name=name, error=error)


def _known(request: Request, name: str) -> str | None:
    """What tells a browser that this person uses from a stranger's: their session in it, or its device cookie."""
    principal = identify(request)
    if principal is not None and principal.via == "session" and principal.name == name:
        return f"session {name}"
    return device.known(state(request), request, name)


def _check(here: State, name: str, password: str) -> Person | None:
    person = None
    if name.isprintable():
        with here.store.read() as connection:
            person = access.find_person(connection, name)
    usable = person is not None and person.disabled_at is None
    # An unknown name takes as long as a known one, so that the time does not reveal who exists.
    matches = people.verify(person.password_hash if person and usable else people.NOBODY, password)
    return person if usable and matches else None


def _open(here: State, person: Person, old: str | None) -> str:
    now = here.clock()

    def begin(connection: Connection) -> str:
        if old:
            access.close_session(connection, old)
        audit.record(connection, actor=person.name, action="sign_in", subject=person.name, now=now)
        return access.open_session(connection, person.id, now)

    return here.store.write(begin)


def _local(target: str) -> str:
    """The target if it is a path on this site, else `/`: `//elsewhere` and `/\\elsewhere` lead to other sites."""
    harmless = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if harmless else "/"
