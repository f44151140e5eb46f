"""What was acknowledged survives kill -9; a store that cannot write is reported, and loses nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.ports import free_port

from telltale.store import Store, feedback, open_store
from telltale.web import people

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PATH = "/api/v1/feedback"
SERVER = "import sys; from feedback.routes import router; from telltale.settings import Settings; " + (
    "from telltale.web import main; sys.exit(main(Settings(), [router]))"
)
ROUNDS = 2
SENDERS = 4
ENOUGH = 150


@contextlib.contextmanager
def server(folder: Path, port: int, store_url: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A server process, ready."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")},
        "TELLTALE_DATA_DIR": str(folder),
        "TELLTALE_WEB__LISTEN": f"127.0.0.1:{port}",
        "TELLTALE_STORE__URL": store_url,
        "TELLTALE_WEB__REQUESTS_PER_SECOND": "1000000",
    }
    process = subprocess.Popen([sys.executable, "-c", SERVER], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not is_listening(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def is_listening(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


class Senders:
    """Threads that post one vote after another until the server is gone."""

    def __init__(self, port: int, secret: str, label: str) -> None:
        self.acknowledged: list[str] = []
        self._url = f"http://127.0.0.1:{port}{PATH}"
        self._secret = secret
        self._threads = [threading.Thread(target=self._run, args=(f"{label}-{number}",)) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self, label: str) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {self._secret}"}) as client:
            for number in range(100_000):
                key = f"{label}-{number}"
                try:
                    response = client.post(self._url, json=body(key), headers={"Idempotency-Key": key})
                except httpx.TransportError:
                    return
                if response.status_code == 201:
                    self.acknowledged.append(key)


def body(key: str) -> dict[str, object]:
    return {"trace_id": TRACE, "kind": "comment", "comment": f"words of {key}"}


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'telltale.db'}"
    make: Callable[[], str] = request.getfixturevalue("new_database")
    return make()


def test_no_acknowledged_feedback_is_lost_by_kill_9(tmp_path: Path, store_url: str) -> None:
    """A long form is `benchmarks.submits_crashes`."""
    store = open_store(store_url)
    secret = people.add_key(store, name="app", tenant="shop", scopes=["feedback:write"], actor="test", now=time.time())
    store.close()
    acknowledged: list[str] = []
    port = free_port()
    for round_ in range(ROUNDS):
        with server(tmp_path, port, store_url) as process:
            senders = Senders(port, secret, f"r{round_}")
            deadline = time.monotonic() + 60
            while len(senders.acknowledged) < ENOUGH and time.monotonic() < deadline:
                threading.Event().wait(0.01)
            process.send_signal(signal.SIGKILL)
            senders.wait()
        acknowledged += senders.acknowledged
    assert len(acknowledged) >= ROUNDS * ENOUGH

    with server(tmp_path, port, store_url):
        again = httpx.post(
            f"http://127.0.0.1:{port}{PATH}",
            json=body(acknowledged[0]),
            headers={"Idempotency-Key": acknowledged[0], "Authorization": f"Bearer {secret}"},
        )
    store = open_store(store_url)
    with store.read() as connection:
        stored = [event.idempotency_key for event in feedback.load(connection)]
    store.close()
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    assert again.status_code == 200


def test_a_server_that_is_asked_to_stop_stops_cleanly(tmp_path: Path) -> None:
    with server(tmp_path, free_port()) as process:
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        environment = {**os.environ, "TELLTALE_DATA_DIR": str(tmp_path), "TELLTALE_WEB__LISTEN": listen}
        done = subprocess.run(
            [sys.executable, "-m", "telltale", "web"], env=environment, capture_output=True, check=False, text=True
        )

    assert done.returncode == 2
    mend = "stop what uses it, or choose another port"
    assert done.stderr.strip() == f"web.listen = {listen}: Address already in use; {mend}"


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'impatient.db'}", busy_timeout=0.1)
    yield opened
    opened.close()


def test_a_locked_store_responds_503_and_accepts_it_later(
    serve: Callable[..., AbstractContextManager[Any]], impatient: Store, tmp_path: Path
) -> None:
    with serve(store=impatient) as service, service.client() as client:
        first = client.post(PATH, json=body("a"), headers={"Idempotency-Key": "a"})
        lock = sqlite3.connect(tmp_path / "impatient.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        locked = client.post(PATH, json=body("b"), headers={"Idempotency-Key": "b"})
        items = [body(key) | {"idempotency_key": key} for key in ("a", "c")]
        batch = client.post(f"{PATH}/batch", json={"items": items})
        lock.execute("ROLLBACK")
        lock.close()
        later = client.post(PATH, json=body("b"), headers={"Idempotency-Key": "b"})
        again = client.post(f"{PATH}/batch", json={"items": items})

    assert (first.status_code, locked.status_code, batch.status_code) == (201, 503, 503)
    assert int(locked.headers["retry-after"]) >= 1
    assert "retry-after" in batch.headers
    assert (later.status_code, again.status_code) == (201, 200)
    with impatient.read() as connection:
        assert sorted(event.idempotency_key for event in feedback.load(connection)) == ["a", "b", "c"]
