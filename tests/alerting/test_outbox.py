"""The outbox: every change of a ticket reaches every tracker, whatever dies, refuses or fails on the way."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from alerting import trackers
from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from alerting.trackers.embedded import EmbeddedTracker
from alerting.trackers.outbox import CLAIM_S, LONGEST_RETRY_S, OutboxState, OutboxWorker, deliver_next, retry_delay
from alerting.trackers.protocol import Delivery, TicketChange, Tracker
from telltale.store import Store, open_store, ticket_outbox

NOW, WINDOW = 1000.0, 3600.0


def alert(model: str, firing: bool = True) -> Alert:
    labels = {"alertname": "ModelDriftPersistent", "severity": "ticket", "lane": "retrain", "model": model}
    return Alert("ab", firing, labels, {"summary": "drift", "signal": "x"}, 900.0, None if firing else 950.0)


@dataclass
class Remote:
    """A remote tracker that responds as the test says; `seen` is what it was sent, in order."""

    name: str = "remote"
    respond: Callable[[TicketChange], Delivery] = lambda change: Delivery(f"R-{change.ticket.model}")
    seen: list[TicketChange] = field(default_factory=list)

    def deliver(self, change: TicketChange) -> Delivery:
        self.seen.append(change)
        return self.respond(change)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(change.ticket.model, change.event.kind) for change in self.seen]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    make: Callable[[], str] = request.getfixturevalue("new_database")
    return make()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A second tracker besides the embedded one."""
    member = Remote()
    monkeypatch.setattr(trackers, "MEMBERS", (EmbeddedTracker(), member))
    return member


def notify(store: Store, *alerts: Alert, now: float = NOW) -> None:
    store.write(lambda connection: decisions.apply_notification(connection, alerts, now, WINDOW))


def drain(store: Store, tracker: Tracker, now: float = NOW) -> None:
    while deliver_next(store, tracker, lambda: now):
        pass


