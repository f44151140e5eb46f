"""A real server on a free port over a real store."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI

from telltale.settings import Settings
from telltale.store import Store, open_store
from telltale.web import create_app

PASSWORD = "correct horse battery"
Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'telltale.db'}")
    yield opened
    opened.close()


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve the application on a free port; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + 10
            while not server.started and time.monotonic() < deadline:
                threading.Event().wait(0.01)
            assert server.started
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serving() -> Callable[[FastAPI], AbstractContextManager[str]]:
    """`with serving(app) as url`: an application on a free port."""
    return running


@pytest.fixture
def serve(store: Store, tmp_path: Path) -> Serve:
    """`with serve(routers=…, clock=…, web={…}) as url`: the application with these settings."""

    @contextmanager
    def start(
        routers: Sequence[APIRouter] = (), clock: Callable[[], float] = time.time, **web: object
    ) -> Iterator[str]:
        settings = Settings(data_dir=tmp_path, web=web)  # type: ignore[arg-type]  # pydantic makes the section
        with running(create_app(settings, store, routers, clock)) as url:
            yield url

    return start


@pytest.fixture
def signed_in() -> Callable[[str, str], AbstractContextManager[httpx.Client]]:
    """`with signed_in(url, name) as browser`: a client with that person's session."""

    @contextmanager
    def client(url: str, name: str) -> Iterator[httpx.Client]:
        headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
        with httpx.Client(base_url=url, headers=headers) as browser:
            response = browser.post("/sign-in", data={"name": name, "password": PASSWORD})
            assert response.status_code == 303, response.text
            yield browser

    return client
