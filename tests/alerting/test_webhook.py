"""Alertmanager's webhook over HTTP: what is accepted, what is refused and how, and that 200 means stored."""

from __future__ import annotations

import hashlib
import json
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
from sqlalchemy import select, text

from alerting.intake.account import Account
from alerting.intake.notification import Malformed, parse, parse_listing, record
from alerting.intake.webhook import MAX_BODY_BYTES, create_app
from telltale.metrics import Metrics
from telltale.settings import Settings
from telltale.store import Store, open_store, tickets
from telltale.store.schema import notifications

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
        "fingerprint": hashlib.sha256(json.dumps(base, sort_keys=True).encode()).hexdigest()[:16],
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
            metrics = Metrics(CollectorRegistry())
            app = create_app(settings, store, metrics, Account(metrics), lambda: 1_800_000_000.0)
            url = stack.enter_context(serve(app))
            return stack.enter_context(httpx.Client(base_url=url, timeout=20))

        yield start


def count(client: httpx.Client, outcome: str) -> float:
    return value(client, "telltale_webhook_notifications_total", outcome=outcome)


def value(client: httpx.Client, name: str, **label: str) -> float:
    ((key, found),) = label.items()
    line = f'{name}{{{key}="{found}"}} '
    return float(client.get("/metrics").text.partition(line)[2].splitlines()[0])


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
    [b"", b"{", b"[]", b"null", b"3", b"{}", b'{"alerts": {}}', b'{"a":' * 100_000, b"\xff\xfe"],
)
def test_what_is_no_notification_is_refused_and_counted(body: bytes, make: Callable[..., httpx.Client]) -> None:
    client = make()
    response = client.post(PATH, content=body, headers=JSON)
    assert response.status_code == 400
    assert count(client, "malformed") == 1


LONG = "x" * 10_000
POISON: dict[str, tuple[Any, str]] = {
    "no object": (7, "alert"),
    "no labels": (entry() | {"labels": {}}, "labels"),
    "labels that are no texts": (entry() | {"labels": {"alertname": "Odd", "a": 1}}, "labels"),
    "labels in a list": (entry() | {"labels": ["a"]}, "labels"),
    "no status": (entry() | {"status": "maybe"}, "status"),
    "no start": (entry() | {"startsAt": "yesterday"}, "startsAt"),
    "a start without a zone": (entry() | {"startsAt": "2026-11-23T20:00:00"}, "startsAt"),
    "a start in year 1": (entry() | {"startsAt": "0001-01-01T00:00:00Z"}, "startsAt"),
    "a start in year 9999": (entry() | {"startsAt": "9999-12-31T23:59:59-23:00"}, "startsAt"),
    "a start that is a number": (entry() | {"startsAt": 5}, "startsAt"),
    "no end": (entry(status="resolved") | {"endsAt": None}, "endsAt"),
    "a fingerprint that is a path": (entry() | {"fingerprint": "../../x"}, "fingerprint"),
    "too long a fingerprint": (entry() | {"fingerprint": "a" * 65}, "fingerprint"),
    "a neighbour's fingerprint": (entry("other") | {"fingerprint": entry("m")["fingerprint"]}, "fingerprint"),
    "as deep as it gets": (json.loads("[" * 400 + "]" * 400), "alert"),
}


@pytest.mark.parametrize("name", POISON)
def test_an_alert_that_cannot_be_used_is_left_out_named_and_counted(
    name: str, make: Callable[..., httpx.Client], caplog: pytest.LogCaptureFixture
) -> None:
    poison, reason = POISON[name]
    client = make()
    response = client.post(PATH, json=payload(entry("m"), poison, entry("n")))
    assert (response.status_code, response.json()) == (200, {"tickets": ["T-1", "T-2"]})
    assert value(client, "telltale_alerts_refused_total", reason=reason) == 1
    assert f"1 alerts of Alertmanager's notification were left out: {reason} of " in caplog.text
    assert "yesterday" not in caplog.text


