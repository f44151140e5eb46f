"""Real parts for the alerting tests: Prometheus, Alertmanager, the tracker, and a page of metrics to scrape."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from support.generations import component, how_to_get
from support.ports import free_addresses

import alerting.report.pages
from benchmarks.chain import PARTS, Chain, Page, running_chain
from telltale.binaries import Component
from telltale.settings import Settings
from telltale.store import Store, open_store
from telltale.web import create_app

Require = Callable[[object, str], None]
Binary = Callable[[Component], Path]
PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def binary(require: Require, request: pytest.FixtureRequest) -> Binary:
    """`binary("promtool")`: its path, or a skip that says how to get it; the newest, and where `on_both`, each."""
    generation = getattr(request, "param", "newest")

    def found(name: Component) -> Path:
        path = component(generation, name)
        require(path, f"the {generation} {name} is missing: {how_to_get(generation)}")
        assert path is not None
        return path.absolute()

    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


@pytest.fixture
def until() -> Callable[[Callable[[], Any], str], Any]:
    """`until(condition, what)`: its first true value; fails after a while."""

    def wait(condition: Callable[[], Any], what: str, patience: float = PATIENCE_S) -> Any:
        deadline, pause = time.monotonic() + patience, threading.Event()
        while time.monotonic() < deadline:
            if value := condition():
                return value
            pause.wait(0.1)
        pytest.fail(f"not within {patience:.0f} s: {what}")

    return wait


@pytest.fixture
def answers() -> Iterator[tuple[str, Callable[[str], None]]]:
    """A server's address, and what makes it respond with a text to everything."""
    (address,) = free_addresses(1)
    page = Page(address)
    yield f"http://{address}", lambda text: setattr(page, "text", text)
    page.close()


@pytest.fixture
def chain(tmp_path: Path, binary: Binary) -> Iterator[Chain]:
    """The whole chain, started."""
    with running_chain(tmp_path, binary, free_addresses(len(PARTS)), "alertmanager", "tickets", "prometheus") as chain:
        yield chain


@pytest.fixture
def tracker_alone(tmp_path: Path, binary: Binary) -> Iterator[Chain]:
    """Only the tracker; nothing else responds."""
    with running_chain(tmp_path, binary, free_addresses(len(PARTS)), "tickets") as chain:
        yield chain


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve the application on a free port; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline, pause = time.monotonic() + 10, threading.Event()
            while not server.started and time.monotonic() < deadline:
                pause.wait(0.01)
            assert server.started
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serve() -> Callable[[FastAPI], AbstractContextManager[str]]:
    """`with serve(app) as url`."""
    return running


@pytest.fixture
def pages(store: Store, tmp_path: Path) -> Iterator[str]:
    """The web application with the tickets' pages, over `store`."""
    with running(create_app(Settings(data_dir=tmp_path), store, [alerting.report.pages.router])) as url:
        yield url
