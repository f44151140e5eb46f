"""Alertmanager's webhook over HTTP: what is accepted, what is refused and how, and that 200 means stored."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from alerting.intake.notification import Malformed, document, parse, parse_listing
from alerting.intake.webhook import MAX_BODY_BYTES, create_app
from telltale.metrics import Metrics
from telltale.settings import Settings
from telltale.store import Store, open_store, tickets

PATH = "/api/v1/alerts"
JSON = {"Content-Type": "application/json"}
Serve = Callable[[FastAPI], AbstractContextManager[str]]


def entry(
    model: str = "m", name: str = "ModelDriftPersistent", status: str = "firing", **labels: str
) -> dict[str, Any]:
    base = {"alertname": name, "severity": "ticket", "lane": "retrain", "model": model, "version": "v1"} | labels
    return {
        "status": status,
        "labels": base,
        "annotations": {"summary": f"{name} of {model}", "signal": "up"},
        "startsAt": "2026-11-23T20:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-23T21:00:00Z",
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": f"{abs(hash(tuple(sorted(base.items())))):x}"[:16],
    }


def payload(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """As Alertmanager 0.25 sends it."""
    return {
        "receiver": "tickets",
        "status": "firing",
        "alerts": list(entries),
        "groupLabels": {"lane": "retrain"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "version": "4",
        "groupKey": '{}/{lane="retrain"}:{model="m"}',
        "truncatedAlerts": 0,
        **fields,
    }


@pytest.fixture
def make(store: Store, serve: Serve, tmp_path: Path) -> Iterator[Callable[..., httpx.Client]]:
    """`make(tickets={…})`: a client of a webhook with these settings."""
    with ExitStack() as stack:

        def start(store: Store = store, **sections: object) -> httpx.Client:
            settings = Settings(data_dir=tmp_path, **sections)  # type: ignore[arg-type]  # pydantic makes the sections
            app = create_app(settings, store, Metrics(CollectorRegistry()), lambda: 1_800_000_000.0)
            url = stack.enter_context(serve(app))
            return stack.enter_context(httpx.Client(base_url=url, timeout=20))

        yield start


def count(client: httpx.Client, outcome: str) -> float:
    text = client.get("/metrics").text
    name = f'telltale_webhook_notifications_total{{outcome="{outcome}"}} '
    return float(text.partition(name)[2].splitlines()[0])


def test_alerts_of_one_model_version_meet_in_one_ticket(make: Callable[..., httpx.Client], store: Store) -> None:
    client = make()
    message = payload(
        entry(), entry(name="NegativeFeedbackHigh"), entry(version="v2"), entry(severity="info", model="n")
    )
    assert client.post(PATH, json=message).json() == {"tickets": ["T-1", "T-2"]}
    assert client.post(PATH, json=message).json() == {"tickets": []}
    with store.read() as connection:
        found = {ticket.version: ticket for ticket in tickets.load(connection)}
    assert found["v1"].title == "m: drift, more negative feedback (v1)"
    assert set(found) == {"v1", "v2"}
    text = client.get("/metrics").text
    assert 'telltale_tickets{lane="retrain",state="open"} 2.0' in text
    assert 'telltale_tickets{lane="retrain",state="closed"} 0.0' in text


def test_alerts_of_other_lanes_have_tickets_of_their_own(make: Callable[..., httpx.Client]) -> None:
    client = make()
    ops = [
        entry(name="CollectorDown", lane="ops", severity="page", instance="a:1"),
        entry(name="CollectorDown", lane="ops", severity="page", instance="b:1"),
        entry(name="Watchdog", lane="none", severity="info"),
        entry(name="Foreign", lane=""),
    ]
    assert len(client.post(PATH, json=payload(*ops)).json()["tickets"]) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        json.dumps(payload() | {"version": "3"}).encode(),
        json.dumps(payload() | {"alerts": {}}).encode(),
        json.dumps(payload(entry() | {"status": "maybe"})).encode(),
        json.dumps(payload(entry() | {"startsAt": "yesterday"})).encode(),
        json.dumps(payload(entry() | {"labels": {"a": 1}})).encode(),
        json.dumps(payload(entry() | {"fingerprint": "../../x"})).encode(),
        json.dumps(payload(entry() | {"labels": {"a": "x" * 9000}})).encode(),
        json.dumps(payload(entry(model="a\0b"))).encode(),
        json.dumps(payload(entry(), externalURL=float("nan"))).encode(),
        b'{"a":' * 100_000,
        b"\xff\xfe",
    ],
)
def test_malformed_notifications_are_refused_and_counted(body: bytes, make: Callable[..., httpx.Client]) -> None:
    client = make()
    response = client.post(PATH, content=body, headers=JSON)
    assert response.status_code == 400
    assert count(client, "malformed") == 1
    assert "x" * 100 not in response.text


@given(st.binary(max_size=200) | st.text().map(str.encode) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["version", "alerts", "receiver", "labels", "startsAt", "status"]), inner, max_size=4),
    max_leaves=10).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes_are_parsed_or_malformed(body: bytes) -> None:
    for read in (parse, parse_listing, document):
        with suppress(Malformed):
            read(body)


def test_a_body_without_end_is_cut(make: Callable[..., httpx.Client]) -> None:
    client = make()
    response = client.post(PATH, content=(b" " * 65536 for _ in range(MAX_BODY_BYTES // 65536 + 2)), headers=JSON)
    assert response.status_code == 413
    assert count(client, "too_large") == 1


def test_a_page_in_a_browser_cannot_post(make: Callable[..., httpx.Client]) -> None:
    client = make()
    assert (
        client.post(PATH, content=json.dumps(payload(entry())), headers={"Content-Type": "text/plain"}).status_code
        == 415
    )


def test_the_token_is_asked_for_and_may_be_changed_while_running(
    make: Callable[..., httpx.Client], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    client = make(tickets={"webhook_token_file": file})
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}):
        assert client.post(PATH, json=payload(), headers=headers).status_code == 401
    assert count(client, "unauthorised") == 3
    assert client.post(PATH, json=payload(), headers={"Authorization": "Bearer first"}).status_code == 200
    file.write_text("second")
    assert client.post(PATH, json=payload(), headers={"Authorization": "Bearer second"}).status_code == 200
    file.unlink()
    assert client.post(PATH, json=payload(), headers={"Authorization": "Bearer second"}).status_code == 503


def test_a_locked_store_is_retryable_and_recovers(make: Callable[..., httpx.Client], tmp_path: Path) -> None:
    file = tmp_path / "locked.db"
    store = open_store(f"sqlite:///{file}", busy_timeout=0.2)
    try:
        client = make(store)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            response = client.post(PATH, json=payload(entry()))
            assert (response.status_code, response.headers["retry-after"]) == (503, "2")
            other.execute("ROLLBACK")
        assert client.post(PATH, json=payload(entry())).json() == {"tickets": ["T-1"]}
        assert count(client, "unavailable") == 1
        assert client.get("/-/ready").status_code == 200
    finally:
        store.close()


def test_many_senders_at_once_open_each_ticket_once(make: Callable[..., httpx.Client], store: Store) -> None:
    client = make()
    messages = [payload(*(entry(f"model-{number}") for number in range(20)))] * 8

    def send(message: dict[str, Any]) -> None:
        assert client.post(PATH, json=message).status_code == 200

    threads = [threading.Thread(target=send, args=(message,)) for message in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert sorted(ticket.model for ticket in tickets.load(connection)) == sorted(f"model-{n}" for n in range(20))


@pytest.mark.e2e
def test_kill_9_between_notification_and_response_loses_and_doubles_nothing(tracker_alone: Any, until: Any) -> None:
    """The sender repeats what did not get a 200, as Alertmanager does; the tracker dies again and again."""
    chain, accepted = tracker_alone, 0
    url = f"http://{chain.settings.tickets.listen}{PATH}"
    for life in range(6):
        until(lambda: chain.get(f"http://{chain.settings.tickets.listen}/-/ready"), "the tracker")
        killer = threading.Timer(0.02 + 0.03 * life, lambda: chain.processes["tickets"].send_signal(signal.SIGKILL))
        killer.start()
        while chain.processes["tickets"].poll() is None:
            try:
                is_accepted = chain.client.post(url, json=payload(entry(f"model-{accepted}"))).status_code == 200
            except httpx.TransportError:
                is_accepted = False
            accepted += is_accepted
        killer.join()
        chain.processes.pop("tickets")
        chain.start("tickets")
    until(lambda: chain.get(f"http://{chain.settings.tickets.listen}/-/ready"), "the tracker")
    assert chain.client.post(url, json=payload(entry(f"model-{accepted}"))).status_code == 200
    store = chain.store()
    try:
        with store.read() as connection:
            found = [ticket.model for ticket in tickets.load(connection, limit=100_000)]
            found_kinds = [tickets.events(connection, number)[0].kind for number in (1, len(found))]
    finally:
        store.close()
    assert sorted(found) == sorted(f"model-{number}" for number in range(accepted + 1))
    assert found_kinds == ["opened", "opened"]
