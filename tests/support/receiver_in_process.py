"""A receiver in this process, where a test must see or change what is inside."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import uvloop
from prometheus_client import CollectorRegistry
from support.ports import free_address

from exporters.traces.pipeline import Pipeline
from exporters.traces.receive.listener import Connection, Server
from exporters.traces.receive.receiver import Receiver
from telltale.settings import Settings
from telltale.store import Store, open_store

T = TypeVar("T")


@dataclass
class InProcess:
    """A receiver over a store in a file; `drive` serves it for as long as a test runs."""

    receiver: Receiver
    pipeline: Pipeline
    registry: CollectorRegistry
    store: Store
    host: str
    port: int

    def drive(self, connect: Callable[[Server], Connection], test: Callable[[], Awaitable[T]], most: int = 1000) -> T:
        async def serve() -> T:
            server = Server("collector.test_listen", connect, most=most)
            await server.start(socket.create_server((self.host, self.port)))
            try:
                return await test()
            finally:
                await server.stop(1.0)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve())

    def reserved(self) -> float:
        """Bytes accounted for as in flight."""
        return self.registry.get_sample_value("telltale_collector_queue_bytes") or 0.0


def make(folder: Path, busy_timeout: float = 5.0, **sections: object) -> InProcess:
    """`busy_timeout`: seconds that the store waits for a lock; `sections` of settings."""
    # Enough that what a test sends is kept.
    settings = Settings.model_validate({"sampling": {"per_minute": 1000}} | sections)
    host, _, port = free_address().rpartition(":")
    store = open_store(f"sqlite:///{folder / 's.db'}", busy_timeout)
    registry = CollectorRegistry()
    pipeline = Pipeline(settings, store, registry, time.time)
    receiver = Receiver(settings, store, pipeline, registry, time.time)
    return InProcess(receiver, pipeline, registry, store, host, int(port))
