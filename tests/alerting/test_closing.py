"""Closing by hand over a real server and store: reasons, what each asks for, and where alerts of duplicates go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from support import signed_in

from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from alerting.lifecycle.closing import Closing
from alerting.lifecycle.state import Observation, Verdict
from telltale.records import Ticket
from telltale.store import Store, audit, tickets

WINDOW = 7 * 86400.0
DAY_S = 86400.0
FIXED = Closing("fixed", "done")


def alert(
    version: str, *, name: str = "ModelDriftPersistent", start: float | None = None, firing: bool = True
) -> Alert:
    labels = {"alertname": name, "severity": "ticket", "lane": "retrain", "model": "a/b", "version": version}
    labels |= {"component": "model", "tenant": "shop & co"}
    began = time.time() - 500 if start is None else start
    number = f"{name}{version}".encode().hex()[-16:]
    return Alert(number, firing, labels, {"summary": f"{name} of {version}"}, began, None if firing else began + 1)


def notify(store: Store, *alerts: Alert, now: float | None = None) -> list[Ticket]:
    at = time.time() if now is None else now
    return store.write(lambda c: decisions.apply_notification(c, alerts, at, WINDOW))


def opened(store: Store, version: str = "v1") -> Ticket:
    (ticket,) = notify(store, alert(version))
    return ticket


def load(store: Store, number: int | None) -> Ticket:
    with store.read() as connection:
        found = tickets.get(connection, number or 0)
    assert found is not None
    return found


@pytest.fixture
def browser(pages: str, store: Store) -> Iterator[httpx.Client]:
    with signed_in.browser(store, pages) as client:
        yield client


def test_each_reason_says_what_it_does_to_a_returning_alert(browser: httpx.Client, store: Store) -> None:
    page = browser.get(f"/tickets/{opened(store).id}").text
    assert '<details class="card" id="close">' in page
    for reason in ("fixed", "accepted", "duplicate", "wontfix"):
        assert f'name="reason" value="{reason}"' in page
    for words in ("still fires a day from now", "asked for a new reference", "go to that ticket", "at most 90 days"):
        assert words in page


def test_wont_fix_has_a_date_and_is_in_the_audit_log(browser: httpx.Client, store: Store) -> None:
    number = opened(store).id
    day = (datetime.now(UTC) + timedelta(days=10)).date()
    sent = {"reason": "wontfix", "words": "known to jo@example.com", "until": day.isoformat(), "other": ""}
    assert browser.post(f"/tickets/{number}/close", data=sent).status_code == 303
    ticket = load(store, number)
    assert (ticket.state, ticket.close_reason) == ("closed", "wontfix")
    assert ticket.muted_until == datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    with store.read() as connection:
        (entry,) = audit.entries(connection, 1)
    assert entry.action == "ticket_closed"
    assert (entry.details["reason"], entry.details["until"]) == ("wontfix", ticket.muted_until)
    assert "example.com" not in str(entry.details)
    page = browser.get(f"/tickets/{number}").text
    assert f"won&#39;t fix until {day}" in page
    assert "Its alerts still fire." in page
    # What comes weeks later opens it again.
    back = notify(store, alert("v1", start=time.time() + 11 * DAY_S), now=time.time() + 11 * DAY_S)
    assert [(one.id, one.state, one.episode) for one in back] == [(number, "open", 2)]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({}, ""),
        ({"reason": "fixed"}, ""),
        ({"reason": "fixed", "words": "  "}, ""),
        ({"reason": "because", "words": "x"}, ""),
        ({"reason": "wontfix", "words": "x"}, "until when"),
        ({"reason": "wontfix", "words": "x", "until": "2020-01-01"}, "after today"),
        ({"reason": "wontfix", "words": "x", "until": "2999-01-01"}, "90 days"),
        ({"reason": "wontfix", "words": "x", "until": "tomorrow"}, "is no time"),
        ({"reason": "duplicate", "words": "x", "other": "none"}, "such as T-12"),
        ({"reason": "duplicate", "words": "x", "other": "T-99"}, "T-99 is no ticket"),
        ({"reason": "duplicate", "words": "x", "other": "T-1"}, "T-1 is this ticket"),
        ({"reason": "duplicate", "words": "x", "other": "2"}, "T-2 is closed"),
    ],
)
def test_what_lacks_something_closes_nothing(
    browser: httpx.Client, store: Store, sent: dict[str, str], says: str
) -> None:
    first, second = opened(store), opened(store, "v2")
    assert browser.post(f"/tickets/{second.id}/close", data={"reason": "fixed", "words": "done"}).status_code == 303
    refused = browser.post(f"/tickets/{first.id}/close", data=sent)
    assert refused.status_code == 422
    assert says in refused.text.replace("&#39;", "'")
    assert load(store, first.id).state == "open"


def test_a_ticket_is_closed_once(browser: httpx.Client, store: Store) -> None:
    number = opened(store).id
    sent = {"reason": "fixed", "words": "rolled back"}
    assert browser.post(f"/tickets/{number}/close", data=sent).status_code == 303
    assert browser.post("/tickets/99/close", data=sent).status_code == 404
    page = browser.get(f"/tickets/{number}").text
    assert "Closed by hand as fixed" in page
    assert 'id="close"' not in page


def test_what_is_accepted_as_normal_asks_for_a_new_reference(browser: httpx.Client, store: Store) -> None:
    number = opened(store).id
    answer = browser.post(f"/tickets/{number}/close", data={"reason": "accepted", "words": "a new product"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/models/a%2Fb?version=v1&tenant=shop+%26+co&period=changed#freeze"
    assert "freeze a new reference" in browser.get(f"/tickets/{number}").text


def test_alerts_of_a_duplicate_go_to_the_ticket_that_stands_for_it(browser: httpx.Client, store: Store) -> None:
    first, second, third = (opened(store, version) for version in ("v1", "v2", "v3"))
    for one, into in ((third, second), (second, first)):
        sent = {"reason": "duplicate", "words": "the same cause", "other": f"T-{into.id}"}
        assert browser.post(f"/tickets/{one.id}/close", data=sent).status_code == 303
    merged = load(store, first.id)
    assert {found.labels["version"] for found in merged.alerts.values()} == {"v1", "v2", "v3"}
    assert f'href="/tickets/{first.id}">T-{first.id}' in browser.get(f"/tickets/{second.id}").text
    # What is told of the duplicates later, by a notification and by a comparison.
    changed = notify(store, alert("v3", name="NegativeFeedbackHigh"))
    assert [ticket.id for ticket in changed] == [first.id]
    active = [alert("v2"), alert("v3")]
    with store.read() as connection:
        groups = decisions.by_ticket(connection, decisions.by_key(active))
    assert groups == {first.key: active}
    look = Observation(time.time() + 60, tuple(active), Verdict("firing"))
    store.write(lambda c: decisions.apply_observation(c, first.key, look, time.time() + 61, 300.0, WINDOW))
    firing = {found.labels["version"] for found in load(store, first.id).alerts.values() if found.is_firing}
    assert firing == {"v2", "v3"}
    assert load(store, second.id).state == load(store, third.id).state == "closed"


def test_a_duplicate_that_is_reopened_has_its_alerts_again(browser: httpx.Client, store: Store) -> None:
    first, second = opened(store), opened(store, "v2")
    sent = {"reason": "duplicate", "words": "the same cause", "other": str(first.id)}
    assert browser.post(f"/tickets/{second.id}/close", data=sent).status_code == 303
    assert browser.post(f"/tickets/{second.id}/reopen").status_code == 303
    assert load(store, second.id).merged_into is None
    assert [ticket.id for ticket in notify(store, alert("v2", name="NegativeFeedbackHigh"))] == [second.id]


def test_what_stands_for_another_keeps_its_own_name(store: Store) -> None:
    started = time.time()
    (first,), (second,) = notify(store, alert("v1")), notify(store, alert("v0", start=started - 5000))
    closing = Closing("duplicate", "the same", other=first.id)
    store.write(lambda c: decisions.close_by_hand(c, second, closing, "p", started))
    assert load(store, first.id).title == "a/b: drift (v1)"


def test_a_ticket_that_opens_again_and_again_says_so_and_takes_longer_to_close(store: Store) -> None:
    now, number, labels = time.time(), opened(store).id, []
    closing = Closing("fixed", "done")
    for again in range(1, 5):
        at = now + 3600 * again
        store.write(lambda c, at=at: decisions.close_by_hand(c, load(store, number), closing, "p", at))  # type: ignore[misc]  # bound
        notify(store, alert("v1", start=at + 1), now=at + 2)
        labels.append(load(store, number).labels)
    assert labels == [(), (), ("flapping",), ("flapping",)]
    key, closed_at = load(store, number).key, []
    for seconds in range(100, 1100, 100):
        at = now + 20_000 + seconds
        look = Observation(at, (), Verdict("recovered"))
        store.write(lambda c, at=at, look=look: decisions.apply_observation(c, key, look, at, 300.0, WINDOW))  # type: ignore[misc]  # bound
        closed_at += [seconds] if load(store, number).state == "closed" else []
    assert closed_at[0] == 700, "twice the hold"
    # A day later it is a ticket like any other.
    later = now + 3 * DAY_S
    notify(store, alert("v1", start=later), now=later)
    assert load(store, number).labels == ()


def test_only_the_newest_of_an_identity_is_compared(store: Store) -> None:
    now = time.time()
    first = opened(store)
    closing = Closing("fixed", "done")
    store.write(lambda c: decisions.close_by_hand(c, first, closing, "p", now))
    later = now + WINDOW + 100
    (second,) = notify(store, alert("v1", start=later), now=later)
    assert second.id != first.id
    with store.read() as connection:
        assert [ticket.id for ticket in decisions.watched(connection, later)] == [second.id]
        assert [ticket.id for ticket in decisions.watched(connection, now)] == [second.id]


def two(store: Store, now: float) -> tuple[Ticket, Ticket]:
    first, second = notify(store, alert("v1"), alert("v2"), now=now)
    return first, second


def save(store: Store, ticket: Ticket) -> None:
    store.write(lambda connection: tickets.save(connection, ticket))


def close(store: Store, ticket: Ticket, now: float, decision: Closing = FIXED) -> None:
    store.write(lambda c: decisions.close_by_hand(c, load(store, ticket.id), decision, "p", now))


def observe(store: Store, key: str, look: Observation, now: float) -> None:
    store.write(lambda c: decisions.apply_observation(c, key, look, now, 300.0, WINDOW))


def merge(store: Store, ticket: Ticket, into: Ticket, now: float) -> None:
    close(store, ticket, now, Closing("duplicate", "the same", into.id))


def compare(store: Store, now: float, *active: Alert, read_at: float | None = None) -> None:
    """One comparison, as the reconciler makes it."""
    with store.read() as connection:
        groups = decisions.by_ticket(connection, decisions.by_key(active))
        keys = {ticket.key for ticket in decisions.watched(connection, now)} | groups.keys()
    for key in keys:
        look = Observation(read_at or now, tuple(groups.get(key, ())), Verdict("firing"))
        observe(store, key, look, now)


def test_what_fell_silent_in_a_duplicate_must_be_seen_to_be_over_by_the_ticket_that_stands_for_it(store: Store) -> None:
    now = time.time()
    first, second = two(store, now)
    notify(store, alert("v1", firing=False), now=now + 10)
    save(store, replace(load(store, first.id), unreadable_alerts={"0": {"odd": 1}}))
    merge(store, first, second, now + 20)
    stands = load(store, second.id)
    assert {one.labels["version"]: one.status for one in stands.alerts.values()} == {"v1": "resolved", "v2": "firing"}
    assert dict(stands.unreadable_alerts) == {"0": {"odd": 1}}


def test_tickets_of_which_nothing_can_be_read_are_merged(store: Store) -> None:
    now = time.time()
    first, second = two(store, now)
    for ticket in (first, second):
        save(store, replace(ticket, alerts={}, unreadable_alerts={"0": 1}))
    merge(store, first, second, now)
    assert load(store, first.id).merged_into == second.id


@pytest.mark.parametrize(("rests", "wakes"), [(False, True), (True, False)])
def test_a_page_of_a_duplicate_wakes_the_ticket_that_stands_for_it(store: Store, rests: bool, wakes: bool) -> None:
    now = time.time()
    first, second = two(store, now)
    page = replace(alert("v1"), labels={**alert("v1").labels, "severity": "page"})
    notify(store, replace(page, starts_at=now + 5), now=now + 6)
    for ticket in (second, *([first] if rests else [])):
        save(store, replace(load(store, ticket.id), snoozed_until=now + 9000))
    merge(store, first, second, now + 20)
    assert (load(store, second.id).snoozed_until is None) == wakes


def test_what_comes_for_both_long_after_the_merged_ticket_was_closed_is_one_ticket(store: Store) -> None:
    now = time.time()
    first, second = two(store, now)
    merge(store, first, second, now + 20)
    notify(store, alert("v1", firing=False), alert("v2", firing=False), now=now + 30)
    close(store, second, now)
    later = now + WINDOW + DAY_S
    back = (alert("v1", start=later - 9), alert("v2", start=later - 5))
    for minute in range(3):
        compare(store, later + 60 * minute, *back)
    with store.read() as connection:
        (third,) = tickets.load(connection, states=decisions.LIVE)
    assert (third.key, third.version, len(third.alerts)) == (second.key, "v2", 2)
    assert all(one.is_firing for one in third.alerts.values())


def test_a_merge_during_a_comparison_ends_no_alert(store: Store) -> None:
    now = time.time()
    first, second = two(store, now)
    merge(store, first, second, now + 62)
    for one, version in ((first, "v1"), (second, "v2")):
        look = Observation(now + 60, (alert(version, start=now - 500),), Verdict("firing"))
        observe(store, one.key, look, now + 63)
    assert [one.is_firing for one in load(store, second.id).alerts.values()] == [True, True]


def test_an_older_ticket_is_not_reopened_beside_a_newer_one(browser: httpx.Client, store: Store) -> None:
    now = time.time()
    first = opened(store)
    close(store, first, now - 2 * WINDOW)
    (second,) = notify(store, alert("v1", start=now - 1))
    assert second.id != first.id
    refused = browser.post(f"/tickets/{first.id}/reopen")
    assert (refused.status_code, f"T-{second.id} is about the same" in refused.text) == (409, True)
    assert load(store, first.id).state == "closed"


def test_a_failure_whose_notifications_were_both_lost_opens_what_was_closed(store: Store) -> None:
    now = time.time()
    ticket = opened(store)
    close(store, ticket, now)
    compare(store, now + 60, alert("v1", start=ticket.alerts[next(iter(ticket.alerts))].starts_at))
    assert load(store, ticket.id).state == "closed"
    compare(store, now + 600, alert("v1", start=now + 550))
    assert load(store, ticket.id).state == "open"


def test_what_many_tickets_were_merged_into_one_after_the_other_has_all_their_alerts(store: Store) -> None:
    now = time.time()
    alerts = [alert(f"v{number}", start=now - 500) for number in range(26)]
    opened = notify(store, *alerts, now=now)
    for one, other in pairwise(opened):
        merge(store, one, other, now + 10)
    compare(store, now + 60, *alerts)
    last = load(store, opened[-1].id)
    assert [one.is_firing for one in last.alerts.values()] == [True] * 26
    assert [one.id for one in notify(store, alert("v0", start=now + 70), now=now + 71)] == [last.id]
