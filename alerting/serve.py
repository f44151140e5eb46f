"""`telltale tickets`: the webhook and the reconciler in one process."""

from __future__ import annotations

import logging
import socket
import time

from prometheus_client import CollectorRegistry

from alerting import trackers
from alerting.intake.account import Account
from alerting.intake.webhook import create_app
from alerting.lifecycle import identities
from alerting.lifecycle.reconcile import Reconciler
from alerting.trackers.outbox import OutboxState, OutboxWorker
from telltale import exits
from telltale.metrics import Metrics
from telltale.serving import asgi
from telltale.serving.listen import listen
from telltale.settings import Settings, SettingsError, is_loopback
from telltale.store import Store, open_configured

log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT. Returns an exit code. Raises UsageError, StoreUnavailable."""
    address = settings.tickets.listen
    if not is_loopback(address) and settings.tickets.webhook_token_file is None:
        raise SettingsError(
            f"tickets.listen = {address}: others than this machine could open tickets; "
            "name a file with a token in tickets.webhook_token_file, or listen on 127.0.0.1"
        )
    with listen("tickets.listen", address) as listener:
        store = open_configured(settings)
        try:
            _run(settings, store, listener)
        finally:
            store.close()
    return exits.OK


def _run(settings: Settings, store: Store, listener: socket.socket) -> None:
    # Before the first notification: an alert must find the ticket that it has.
    if renewed := store.write(identities.renew):
        log.warning("%d open tickets of an earlier version have the identity that their alerts have now", renewed)
    metrics = Metrics(CollectorRegistry())
    account = Account(metrics)
    app = create_app(settings, store, metrics, account, time.time)
    last_success = metrics.gauge("telltale_ticket_reconcile_last_success_timestamp_seconds")
    metrics.registry.register(OutboxState(store, trackers.names(), time.time))
    workers: list[Reconciler | OutboxWorker] = [
        Reconciler(store, settings, last_success, time.time, account),
        *(OutboxWorker(store, tracker, time.time) for tracker in trackers.MEMBERS),
    ]
    for worker in workers:
        worker.start()
    try:
        asgi.serve(app, listener)
    finally:
        for worker in workers:
            worker.stop()
