"""`telltale tickets`: the webhook and the reconciler in one process."""

from __future__ import annotations

import signal
import socket
import sys
import time
from types import FrameType

import uvicorn
from prometheus_client import CollectorRegistry

from alerting import trackers
from alerting.intake.webhook import create_app
from alerting.lifecycle.reconcile import Reconciler
from alerting.trackers.outbox import OutboxState, OutboxWorker
from telltale.metrics import Metrics
from telltale.settings import Settings, is_loopback
from telltale.store import Store, open_configured

EXIT_USAGE = 2


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT. Returns 0, or 2 when the settings cannot be used. Raises StoreUnavailable."""
    listen = settings.tickets.listen
    if not is_loopback(listen) and settings.tickets.webhook_token_file is None:
        print(
            f"tickets.listen = {listen}: others than this machine could open tickets; "
            "name a file with a token in tickets.webhook_token_file, or listen on 127.0.0.1",
            file=sys.stderr,
        )
        return EXIT_USAGE
    try:
        listener = _listen(listen)
    except OSError as error:
        print(f"tickets.listen = {listen}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    with listener:
        store = open_configured(settings)
        try:
            _run(settings, store, listener)
        finally:
            store.close()
    return 0


def _run(settings: Settings, store: Store, listener: socket.socket) -> None:
    metrics = Metrics(CollectorRegistry())
    app = create_app(settings, store, metrics, time.time)
    last_success = metrics.gauge("telltale_ticket_reconcile_last_success_timestamp_seconds")
    metrics.registry.register(OutboxState(store, trackers.names(), time.time))
    workers: list[Reconciler | OutboxWorker] = [
        Reconciler(store, settings, last_success, time.time),
        *(OutboxWorker(store, tracker, time.time) for tracker in trackers.MEMBERS),
    ]
    # h11, because it ends a request whose headers do not; uvicorn would take httptools where that is installed.
    config = uvicorn.Config(
        app, http="h11", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=10
    )
    # uvicorn raises the signal again once it has stopped; the default answer would end us before the store is closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _heard)
    for worker in workers:
        worker.start()
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        for worker in workers:
            worker.stop()


def _heard(_number: int, _frame: FrameType | None) -> None:
    """uvicorn has acted on it already."""


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family, _, _, _, target = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener
