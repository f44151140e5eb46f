"""The first start: the administrator is added with a one-time link that whoever starts the web part gets to see.

Being on this machine, or seeming to be, makes nobody an administrator: behind a proxy every request seems to. The
link's code stands in its fragment, which browsers send to no server, so it is in no log and no Referer; the page posts
it.
"""

from __future__ import annotations

import logging
import sys
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, access
from telltale.web import people
from telltale.web.pages import render
from telltale.web.password_turns import Busy, turn
from telltale.web.principal import has_people
from telltale.web.signin import FIRST_START, address_of, busy, enter, note_refusal, too_many
from telltale.web.state import state
from telltale.web.throttle import network_of

log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)
# How the line begins that has the link.
MARK = "first start: "
INVALID = "This code is not valid, or no longer: Telltale prints a new link when it starts."


def announce(settings: Settings, store: Store, now: float) -> None:
    """While nobody exists, print a link to add the administrator; to standard error alone, never to the log."""
    try:
        token = store.write(lambda connection: access.open_first_start(connection, now))
    except StoreUnavailable as error:
        log.warning("no link for the first start could be made, start again once the store is well: %s", error)
        return
    if token is not None:
        text = "nobody can sign in yet; whoever opens this link within 24 hours becomes the administrator:"
        print(f"{MARK}{text} {link(settings, token)}", file=sys.stderr, flush=True)


def link(settings: Settings, token: str) -> str:
    """The address that adds the administrator."""
    url = settings.web_url
    listens = urlsplit(url)
    if is_wildcard(listens.hostname or "") and not settings.web.public_url:
        url = f"http://localhost:{listens.port}"
    return f"{url}{FIRST_START}#{token}"


def is_wildcard(host: str) -> bool:
    """Whether this means every address of the machine, which nobody can open."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


@router.get(FIRST_START)
def show(request: Request) -> Response:
    return _over(request) if has_people(state(request)) else _form(request)


@router.post(FIRST_START)
def add_administrator(
    request: Request,
    code: Annotated[str, Form(max_length=200)],
    name: Annotated[str, Form(max_length=people.MAX_NAME)],
    password: Annotated[str, Form(max_length=people.MAX_PASSWORD)],
    again: Annotated[str, Form(max_length=people.MAX_PASSWORD)],
) -> Response:
    here = state(request)
    if has_people(here):
        return _over(request)
    code, now = code.strip(), here.clock()
    with here.store.read() as connection:
        valid = access.is_first_start(connection, code, now)
    if not valid:
        return _refuse(request)
    if password != again:
        return _form(request, code, name, "The two passwords differ.", 422)
    try:
        with turn(known=True):
            person = people.add_first(here.store, name=name, password=password, token=code, now=now)
    except ValueError as error:
        return _form(request, code, name, f"This does not do: {error}.", 422)
    except people.FirstStartOver:
        return _over(request)
    except Busy:
        return busy(request)
    return enter(request, person)


def _refuse(request: Request) -> Response:
    # The right code is never refused for others' wrong ones: 256 random bits are not guessed, however often one tries.
    here = state(request)
    note_refusal(request, "first_start_refused", "first start")
    if wait := here.first_starts.acquire(network_of(address_of(request)), here.clock()):
        return too_many(request, wait)
    return _form(request, error=INVALID, status=403)


def _form(request: Request, code: str = "", name: str = "", error: str = "", status: int = 200) -> Response:
    return _private(render(request, "first_start.html", status_code=status, code=code, name=name, error=error))


def _over(request: Request) -> Response:
    return _private(render(request, "first_start_over.html", status_code=410))


def _private(response: Response) -> Response:
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
