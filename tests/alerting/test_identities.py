"""Tickets whose identity was made by an earlier Telltale, of fewer labels: their alerts find them again."""

from __future__ import annotations

import time
from dataclasses import replace

from alerting.intake.notification import Alert
from alerting.lifecycle import decisions, identities
from alerting.lifecycle.state import Observation, Verdict, receive
from telltale.records import Ticket
from telltale.store import Store, tickets

NOW = time.time()
OLD = "0" * 64


def alert(namespace: str, start: float = NOW - 500) -> Alert:
    labels = {"alertname": "Slow", "severity": "page", "namespace": namespace, "service": "api", "pod": "api-0"}
    return Alert(namespace.encode().hex(), True, labels, {"summary": f"slow in {namespace}"}, start)


def of_old(store: Store, *alerts: Alert) -> Ticket:
    """A ticket of all of them, which somebody has."""
    made = receive(None, alerts, NOW, 3600.0).ticket
    assert made is not None
    known = {name: replace(one, key=OLD) for name, one in made.alerts.items()}
    kept = replace(made, key=OLD, alerts=known, assignee="rita")
    return store.write(lambda connection: tickets.save(connection, kept))


def compare(store: Store, *active: Alert) -> list[Ticket]:
    """One comparison, and the tickets that are there after it, the newest last."""
    with store.read() as connection:
        groups = decisions.by_ticket(connection, decisions.by_key(active))
        keys = {ticket.key for ticket in decisions.watched(connection, NOW)} | groups.keys()
    for key in keys:
        look = Observation(NOW + 60, tuple(groups.get(key, ())), Verdict("firing"))
        store.write(lambda c, k=key, o=look: decisions.apply_observation(c, k, o, NOW + 60, 300.0, 3600.0))  # type: ignore[misc]
    with store.read() as connection:
        return tickets.load(connection)[::-1]


def test_an_alert_that_fires_through_an_upgrade_keeps_its_ticket(store: Store) -> None:
    before = of_old(store, alert("a"))
    assert [store.write(identities.renew) for _ in range(2)] == [1, 0]
    (ticket,) = compare(store, alert("a"))
    assert (ticket.id, ticket.assignee, ticket.state) == (before.id, "rita", "open")
    assert [one.is_firing for one in ticket.alerts.values()] == [True]


def test_a_ticket_of_several_stays_that_of_the_first_and_the_others_get_their_own(store: Store) -> None:
    of_old(store, alert("a"), alert("b", NOW - 400))
    store.write(identities.renew)
    first, second = compare(store, alert("a"), alert("b", NOW - 400))
    assert [first.title, second.title] == ["slow in a", "slow in b"]
    assert {first.state, second.state} == {"open"}


def test_where_the_alert_has_a_new_ticket_the_old_one_stays_as_it_is(store: Store) -> None:
    old = of_old(store, alert("a"))
    store.write(lambda c: decisions.apply_notification(c, [alert("a")], NOW, 3600.0))
    assert store.write(identities.renew) == 0
    with store.read() as connection:
        assert tickets.get(connection, old.id or 0) == old


def test_a_closed_ticket_keeps_its_identity_and_holds_nothing_back(store: Store) -> None:
    old = of_old(store, alert("a"))
    closed = replace(old, state="closed", closed_at=NOW, close_reason="wontfix")
    store.write(lambda connection: tickets.save(connection, closed))
    assert store.write(identities.renew) == 0
    assert [ticket.state for ticket in compare(store, alert("a"))] == ["closed", "open"]
