"""Alertmanager's webhook, and the ticket service's metrics and health.

The status is 200 only after the commit. What may succeed later gets 503, because Alertmanager does not retry a 4xx;
400 is only for what is no notification at all, because one alert's fault must not cost its neighbours their tickets.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator

from fastapi import FastAPI, Request
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from alerting.intake.account import Account
from alerting.intake.notification import WEBHOOK_PATH, Malformed, parse, record
from alerting.lifecycle import decisions
from telltale.metrics import Metrics, gauge_family
from telltale.serving import pages
from telltale.serving.asgi import Pages, misdirected
from telltale.serving.hosts import Hosts
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, tickets

log = logging.getLogger(__name__)

# A thousand alerts, the most that Alertmanager puts in one notification to us, are some 600 kB. What a larger body had
# is found by the next comparison with Alertmanager.
MAX_BODY_BYTES = 32 << 20
RETRY_AFTER_S = "2"
STATES = ("open", "recovering", "blind", "closed")


class Refused(Exception):
    """A request that is refused: HTTP status, outcome for the counter, and the reason for the sender."""

    def __init__(self, status: int, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.outcome, self.detail = status, outcome, detail


def create_app(
    settings: Settings, store: Store, metrics: Metrics, account: Account, clock: Callable[[], float]
) -> FastAPI:
    """The application."""
    app = FastAPI(title="Telltale tickets", docs_url=None, redoc_url=None, openapi_url=None)
    notifications = metrics.counter("telltale_webhook_notifications_total")
    for outcome in ("taken", "unauthorised", "too_large", "malformed", "unavailable"):
        notifications.labels(outcome)
    metrics.registry.register(TicketCounts(store))
    hosts = Hosts(settings.host_names)

    @app.post(WEBHOOK_PATH)
    async def notified(request: Request) -> Response:
        # A browser whose page was rebound to us is of the same origin, and may send any type.
        if (foreign := misdirected(request.scope, hosts)) is not None:
            notifications.labels("unauthorised").inc()
            return foreign
        try:
            changed = await _ingest(request, settings, store, account, clock())
        except Refused as refusal:
            notifications.labels(refusal.outcome).inc()
            headers = {"Retry-After": RETRY_AFTER_S} if refusal.status == 503 else {}
            return JSONResponse({"detail": refusal.detail}, refusal.status, headers)
        notifications.labels("taken").inc()
        return JSONResponse({"tickets": changed})

    table = pages.table(pages.exposition(metrics.registry), store.unready)
    app.add_middleware(Pages, pages=table, hosts=settings.host_names)
    return app


async def _ingest(request: Request, settings: Settings, store: Store, account: Account, now: float) -> list[str]:
    """Store a notification and what follows from it. Returns the tickets that changed. Raises Refused."""
    _authorise(request, settings)
    body = await _body(request)
    try:
        taken = parse(body)
    except Malformed as error:
        log.warning("a notification was refused: %s", error)
        raise Refused(400, "malformed", str(error)) from error
    account.note(taken, "notification")
    raw, digest = record(taken), hashlib.sha256(body).hexdigest()

    def write(connection: Connection) -> list[str]:
        tickets.add_notification(connection, raw, digest, now)
        changed = decisions.apply_notification(connection, taken.alerts, now, settings.tickets.reopen_window)
        return [f"T-{ticket.id}" for ticket in changed]

    try:
        return await asyncio.wrap_future(store.submit(write))
    except StoreUnavailable as error:
        log.warning("a notification could not be stored: %s", error)
        raise Refused(503, "unavailable", "The store cannot be used now; send it again.") from error


def _authorise(request: Request, settings: Settings) -> None:
    # A page in somebody's browser can post text, but not this type, to loopback without being asked for permission.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(415, "malformed", "Send application/json.")
    if settings.tickets.webhook_token_file is None:
        return
    try:
        token = settings.tickets.webhook_token_file.read_bytes().strip()
    except OSError as error:
        log.error("tickets.webhook_token_file cannot be read: %s", error.strerror)
        raise Refused(503, "unavailable", "The token cannot be checked now; send it again.") from error
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    if not token or not secrets.compare_digest(given, token):
        raise Refused(401, "unauthorised", "Send the bearer token of tickets.webhook_token_file.")


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise Refused(413, "too_large", f"A notification has at most {MAX_BODY_BYTES} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


class TicketCounts(Collector):
    """`telltale_tickets`, counted at every scrape; absent while the store cannot be read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield gauge_family("telltale_tickets")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = gauge_family("telltale_tickets")
        try:
            with self._store.read() as connection:
                found = {(lane, state): number for lane, state, number in tickets.count_by_state(connection)}
        except StoreUnavailable:
            return
        for lane in sorted({lane for lane, _ in found} | {"retrain", "ops"}):
            for state in STATES:
                family.add_metric([lane, state], found.get((lane, state), 0))
        yield family
