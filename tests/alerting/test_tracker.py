"""The tracker over the real store: two at once, and without Alertmanager or Prometheus."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from alerting import main
from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from alerting.lifecycle.reconcile import reconcile
from alerting.lifecycle.sources import RuleState, Sources
from alerting.lifecycle.state import Observation, Verdict
from telltale.exits import UsageError
from telltale.settings import Settings
from telltale.store import Store, open_store, schema, tickets
from telltale.store.schema import ticket_outbox

NOW, WINDOW = 1000.0, 3600.0
NOWHERE = "http://127.0.0.1:9"


def alert(model: str, severity: str = "ticket", muted: bool = False) -> Alert:
    labels = {"alertname": "ModelDriftPersistent", "severity": severity, "lane": "retrain", "model": model}
    return Alert("ab", True, labels, {"summary": f"drift of {model}", "signal": "x"}, 900.0, muted=muted)


def test_two_trackers_over_one_store_open_each_ticket_once(tmp_path: Path) -> None:
    stores = [open_store(f"sqlite:///{tmp_path / 'store.db'}") for _ in range(2)]

    def work(store: Store) -> None:
        for number in range(25):
            found = [alert(f"model-{number}")]
            store.write(lambda connection, found=found: decisions.apply_notification(connection, found, NOW, WINDOW))  # type: ignore[misc]  # mypy infers no type for a lambda's default

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with stores[0].read() as connection:
        assert len(tickets.load(connection)) == 25
    for store in stores:
        store.close()


def test_a_silenced_alert_that_was_never_notified_opens_nothing(store: Store) -> None:
    look = Observation(NOW, (alert("m", muted=True),), Verdict("firing"))
    key = alert("m").key
    assert store.write(lambda connection: decisions.apply_observation(connection, key, look, NOW, 1.0, WINDOW)) is None
    with store.read() as connection:
        assert tickets.load(connection) == []


def test_information_opens_nothing() -> None:
    assert decisions.by_key([alert("m", severity="info")]) == {}


def test_without_alertmanager_nothing_changes_and_the_trouble_is_named(store: Store) -> None:
    store.write(lambda connection: decisions.apply_notification(connection, [alert("m")], NOW, WINDOW))
    sources = Sources(NOWHERE, NOWHERE)
    trouble = reconcile(store, sources, Settings(), lambda: NOW + 60)
    sources.close()
    assert trouble is not None
    assert "Alertmanager does not answer" in trouble
    with store.read() as connection:
        (ticket,) = tickets.load(connection)
    assert ticket.state == "open"


class Faulty(Sources):
    """Alertmanager lists an alert that nobody knows; one ticket's series cannot be asked for."""

    def alerts(self) -> tuple[Alert, ...]:
        return (alert("c"),)

    def rules(self) -> tuple[RuleState, ...]:
        return (RuleState("ModelDriftPersistent", True, NOW + 60, 60.0, ()),)

    def has_series(self, expression: str, at: float) -> bool:
        raise ValueError(expression)


def test_a_fault_in_one_ticket_keeps_no_other_from_being_compared(store: Store) -> None:
    found = [alert("a"), replace(alert("b"), annotations={})]
    store.write(lambda connection: decisions.apply_notification(connection, found, NOW, WINDOW))
    sources = Faulty(NOWHERE, NOWHERE)
    for _ in range(2):
        trouble = reconcile(store, sources, Settings(), lambda: NOW + 60)
    sources.close()
    assert trouble == "a ticket could not be compared (ValueError)"
    with store.read() as connection:
        assert {one.model: one.state for one in tickets.load(connection)} == {"a": "open", "b": "blind", "c": "open"}


def test_a_row_whose_labels_cannot_be_read_hides_no_other(store: Store) -> None:
    store.write(lambda c: decisions.apply_notification(c, [alert("a"), alert("b")], NOW, WINDOW))
    store.write(lambda c: c.execute(update(schema.tickets).where(schema.tickets.c.id == 1).values(labels=7)))
    with store.read() as connection:
        assert [one.labels for one in tickets.load(connection)] == [(), ()]


def test_a_tracker_alone_says_that_it_cannot_compare(tracker_alone: Any, until: Callable[..., Any]) -> None:
    url = f"http://{tracker_alone.settings.tickets.listen}/metrics"
    text = until(lambda: tracker_alone.get(url), "the metrics")
    assert "telltale_ticket_reconcile_last_success_timestamp_seconds 0.0" in text
    assert 'telltale_tickets{lane="retrain",state="open"} 0.0' in text
    assert 'telltale_ticket_outbox_oldest_age_seconds{tracker="embedded"} 0.0' in text
    assert 'telltale_ticket_outbox_failed{tracker="embedded"} 0.0' in text


def test_what_a_notification_changes_is_delivered_to_the_embedded_tracker(
    tracker_alone: Any, until: Callable[..., Any]
) -> None:
    address = f"http://{tracker_alone.settings.tickets.listen}"
    until(lambda: tracker_alone.get(f"{address}/-/ready"), "the tracker")
    labels = {"alertname": "ModelDriftPersistent", "severity": "ticket", "lane": "retrain", "model": "m"}
    times = {"startsAt": "2026-11-23T20:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}
    firing = {"status": "firing", "labels": labels, "fingerprint": "ab", **times}
    message = {"version": "4", "receiver": "tickets", "alerts": [firing]}
    assert tracker_alone.client.post(f"{address}/api/v1/alerts", json=message).json() == {"tickets": ["T-1"]}

    store = tracker_alone.store()
    try:

        def items() -> list[tuple[str, str, str]]:
            query = select(ticket_outbox.c.tracker, ticket_outbox.c.state, ticket_outbox.c.reference)
            with store.read() as connection:
                return [tuple(row) for row in connection.execute(query)]

        until(lambda: items() == [("embedded", "delivered", "T-1")], "the last change to be delivered")
    finally:
        store.close()


def test_an_address_in_use_and_a_missing_token_are_one_clear_line(tmp_path: Path) -> None:
    outside = Settings.model_validate({"data_dir": tmp_path, "tickets": {"listen": "0.0.0.0:0"}})
    with pytest.raises(UsageError, match=r"tickets\.webhook_token_file"):
        main(outside)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError) as refused:
            main(Settings.model_validate({"data_dir": tmp_path, "tickets": {"listen": address}}))
    [line] = str(refused.value).splitlines()
    assert line.startswith(f"tickets.listen = {address}: Address already in use; ")
