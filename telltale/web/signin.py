"""Signing in and out with local passwords. Sessions live in the store, so they can be ended there."""

from __future__ import annotations

import math
import threading
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from telltale.store import access, audit
from telltale.store.access import Person
from telltale.web import people
from telltale.web.pages import render
from telltale.web.principal import cookie_name, has_people, identify
from telltale.web.problems import problem
from telltale.web.state import State, state

router = APIRouter(include_in_schema=False)
# Each check of a password takes 64 MiB: without a limit a stranger could exhaust the memory.
_checking = threading.BoundedSemaphore(2)


@router.get("/sign-in")
def show(request: Request, next: str = "/") -> Response:
    if identify(request) is not None:
        return RedirectResponse(_local(next), 303)
    return _form(request, next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    here = state(request)
    client = request.client.host if request.client else ""
    wait = max(here.name_rate.acquire(name, here.clock()), here.client_rate.acquire(client, here.clock()))
    if wait:
        return problem(request, 429, "Too many attempts to sign in.", {"Retry-After": str(math.ceil(wait))})
    person = _check(here, name, password)
    if person is None:
        return _form(request, next, name, "Name and password do not fit.", 401)
    response = RedirectResponse(_local(next), 303)
    token = _open(here, person, request.cookies.get(cookie_name(here)))
    response.set_cookie(
        cookie_name(here), token, int(access.SESSION_MAX_AGE_S), path="/", secure=here.secure, httponly=True
    )
    return response


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


def _form(request: Request, next: str, name: str = "", error: str = "", status: int = 200) -> Response:
    return render(
        request,
        "sign_in.html",
        status_code=status,
        next=_local(next),
        name=name,
        error=error,
        nobody=not has_people(state(request)),
    )


def _check(here: State, name: str, password: str) -> Person | None:
    with here.store.read() as connection:
        person = access.find_person(connection, name)
    usable = person is not None and person.disabled_at is None
    with _checking:
        # An unknown name takes as long as a known one, so that the time does not reveal who exists.
        matches = people.verify(person.password_hash if person and usable else people.NOBODY, password)
    if usable and matches:
        return person
    now = here.clock()
    here.store.write(
        lambda connection: audit.record(connection, actor="?", action="sign_in_refused", subject=name, now=now)
    )
    return None


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