@pytest.mark.parametrize(
    "raw",
    [
        b'{"alerts": [%s, {"labels": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}, %s]}",
        b'{"alerts": [%s, {"startsAt": ' + b"9" * 10_000 + b"}, %s]}",
        b'{"alerts": [%s, {"startsAt": NaN, "endsAt": 1e999}, %s], "truncatedAlerts": -Infinity}',
        b'{"alerts": [%s, {"labels": {"alertname": "a\0b\nc\xff"}}, %s], "version": "77"}',
    ],
)
def test_json_that_no_alertmanager_writes_costs_the_neighbours_nothing(
    raw: bytes, make: Callable[..., httpx.Client]
) -> None:
    good = tuple(json.dumps(entry(model)).encode() for model in "mn")
    response = make().post(PATH, content=raw % good, headers=JSON)
    assert (response.status_code, response.json()) == (200, {"tickets": ["T-1", "T-2"]})


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_too_long_is_cut_and_stays_what_it_was_to_others(
    kind: str, make: Callable[..., httpx.Client], store: Store, request: pytest.FixtureRequest
) -> None:
    """Values, names and numbers of labels; NUL, half characters; annotations; a lane and a severity that are none."""
    if kind == "postgresql":
        store = open_store(request.getfixturevalue("new_database")())
        request.addfinalizer(store.close)
    client = make(store)
    queues = [LONG + "1", LONG + "2", "a\0b", "a\0c", "a\ud800", "a\ufffd", "\U0001f600" * 10_000]
    entries = [entry(name="Stuck", lane="bowling" + LONG, queue=queue) for queue in queues]
    entries.append(entry(name="Many", lane="ops", **{f"label_{number}": LONG for number in range(300)}, tenant="t"))
    entries.append(entry(name="N" + LONG, lane="ops", **{LONG: "a"}))
    texts = {"summary": LONG, "description": LONG + "\0", "signal": LONG, "dashboard_url": ["odd"]} | {
        f"note_{number}": LONG for number in range(20)
    }
    for sent in entries:
        sent["annotations"] = texts
    body = json.dumps(payload(*entries, receiver=LONG, groupKey=["odd"]))
    assert client.post(PATH, content=body, headers=JSON).json() == {
        "tickets": [f"T-{number + 1}" for number in range(9)]
    }
    assert client.post(PATH, content=body, headers=JSON).json() == {"tickets": []}
    with store.read() as connection:
        found = tickets.load(connection)
        sizes = [len(json.dumps(row)) for row in connection.execute(select(notifications.c.payload)).scalars()]
    assert {ticket.lane for ticket in found} == {"ops"}
    (many,) = (alert for ticket in found for alert in ticket.alerts.values() if alert.name == "Many")
    assert len(many.labels) == 64
    assert many.labels["tenant"] == "t"
    assert max(len(text) for text in many.labels.values()) <= 512
    assert len(many.summary) <= 500
    assert many.summary.endswith("… (cut)")
    assert many.signal == many.dashboard_url == ""
    assert max(sizes) < 128 << 10
    assert value(client, "telltale_alerts_cut_total", field="annotation") == 2 * 4 * len(entries)


def test_a_notification_of_very_many_alerts_is_bounded(make: Callable[..., httpx.Client]) -> None:
    client, one = make(), entry("m")
    assert client.post(PATH, json=payload(*[one] * 10_007)).json() == {"tickets": ["T-1"]}
    assert value(client, "telltale_alerts_refused_total", reason="too_many") == 7


def test_a_storm_of_one_cause_is_one_ticket_of_bounded_size(make: Callable[..., httpx.Client], store: Store) -> None:
    client = make()
    storm = [
        entry(name="NoLane", lane="ops", namespace="a", service="checkout", pod=f"checkout-{number}", note="n" * 8000)
        for number in range(500)
    ]
    stranger = entry(name="NoLane", lane="ops", namespace="b", service="checkout", pod="checkout-0")
    assert client.post(PATH, json=payload(*storm, stranger)).json() == {"tickets": ["T-1", "T-2"]}
    assert client.post(PATH, json=payload(*storm)).json() == {"tickets": []}
    with store.read() as connection:
        ticket = tickets.get(connection, 1)
        lines = tickets.events(connection, 1)
        size = connection.execute(text("SELECT length(alerts) FROM tickets WHERE id = 1")).scalar_one()
    assert ticket is not None
    assert (len(ticket.alerts), ticket.more_alerts) == (50, 450)
    assert [line.kind for line in lines] == ["opened", "alert_firing"]
    assert lines[1].details["reason"] == "and 499 more"
    assert size < 128 << 10


@given(st.binary(max_size=200) | st.text().map(str.encode) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["version", "alerts", "receiver", "labels", "startsAt", "status"]), inner, max_size=4),
    max_leaves=10).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes_are_taken_or_malformed(body: bytes) -> None:
    for read in (parse, parse_listing):
        with suppress(Malformed):
            record(read(body))


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=700),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(entry())), ODD, max_size=3), st.integers(0, 2))
def test_no_alert_whatever_it_is_harms_its_neighbours(odd: dict[str, Any], place: int) -> None:
    good = [entry("m"), entry("n")]
    for read, more in ((parse, {}), (parse_listing, {"status": {"state": "active", "silencedBy": []}})):
        entries = [found | more for found in good]
        entries.insert(place, entries[0] | {"fingerprint": "ff"} | odd)
        body = json.dumps(payload(*entries) if read is parse else entries).encode()
        models = [alert.labels.get("model") for alert in read(body).alerts if alert.fingerprint != "ff"]
        assert [model for model in models if model in ("m", "n")][-2:] == ["m", "n"]


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
