"""A real server with the feedback API, over a real store, with API keys of tenants."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from feedback.routes import router
from telltale.records import Sample
from telltale.settings import Settings
from telltale.store import Store, open_store, samples
from telltale.web import create_app, people

SCOPES = (
    *((tenant, "feedback:write") for tenant in ("shop", "bank", "acme")),
    ("tracer", "otlp:write"),
)


@dataclass
class Service:
    """A running API. `client(key)` sends with that API key, with none if it is empty."""

    url: str
    store: Store
    keys: dict[str, str]

    def client(self, tenant: str = "shop") -> httpx.Client:
        key = self.keys.get(tenant, tenant)
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"} if key else {})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'telltale.db'}")
    yield opened
    opened.close()


@pytest.fixture
def serve(store: Store, tmp_path: Path) -> Callable[..., AbstractContextManager[Service]]:
    """`with serve(web={…}, redaction={…}) as service`: a server with these settings, over this or another store."""

    @contextmanager
    def start(store: Store = store, clock: Callable[[], float] = time.time, **sections: object) -> Iterator[Service]:
        settings = Settings(data_dir=tmp_path, **sections)  # type: ignore[arg-type]  # pydantic makes the sections
        keys = {
            tenant: people.add_key(
                store, name=f"{tenant}-app", tenant=tenant, scopes=[scope], actor="test", now=time.time()
            )
            for tenant, scope in SCOPES
        }
        config = uvicorn.Config(create_app(settings, store, [router], clock), log_config=None, access_log=False)
        server = uvicorn.Server(config)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                deadline = time.monotonic() + 10
                while not server.started and time.monotonic() < deadline:
                    threading.Event().wait(0.01)
                yield Service(f"http://127.0.0.1:{listener.getsockname()[1]}", store, keys)
            finally:
                server.should_exit = True
                thread.join()

    return start


@pytest.fixture
def make_sample(store: Store) -> Callable[..., Sample]:
    """`make_sample(trace_id, …)`: a stored sample of one call, with these fields changed."""

    def make(trace_id: str, **fields: object) -> Sample:
        values: dict[str, object] = {
            "trace_id": trace_id,
            "span_id": "00f067aa0ba902b7",
            "observed_at": time.time(),
            "tenant": "shop",
            "model": "chat",
            "version": "chat-2",
            "layer": "client",
            "operation": "chat",
            "status": "ok",
            "prompt": "Where is my parcel?",
            "response": "It is on its way.",
            "inclusion_probability": 0.5,
        }
        row = Sample(**(values | fields))  # type: ignore[arg-type]  # the fields of a Sample
        store.write(lambda connection: samples.save(connection, [row], time.time()))
        return row

    return make


@pytest.fixture
def service(serve: Callable[..., AbstractContextManager[Service]]) -> Iterator[Service]:
    with serve() as running:
        yield running
