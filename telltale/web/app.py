"""The web application: parts' routers behind one guard, one sign-in and one layout."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from telltale import __version__
from telltale.auth import ApiKeys
from telltale.metrics import Metrics
from telltale.settings import Settings, SettingsError, is_loopback
from telltale.store import Store, access, open_configured
from telltale.web import health, home, signin
from telltale.web.bounded import Bounded
from telltale.web.guard import Guard
from telltale.web.limits import Buckets, Seen
from telltale.web.pages import STATIC, Nav, Router, make_templates
from telltale.web.problems import add_handlers
from telltale.web.state import State

log = logging.getLogger(__name__)

EXIT_USAGE = 2
SIGN_INS_PER_MINUTE = 10
# Behind a proxy everybody comes from one address.
SIGN_INS_PER_CLIENT = 60
VOTES_PER_MINUTE = 10
SESSION_TOUCH_S = 60.0


def create_app(
    settings: Settings,
    store: Store,
    routers: Sequence[APIRouter],
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The application. Raises SettingsError when nobody could sign in and others than this machine could ask."""
    _require_sign_in(settings, store)
    app = FastAPI(
        title="Telltale", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json"
    )
    app.state.telltale = _state(settings, store, [router for router in routers if isinstance(router, Router)], clock)
    # Parts first: what comes often should be found soon.
    for router in (*routers, health.router, signin.router, home.router):
        app.include_router(router)
    app.mount("/static", Static(directory=STATIC), name="static")
    add_handlers(app)
    app.add_middleware(Guard, settings=settings)
    return app


def main(settings: Settings, routers: Sequence[APIRouter]) -> int:
    """Serve until SIGTERM or SIGINT. Returns 0, or 2 when the address cannot be used."""
    host, _, port = settings.web.listen.rpartition(":")
    try:
        listener = _listen(host.strip("[]"), int(port))
    except OSError as error:
        print(f"web.listen = {settings.web.listen}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    with listener:
        store = open_configured(settings)
        try:
            app = create_app(settings, store, routers)
            log.info("pages and feedback API on http://%s", settings.web.listen)
            serve(app, listener)
            log.info("stopped; everything acknowledged is stored")
        finally:
            store.close()
    return 0


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Run the server on a bound socket until it is told to stop; requests in work are finished first."""
    # Forwarded headers must reach the sign-in as they are: it trusts nobody who was forwarded.
    config = uvicorn.Config(
        app,
        http=Bounded,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Takes a signal as the wish to end. Uvicorn's own would die of it after its work is done, and we return 0."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


class Static(StaticFiles):
    """Files whose address changes with their content: browsers may keep them for good."""

    def file_response(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]  # as the base class
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # as the base class
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    def get_path(self, scope: Scope) -> str:
        scope["route"] = _StaticRoute
        return super().get_path(scope)


class _StaticRoute:
    """The name under which static files are counted."""

    path = "/static"


def _state(settings: Settings, store: Store, parts: Iterable[Router], clock: Callable[[], float]) -> State:
    parts = list(parts)
    metrics = Metrics(CollectorRegistry())
    rate = settings.web.requests_per_second
    folders: list[Path] = [part.templates for part in parts if part.templates]
    return State(
        settings=settings,
        store=store,
        clock=clock,
        templates=make_templates(folders, clock),
        registry=metrics.registry,
        requests=metrics.counter("telltale_web_requests_total"),
        feedback_events=metrics.counter("telltale_feedback_events_total"),
        nav=(Nav("Loop", "/"), *(entry for part in parts for entry in part.nav), Nav("Audit", "/audit", "admin")),
        key_rate=Buckets(rate, burst=rate),
        name_rate=Buckets(SIGN_INS_PER_MINUTE / 60, burst=SIGN_INS_PER_MINUTE),
        client_rate=Buckets(SIGN_INS_PER_CLIENT / 60, burst=SIGN_INS_PER_CLIENT),
        vote_rate=Buckets(VOTES_PER_MINUTE / 60, burst=VOTES_PER_MINUTE),
        sessions_seen=Seen(SESSION_TOUCH_S),
        api_keys=ApiKeys(store, clock),
    )


def _require_sign_in(settings: Settings, store: Store) -> None:
    if is_loopback(settings.web.listen):
        return
    with store.read() as connection:
        if access.count_people(connection):
            return
    raise SettingsError(
        f"web.listen = {settings.web.listen}: others than this machine could ask, and there is nobody who could sign "
        "in: add the first person with `telltale user add NAME --role admin`, or listen on 127.0.0.1"
    )


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