def samples(store: Store, name: str, now: float = NOW) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(OutboxState(store, ("embedded", "remote"), lambda: now))
    return {
        sample.labels["tracker"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def ages(store: Store, now: float = NOW + 1) -> dict[str, float]:
    return samples(store, "telltale_ticket_outbox_oldest_age_seconds", now)


def test_each_tracker_gets_each_change_once_and_in_order(store: Store, remote: Remote) -> None:
    notify(store, alert("a"))
    notify(store, alert("a", firing=False))
    drain(store, remote)
    assert remote.kinds == [("a", "opened"), ("a", "alert_firing"), ("a", "alert_resolved"), ("a", "recovering")]
    assert len({change.key for change in remote.seen}) == 4
    assert ages(store, NOW + 30) == {"embedded": 30.0, "remote": 0.0}
    drain(store, EmbeddedTracker())
    drain(store, remote)
    assert len(remote.seen) == 4
    assert ages(store, NOW + 30) == {"embedded": 0.0, "remote": 0.0}


def test_a_later_change_carries_what_the_tracker_calls_the_ticket(store: Store, remote: Remote) -> None:
    notify(store, alert("a"))
    drain(store, remote)
    notify(store, alert("a", firing=False))
    drain(store, remote)
    assert [change.reference for change in remote.seen] == [None, "R-a", "R-a", "R-a"]


def test_what_is_retryable_is_tried_again_later_and_in_order(store: Store, remote: Remote) -> None:
    remote.respond = lambda change: Delivery(None, retryable=True, error="busy")
    notify(store, alert("a"), alert("b"))
    drain(store, remote)
    assert remote.kinds == [("a", "opened"), ("b", "opened")], "one change overtook another of its ticket"
    drain(store, remote, NOW + 0.5)
    assert len(remote.seen) == 2, "it did not wait"
    drain(store, remote, NOW + 1)
    drain(store, remote, NOW + 2)
    assert len(remote.seen) == 4, "the second pause is not longer"
    remote.respond = Remote.respond
    drain(store, remote, NOW + 3)
    assert remote.kinds[4:] == [(model, kind) for model in "ab" for kind in ("opened", "alert_firing")]
    assert [change.attempt for change in remote.seen] == [1, 1, 2, 2, 3, 1, 3, 1]


def test_pauses_grow_and_end_at_five_minutes() -> None:
    assert [retry_delay(attempt) for attempt in (1, 2, 3, 9, 10, 10_000)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]


def test_what_is_refused_for_good_is_marked_counted_and_stops_nothing(store: Store, remote: Remote) -> None:
    def respond(change: TicketChange) -> Delivery:
        if change.ticket.model == "a" and change.event.kind == "opened":
            return Delivery(None, error="no such label")
        return Delivery("R-1")

    remote.respond = respond
    notify(store, alert("a"), alert("b"))
    for later in (0.0, 3600.0):
        drain(store, remote, NOW + later)
        assert Counter(remote.kinds) == Counter((m, kind) for m in "ab" for kind in ("opened", "alert_firing"))
    assert samples(store, "telltale_ticket_outbox_failed") == {"embedded": 0.0, "remote": 1.0}
    assert ages(store, NOW + 3600)["remote"] == 0.0


def test_a_fault_in_a_tracker_is_a_late_change_and_never_the_end_of_the_worker(
    store: Store, remote: Remote, until: Callable[..., Any]
) -> None:
    def respond(change: TicketChange) -> Delivery:
        if change.attempt == 1 and change.ticket.model == "a":
            raise ZeroDivisionError
        return Delivery("R-1")

    remote.respond = respond
    notify(store, alert("a"), alert("b"))
    clock = iter(range(1000, 10**9, 2))
    worker = OutboxWorker(store, remote, lambda: float(next(clock)))
    worker.start()
    try:
        until(lambda: ages(store)["remote"] == 0.0, "all changes to be delivered")
    finally:
        worker.stop()
    # Each change of the one ticket failed once.
    expected = [(model, kind) for model in "aab" for kind in ("opened", "alert_firing")]
    assert sorted(remote.kinds) == sorted(expected)


def test_a_decision_that_is_not_stored_leaves_nothing_in_the_outbox(store: Store, remote: Remote) -> None:
    def write(connection: Any) -> None:
        decisions.apply_notification(connection, [alert("a")], NOW, WINDOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write(write)
    drain(store, remote)
    assert remote.seen == []


def test_what_somebody_else_has_claimed_is_left_to_them_until_they_must_be_dead(store: Store, remote: Remote) -> None:
    notify(store, alert("a"))
    claimed = store.write(lambda c: ticket_outbox.claim(c, "remote", NOW, NOW + CLAIM_S))
    assert claimed is not None
    drain(store, remote, NOW + CLAIM_S - 1)
    assert remote.seen == []
    drain(store, remote, NOW + CLAIM_S)
    assert [(change.event.kind, change.attempt) for change in remote.seen] == [("opened", 2), ("alert_firing", 1)]
    assert remote.seen[0].key == claimed.key


def test_what_a_slow_worker_learns_late_keeps_the_trackers_name_for_the_ticket(store: Store, remote: Remote) -> None:
    notify(store, alert("a"))
    drain(store, remote)
    notify(store, alert("a", firing=False), now=NOW + 1)
    slow = store.write(lambda c: ticket_outbox.claim(c, "remote", NOW + 1, NOW + 1 + CLAIM_S))
    assert slow is not None
    remote.respond = lambda change: Delivery(None, error="no such state")
    assert deliver_next(store, remote, lambda: NOW + 1 + CLAIM_S)
    store.write(lambda c: ticket_outbox.delivered(c, slow, "R-a"))
    remote.respond = Remote.respond
    drain(store, remote, NOW + 2 + CLAIM_S)
    assert (remote.seen[-1].event.kind, remote.seen[-1].reference) == ("recovering", "R-a")
    assert samples(store, "telltale_ticket_outbox_failed")["remote"] == 0.0


def test_a_slow_worker_gives_nothing_back_that_another_has_claimed_since(store: Store, remote: Remote) -> None:
    notify(store, alert("a"))
    slow = store.write(lambda c: ticket_outbox.claim(c, "remote", NOW, NOW + CLAIM_S))
    assert slow is not None
    assert store.write(lambda c: ticket_outbox.claim(c, "remote", NOW + CLAIM_S, NOW + 2 * CLAIM_S)) is not None
    store.write(lambda c: ticket_outbox.postponed(c, slow, "busy", NOW + CLAIM_S + 1))
    drain(store, remote, NOW + 2 * CLAIM_S - 1)
    assert remote.seen == []


@pytest.mark.parametrize("back", [3600.0, 500 * 86400.0])
def test_a_clock_that_is_set_back_stops_no_delivery(store: Store, remote: Remote, back: float) -> None:
    now = 1e9
    notify(store, alert("a"), now=now)
    assert store.write(lambda c: ticket_outbox.claim(c, "remote", now, now + CLAIM_S)) is not None
    notify(store, alert("b"), now=now)
    drain(store, remote, now - back)
    assert Counter(model for model, _ in remote.kinds) == {"a": 2, "b": 2}


def test_what_waits_grows_old_though_the_clock_was_set_back(store: Store, remote: Remote) -> None:
    notify(store, alert("a"))
    passed = [0.0]
    state = OutboxState(store, ["remote"], lambda: 0.0, lambda: passed[0])

    def age() -> float:
        return next(iter(state.collect())).samples[0].value

    assert age() == 0.0
    passed[0] = 700.0
    assert age() == 700.0


def test_a_host_whose_clock_is_behind_respects_the_others_pause(store: Store, remote: Remote) -> None:
    notify(store, alert("a"))
    item = store.write(lambda c: ticket_outbox.claim(c, "remote", NOW, NOW + CLAIM_S))
    assert item is not None
    store.write(lambda c: ticket_outbox.postponed(c, item, "busy", NOW + LONGEST_RETRY_S))
    drain(store, remote, NOW - 300)
    assert remote.seen == []


def test_two_processes_deliver_each_change_once(url: str, store: Store, remote: Remote) -> None:
    for number in range(12):
        notify(store, alert(f"model-{number}"))
    twins = [open_store(url), open_store(url)]
    members = [Remote(), Remote()]
    threads = [
        threading.Thread(target=drain_patiently, args=(twin, member))
        for twin, member in zip(twins, members, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for twin in twins:
        twin.close()
    sent = Counter(change.key for member in members for change in member.seen)
    assert len(sent) == 24
    assert set(sent.values()) == {1}


def drain_patiently(store: Store, tracker: Tracker) -> None:
    """Nothing to claim may only mean that the other worker claimed it: then its ticket's next change is still due."""
    pause = threading.Event()
    while ages(store)["remote"]:
        if not deliver_next(store, tracker, lambda: NOW):
            pause.wait(0.02)


def test_kill_9_at_any_point_neither_loses_nor_doubles(url: str, tmp_path: Path) -> None:
    """A program opens two tickets and delivers their changes to another database; `kill -9` ends it eleven times."""
    remote_file, root = tmp_path / "remote.db", Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, root / "tests/support/tracker_that_dies.py", url, remote_file],
        env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    with closing(sqlite3.connect(remote_file)) as connection:
        found = connection.execute("SELECT model, kind FROM changes ORDER BY id").fetchall()
    assert Counter(found) == Counter((f"model-{n}", kind) for n in range(2) for kind in ("opened", "alert_firing"))
    assert all(found.index((model, "opened")) < found.index((model, "alert_firing")) for model, _ in found)
    store = open_store(url)
    try:
        assert ages(store, NOW * 10) == {"embedded": 0.0, "remote": 0.0}
        assert samples(store, "telltale_ticket_outbox_failed") == {"embedded": 0.0, "remote": 0.0}
    finally:
        store.close()
