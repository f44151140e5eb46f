"""The web application: the routers of the parts behind one guard, one sign-in and one layout."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from telltale import __version__, exits
from telltale.auth import ApiKeys
from telltale.metrics import Metrics, WriterMetrics
from telltale.serving import asgi, pages
from telltale.serving.listen import listen
from telltale.settings import Settings
from telltale.store import Store, open_configured
from telltale.web import erasures, first_start, home, models, signin
from telltale.web.direct import Application, Direct
from telltale.web.guard import Guard
from telltale.web.limits import Buckets, Seen
from telltale.web.nav import Nav
from telltale.web.pages import STATIC, make_templates
from telltale.web.problems import add_handlers
from telltale.web.refusals import Refusals
from telltale.web.router import Router
from telltale.web.signin import REFUSALS
from telltale.web.state import State
from telltale.web.throttle import Throttle

log = logging.getLogger(__name__)

FIRST_STARTS_PER_MINUTE = 10
SESSION_TOUCH_S = 60.0


def create_app(
    settings: Settings,
    store: Store,
    routers: Sequence[APIRouter],
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The application. Until the first administrator exists it serves nothing but the page that adds them."""
    app = Application(title="Telltale", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    parts = [router for router in (*routers, models.router) if isinstance(router, Router)]
    here = app.state.telltale = _state(settings, store, parts, clock)
    # Parts first: routes are tried in order, and theirs get most requests.
    for router in (*routers, signin.router, first_start.router, home.router, models.router, erasures.router):
        app.include_router(router)
    app.mount("/static", Static(directory=STATIC), name="static")
    add_handlers(app)
    probes = pages.table(pages.exposition(here.metrics.registry), store.unready)
    guard = partial(
        Guard,
        settings=settings,
        cross_site={path for part in parts for path in part.cross_site},
        body_limits={path: most for part in parts for path, most in part.body_limits.items()},
    )
    app.add_middleware(asgi.Pages, pages=probes, hosts=settings.host_names)
    app.add_middleware(guard)
    direct = {path: handler for part in parts for path, handler in part.direct.items()}
    app.direct, app.front = frozenset(direct), guard(Direct(direct))
    return app


def main(settings: Settings, routers: Sequence[APIRouter]) -> int:
    """Serve until SIGTERM or SIGINT. Returns an exit code. Raises UsageError, StoreUnavailable."""
    with listen("web.listen", settings.web.listen) as listener:
        store = open_configured(settings)
        try:
            app = create_app(settings, store, routers)
            log.info("pages on http://%s", settings.web.listen)
            # The socket listens already: whoever opens the link at once waits for a moment, but gets the page.
            first_start.announce(settings, store, time.time())
            asgi.serve(app, listener)
            log.info("stopped; everything acknowledged is stored")
        finally:
            store.close()
    return exits.OK


class Static(StaticFiles):
    """Files whose address changes with their content, so that browsers may cache them forever."""

    def file_response(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]  # as the base class
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # as the base class
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    def get_path(self, scope: Scope) -> str:
        scope["route"] = _StaticRoute
        return super().get_path(scope)


class _StaticRoute:
    """The route under which requests for static files are counted."""

    path = "/static"


def _state(settings: Settings, store: Store, parts: Sequence[Router], clock: Callable[[], float]) -> State:
    metrics = Metrics(CollectorRegistry())
    metrics.registry.register(WriterMetrics(store))
    rate = settings.web.requests_per_second
    made = State(
        settings=settings,
        store=store,
        clock=clock,
        templates=make_templates(parts, clock),
        metrics=metrics,
        requests=metrics.counter("telltale_web_requests_total"),
        nav=(Nav("Loop", "/"), *(entry for part in parts for entry in part.nav), Nav("Audit", "/audit", "admin")),
        key_rate=Buckets(rate, burst=rate),
        sign_ins=Throttle(),
        first_starts=Buckets(FIRST_STARTS_PER_MINUTE / 60, burst=FIRST_STARTS_PER_MINUTE),
        refusals={action: Refusals() for action in REFUSALS},
        sessions_seen=Seen(SESSION_TOUCH_S),
        api_keys=ApiKeys(store, clock),
    )
    for own in (part.make_state(made) for part in parts if part.make_state):
        made.parts[type(own)] = own
    return made
