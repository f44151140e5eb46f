"""Run the collector: OTLP over gRPC and HTTP, the page of metrics, promotion of calls that got feedback, upkeep."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import socket
import time
from contextlib import ExitStack

import uvloop
from prometheus_client import CollectorRegistry

from exporters.traces.pipeline import Pipeline
from exporters.traces.promote import Promoter
from exporters.traces.receive import http1, otlp_grpc
from exporters.traces.receive.listener import Server, Shared
from exporters.traces.receive.otlp_http import Otlp, Page
from exporters.traces.receive.receiver import Receiver
from exporters.traces.upkeep import StoreUpkeep
from telltale import exits
from telltale.metrics import WriterMetrics
from telltale.serving.connections import most_connections
from telltale.serving.hosts import Hosts
from telltale.serving.listen import STOP_SIGNALS, listen
from telltale.settings import Settings
from telltale.store import Store, feedback, open_configured

log = logging.getLogger(__name__)

# Pages that were given back are faulted in anew: where everything is stored, each ten seconds cost six percent.
TRIM_S = 60.0
GRACE_S = 10


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; what was acknowledged is durable. Returns an exit code.

    Raises UsageError, StoreUnavailable.
    """
    _tune_memory()
    addresses = {
        "collector.grpc_listen": settings.collector.grpc_listen,
        "collector.http_listen": settings.collector.http_listen,
        "collector.metrics_listen": settings.collector.metrics_listen,
    }
    with ExitStack() as stack:
        listeners = [stack.enter_context(listen(setting, address)) for setting, address in addresses.items()]
        store = open_configured(settings)
        stack.callback(store.close)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, store, listeners))
    return exits.OK


async def _run(settings: Settings, store: Store, listeners: list[socket.socket]) -> None:
    registry = CollectorRegistry()
    # Calls voted on from now on may be in the buffer; calls voted on before cannot be.
    with store.read() as connection:
        newest = feedback.last_id(connection)
    pipeline = Pipeline(settings, store, registry, time.time)
    receiver = Receiver(settings, store, pipeline, registry, time.time)
    limit = settings.collector.max_body_bytes
    origins = settings.collector.cors_origins
    otlp, page = Otlp(receiver, limit, origins), Page(registry, pipeline.page, receiver.unready)
    shared, hosts, most = Shared(), Hosts(settings.host_names), most_connections(len(listeners))
    open_hosts = Hosts(settings.host_names, origins)
    servers = [
        Server("collector.grpc_listen", lambda server: otlp_grpc.Connection(server, receiver, limit), shared, most),
        Server("collector.http_listen", lambda server: http1.Connection(server, otlp, open_hosts), shared, most),
        Server("collector.metrics_listen", lambda server: http1.Connection(server, page, hosts), shared, most),
    ]
    for server, listener in zip(servers, listeners, strict=True):
        await server.start(listener)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    registry.register(WriterMetrics(store))
    upkeep = StoreUpkeep(settings, store, registry)
    works = (Promoter(store, pipeline, newest).run(), upkeep.run(), _trim())
    background = [asyncio.create_task(work) for work in works]
    log.info("OTLP on grpc %s and http %s", settings.collector.grpc_listen, settings.collector.http_listen)
    await stop.wait()
    store.prepare_to_close()
    upkeep.stop()
    for task in background:
        task.cancel()
    await asyncio.gather(*(server.stop(GRACE_S) for server in servers))
    receiver.close()


def _tune_memory() -> None:
    # Buffered calls are long-lived: scanning all of them for cycles at each collection would cost a fifth of the CPU.
    gc.set_threshold(500_000, 50, 100)
    gc.freeze()
    # Bodies of megabytes come and go. By default glibc gives each one's pages back and has them zeroed anew, and keeps
    # a heap for each thread; mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((-3, 32 << 20), (-1, 64 << 20), (-8, 2)):
            mallopt(parameter, value)


async def _trim() -> None:
    """Give back what lies free between what stays: bodies of all sizes leave holes, a fifth of all memory."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(TRIM_S)
        trim(0)
