"""Who sends a request, and what they may do.

A service has an API key, a person a session. Nobody is trusted for where a request seems to come from.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from telltale import auth
from telltale.store import access
from telltale.store.access import Key
from telltale.web.roles import Principal, Role
from telltale.web.state import State, state


class SignInNeeded(Exception):
    """Nobody is signed in: people are sent to the sign-in page, programs get 401."""


def require(role: Role) -> Callable[[Request], Principal]:
    """A dependency that lets through whoever has this role or a higher one: `Depends(require("viewer"))`."""

    def check(request: Request) -> Principal:
        principal = identify(request)
        if principal is None:
            raise SignInNeeded
        request.state.principal = principal
        if not principal.allows(role):
            raise HTTPException(403, f"This needs the role {role}; {principal.name} has {principal.role}.")
        return principal

    return check


def require_scope(scope: str) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency for services: an API key with this scope, within its rate."""

    async def check(request: Request) -> Principal:
        # The path of most requests: a recently seen key costs neither the store nor a thread.
        principal = _recent(request) or await _look_up(request)
        if principal is None or principal.via == "session":
            message = "Send an API key: Authorization: Bearer tt_…"
            raise HTTPException(401, message, headers={"WWW-Authenticate": "Bearer"})
        if scope not in principal.scopes:
            raise HTTPException(403, f"The API key {principal.name} lacks the scope {scope}.")
        here = state(request)
        wait = here.key_rate.acquire(f"{principal.tenant}/{principal.name}", here.clock())
        if wait:
            raise HTTPException(429, "Too many requests.", headers={"Retry-After": str(math.ceil(wait))})
        return principal

    return check


def identify(request: HTTPConnection) -> Principal | None:
    """Who sent this request; None if unknown. Raises StoreUnavailable."""
    here = state(request)
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _by_key(here, authorization)
    token = request.cookies.get(cookie_name(here))
    return _by_session(here, token) if token else None


def has_people(here: State) -> bool:
    """Whether somebody can sign in. People are disabled, never deleted, so True is cached."""
    if not here.facts.get("people"):
        with here.store.read() as connection:
            here.facts["people"] = access.count_people(connection) > 0
    return here.facts["people"]


def cookie_name(here: State) -> str:
    return "__Host-telltale" if here.secure else "telltale"


def _recent(request: Request) -> Principal | None:
    """Whose API key this request carries, if a recent lookup is cached."""
    secret = auth.secret(request.headers.get("authorization", ""))
    lookup = state(request).api_keys.recent(secret) if secret else None
    return _service(lookup.key) if lookup else None


async def _look_up(request: Request) -> Principal | None:
    """Who sent this request. Those that carry the same key as one that is being looked up wait for its answer."""
    asked = state(request).looked_up
    authorization = request.headers.get("authorization")
    if authorization is None:
        return await run_in_threadpool(identify, request)
    found = asked.get(authorization)
    if found is None:
        found = asked[authorization] = asyncio.ensure_future(run_in_threadpool(identify, request))
        found.add_done_callback(lambda _: asked.pop(authorization))
    # Whoever hangs up must not end the others' look-up.
    return await asyncio.shield(found)


def _by_key(here: State, authorization: str) -> Principal | None:
    secret = auth.secret(authorization)
    return _service(here.api_keys.find(secret)) if secret else None


def _service(key: Key | None) -> Principal | None:
    return Principal(key.name, "submitter", "key", key.tenant, key.scopes, key.key_id) if key else None


def _by_session(here: State, token: str) -> Principal | None:
    now = here.clock()
    with here.store.read() as connection:
        person = access.find_session(connection, token, now, here.settings.web.session_idle)
    if person is None:
        return None
    if here.sessions_seen.is_due(token, now):
        here.store.submit(lambda connection: access.touch_session(connection, token, now))
    return Principal(person.name, person.role, "session")
