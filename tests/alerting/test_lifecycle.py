"""The ticket's lifecycle as a state machine: any notifications, in any order, any number of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.intake.notification import Alert
from alerting.lifecycle.closing import DAY_S, MOST_MUTED_S, CannotClose, Closing, check
from alerting.lifecycle.state import Observation, Step, Verdict, close, is_firing, observe, receive
from telltale.records import Ticket

HOLD, WINDOW = 300.0, 7 * 86400.0
NAMES = ("ModelDriftPersistent", "NegativeFeedbackHigh", "ModelRetrainRecommended")


def alert(
    number: int = 0, firing: bool = True, start: float = 100.0, end: float | None = None, muted: bool = False
) -> Alert:
    labels = {"alertname": NAMES[number % 3], "severity": "ticket", "lane": "retrain", "model": "m", "version": "v"}
    ends = None if firing else (end or start + 50)
    return Alert(f"{number:x}", firing, labels, {"summary": "s", "signal": "x"}, start, ends, muted)


alerts = st.builds(
    lambda number, firing, start, length: alert(number, firing, float(start), float(start + length)),
    st.integers(0, 3), st.booleans(), st.integers(1, 5), st.integers(1, 3),
)  # fmt: skip
# Alertmanager lists an alert once per notification.
message = st.lists(alerts, min_size=1, max_size=4, unique_by=lambda found: found.fingerprint)
messages = st.lists(message, min_size=1, max_size=8)


def run(ticket: Ticket | None, history: Sequence[Sequence[Alert]], now: float = 1000.0) -> Ticket | None:
    for message in history:
        ticket = receive(ticket, message, now, WINDOW).ticket
    return ticket


def facts(ticket: Ticket | None) -> object:
    """State that must not depend on the order of events."""
    if ticket is None:
        return None
    entries = {name: (entry.status, entry.starts_at) for name, entry in ticket.alerts.items()}
    return ticket.state, entries, ticket.title


def opened() -> Ticket:
    ticket = receive(None, [alert()], 1000.0, WINDOW).ticket
    assert ticket is not None
    return replace(ticket, id=1)


@given(messages)
def test_a_doubled_notification_changes_nothing(history: list[list[Alert]]) -> None:
    ticket = run(None, history)
    again = receive(ticket, history[-1], 1001.0, WINDOW)
    assert again.events == ()
    assert again.ticket == ticket


@given(messages, st.randoms(use_true_random=False))
def test_the_order_of_notifications_does_not_matter(history: list[list[Alert]], random: object) -> None:
    """After a ticket opened: late notifications are recognised by their start."""
    first = [alert(0, start=0.5)]
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random
    known = [[alert(number, start=0.5) for number in range(4)]]
    assert facts(run(None, [first, *known, *history])) == facts(run(None, [first, *known, *shuffled]))


@given(messages)
def test_no_notification_ever_closes_a_ticket_or_loses_an_alert(history: list[list[Alert]]) -> None:
    ticket, seen = None, set[str]()
    for message in history:
        ticket = receive(ticket, message, 1000.0, WINDOW).ticket
        known = set(ticket.alerts) if ticket else set()
        assert seen <= known
        assert {a.fingerprint for a in message if a.firing} <= known
        seen = known
        assert ticket is None or ticket.state == ("open" if is_firing(ticket.alerts) else "recovering")


@given(messages, st.sets(st.integers(0, 3)))
def test_a_look_corrects_whatever_was_notified(history: list[list[Alert]], active: set[int]) -> None:
    ticket = run(None, [[alert(0, start=0.5)], *history])
    assert ticket is not None
    look = Observation(2000.0, tuple(alert(number, start=9.0) for number in active), Verdict("recovered"))
    seen = observe(ticket, look, 2000.0, HOLD, WINDOW).ticket
    assert seen is not None
    firing = {name for name, entry in seen.alerts.items() if entry.status == "firing"}
    assert firing == {f"{number:x}" for number in active}
    assert (seen.state, seen.verified_since) == (("open", None) if active else ("recovering", 2000.0))
    assert observe(seen, look, 2001.0, HOLD, WINDOW).events == ()


@given(st.lists(st.sampled_from(["recovered", "superseded", "blind", "firing", "active"]), max_size=12))
def test_a_ticket_closes_only_after_an_unbroken_hold(verdicts: list[str]) -> None:
    ticket, now, good_since = opened(), 1000.0, None
    for kind in verdicts:
        now += 100.0
        look = Observation(
            now, (alert(),) if kind == "active" else (), Verdict("firing" if kind == "active" else kind)  # type: ignore[arg-type]  # a kind
        )  # fmt: skip
        ticket = observe(ticket, look, now, HOLD, WINDOW).ticket or ticket
        good_since = (good_since or now) if kind in ("recovered", "superseded") else None
        assert (ticket.state == "closed") == (good_since is not None and now - good_since >= HOLD)
        if ticket.state == "closed":
            assert ticket.close_reason == kind
            return


pauses = st.sampled_from([1.0, 60.0, 150.0, 299.0, 301.0, 7200.0, 86400.0, -1.0, -60.0, -3600.0, -86400.0])
looks = st.tuples(pauses, st.sampled_from(["recovered", "recovered", "recovered", "superseded", "blind", "firing"]))


@given(st.lists(looks, min_size=1, max_size=14))
def test_nothing_closes_without_being_seen_over_for_the_hold_whatever_the_clock_does(
    history: list[tuple[float, str]],
) -> None:
    """Time may stand still, jump or go back, and nobody may look for a day."""
    ticket, now = opened(), 100_000.0
    seen: list[float] = []
    for pause, kind in history:
        now += pause
        look = Observation(now, (), Verdict(kind), longest_break=200.0)  # type: ignore[arg-type]  # a kind
        ticket = observe(ticket, look, now, HOLD, WINDOW).ticket or ticket
        is_over = kind in ("recovered", "superseded")
        if not is_over or (seen and abs(now - seen[-1]) > 200.0):
            seen = []
        seen += [now] if is_over else []
        if ticket.state == "closed":
            # Comparisons no further apart than that, over the whole hold.
            assert max(seen) - min(seen) >= HOLD
            assert len(seen) > HOLD / 200
            return


def test_a_recovery_that_nobody_watched_begins_its_hold_anew() -> None:
    """The tickets' process, Alertmanager or the store was down in between."""
    ticket, closed_at = opened(), []
    for now in (1100.0, 1160.0, 9000.0, 9060.0, 9120.0, 9180.0, 9240.0, 9300.0):
        look = Observation(now, (), Verdict("recovered"), longest_break=190.0)
        step = observe(ticket, look, now, HOLD, WINDOW)
        assert step.ticket is not None
        ticket = step.ticket
        closed_at += [now] if ticket.state == "closed" else []
        assert ("verified" in kinds(step)) == (now == 1100.0)
    assert closed_at == [9300.0]


def test_an_alert_that_a_clock_far_ahead_received_is_corrected_at_once() -> None:
    """It was received an hour ahead; now the clock is right again, and the alert has ended, or fires again."""
    ticket = receive(None, [alert()], 4600.0, WINDOW).ticket
    assert ticket is not None
    ended = observe(ticket, Observation(1000.0, (), Verdict("blind")), 1001.0, HOLD, WINDOW).ticket
    assert ended is not None
    assert not is_firing(ended.alerts)
    silent = receive(ticket, [alert(firing=False)], 4700.0, WINDOW).ticket
    assert silent is not None
    again = observe(silent, Observation(1000.0, (alert(start=900.0),), Verdict("firing")), 1001.0, HOLD, WINDOW).ticket
    assert again is not None
    assert again.state == "open"


def test_an_alert_that_began_in_the_future_gives_way_to_what_comes_now() -> None:
    ahead = receive(None, [alert(start=90_000.0)], 90_001.0, WINDOW).ticket
    assert ahead is not None
    over = receive(ahead, [alert(start=900.0, firing=False, end=950.0)], 1000.0, WINDOW).ticket
    assert over is not None
    assert over.state == "recovering"
    assert receive(over, [alert(start=970.0)], 1000.0, WINDOW).ticket.state == "open"  # type: ignore[union-attr]  # it is there


def kinds(step: Step) -> list[str]:
    return [event.kind for event in step.events]


def test_resolved_alone_opens_nothing() -> None:
    assert receive(None, [alert(firing=False)], 1000.0, WINDOW) == Step(None)


def test_blindness_is_reported_once_and_keeps_the_ticket() -> None:
    step = observe(opened(), Observation(1100.0, (), Verdict("blind", "gone")), 1100.0, HOLD, WINDOW)
    assert kinds(step) == ["alert_resolved", "recovering", "blind"]
    assert step.ticket is not None
    again = observe(step.ticket, Observation(1200.0, (), Verdict("blind", "gone")), 1200.0, HOLD, WINDOW)
    assert again == Step(step.ticket)


def test_a_condition_that_still_holds_keeps_the_ticket_open_though_no_alert_is_listed() -> None:
    step = observe(opened(), Observation(1100.0, (), Verdict("firing", "still")), 1100.0, HOLD, WINDOW)
    assert step.ticket is not None
    assert step.ticket.state == "open"
    later = observe(step.ticket, Observation(1200.0, (), Verdict("recovered")), 1200.0, HOLD, WINDOW)
    assert kinds(later) == ["verified"]


def closed(reason: str, at: float = 2000.0) -> Ticket:
    silent = receive(opened(), [alert(firing=False, end=1500.0)], 1600.0, WINDOW).ticket
    assert silent is not None
    ticket = close(silent, reason, "somebody", at).ticket
    assert ticket is not None
    return ticket


def test_an_alert_that_returns_in_time_reopens_the_same_ticket() -> None:
    step = receive(closed("recovered"), [alert(start=2500.0)], 2600.0, WINDOW)
    assert step.ticket is not None
    assert (step.ticket.id, step.ticket.state, step.ticket.episode) == (1, "open", 2)
    assert (step.ticket.closed_at, step.ticket.close_reason) == (None, None)
    assert kinds(step) == ["reopened", "alert_firing"]


def test_an_alert_that_returns_late_opens_a_new_ticket_that_names_the_old() -> None:
    step = receive(closed("recovered"), [alert(start=2500.0)], 2000.0 + WINDOW + 1, WINDOW)
    assert step.ticket is not None
    assert (step.ticket.id, step.ticket.episode) == (None, 1)
    assert step.events[0].details == {"previous": 1}


def test_a_late_copy_of_an_old_notification_does_not_reopen() -> None:
    ticket = closed("recovered")
    assert receive(ticket, [alert()], 2100.0, WINDOW) == Step(ticket)


def test_a_wont_fix_of_old_without_a_date_is_never_reopened_but_keeps_its_record() -> None:
    step = receive(closed("wontfix"), [alert(start=2500.0)], 2600.0, WINDOW)
    assert step.ticket is not None
    assert (step.ticket.state, step.ticket.close_reason) == ("closed", "wontfix")
    assert kinds(step) == ["alert_firing"]


def muted(until: float, firing: bool = True) -> Ticket:
    """Closed at 2000 as won't fix until then, while its alert fired, or after."""
    ticket = opened() if firing else closed("wontfix")
    step = close(replace(ticket, muted_until=until), "wontfix", "somebody", 2000.0)
    assert step.ticket is not None
    return step.ticket


def seen_firing(ticket: Ticket, now: float, start: float = 100.0) -> Step:
    look = Observation(now, (alert(start=start),), Verdict("firing"))
    return observe(ticket, look, now, HOLD, WINDOW)


def state_of(step: Step) -> str:
    assert step.ticket is not None
    return step.ticket.state


def test_wont_fix_ends_at_its_date_for_what_returns_and_for_what_fires_on() -> None:
    until = 2000.0 + 30 * DAY_S
    for ticket, start in ((muted(until), 100.0), (muted(until, firing=False), 2500.0)):
        early, late = (seen_firing(ticket, now, start) for now in (until - 1, until))
        assert (state_of(early), state_of(late)) == ("closed", "open")
        assert late.ticket is not None
        # The same ticket: the decision ended just now, however long ago it was made.
        assert (late.ticket.id, late.ticket.muted_until, late.ticket.close_reason) == (1, None, None)
    back = receive(muted(until, firing=False), [alert(start=until + 5)], until + 6, WINDOW)
    assert kinds(back) == ["reopened", "alert_firing"]


def test_wont_fix_set_by_a_clock_far_ahead_mutes_nothing_once_it_is_right() -> None:
    assert state_of(seen_firing(muted(2000.0 + 365 * DAY_S), 2100.0)) == "open"


def test_what_was_closed_as_fixed_opens_again_if_its_alert_fires_on_for_a_day() -> None:
    for reason in ("fixed", "accepted"):
        ticket = close(opened(), reason, "somebody", 2000.0).ticket
        assert ticket is not None
        assert seen_firing(ticket, 2060.0) == Step(ticket)
        assert state_of(receive(ticket, [alert()], 2000.0 + DAY_S - 1, WINDOW)) == "closed"
        again = receive(ticket, [alert()], 2000.0 + DAY_S, WINDOW)
        assert kinds(again) == ["reopened"]
        assert state_of(seen_firing(ticket, 2000.0 + DAY_S)) == "open"
        # A second alert, and one that falls silent beside another that fires on.
        assert state_of(receive(ticket, [alert(1, start=2100.0)], 2200.0, WINDOW)) == "open"
        two = receive(opened(), [alert(1)], 1500.0, WINDOW).ticket
        assert two is not None
        closed_two = close(two, reason, "somebody", 2000.0).ticket
        assert closed_two is not None
        assert state_of(receive(closed_two, [alert(1, firing=False)], 2100.0, WINDOW)) == "closed"


def test_what_was_closed_as_fixed_is_looked_at_until_it_is_seen_to_be_over() -> None:
    ticket = close(opened(), "fixed", "somebody", 2000.0).ticket
    assert ticket is not None
    blind = observe(ticket, Observation(2100.0, (), Verdict("blind", "gone")), 2100.0, HOLD, WINDOW)
    assert kinds(blind) == ["alert_resolved"]
    assert blind.ticket is not None
    over = observe(blind.ticket, Observation(2200.0, (), Verdict("recovered")), 2200.0, HOLD, WINDOW)
    assert over.ticket is not None
    assert (kinds(over), over.ticket.state, over.ticket.verified_since) == (["confirmed"], "closed", 2200.0)
    assert observe(over.ticket, Observation(2300.0, (), Verdict("recovered")), 2300.0, HOLD, WINDOW).events == ()
    again = receive(over.ticket, [alert(start=2400.0)], 2400.0, WINDOW).ticket
    assert again is not None
    assert (again.state, again.verified_since) == ("open", None)


decisions = st.sampled_from(["fixed", "accepted", "wontfix", "recovered", "superseded"])


@given(decisions, st.booleans(), st.lists(st.sampled_from([60.0, 3600.0, DAY_S, 9 * DAY_S]), max_size=10))
def test_no_decision_swallows_an_alert_for_ever(reason: str, firing: bool, pauses: list[float]) -> None:
    until = 2000.0 + 20 * DAY_S if reason == "wontfix" else None
    ticket = close(replace(opened() if firing else closed("recovered"), muted_until=until), reason, "p", 2000.0).ticket
    assert ticket is not None
    now = 2000.0
    for pause in [*pauses, MOST_MUTED_S]:
        now += pause
        # It fires on, or returned after it had been silent.
        step = seen_firing(ticket, now, 100.0 if firing else 2010.0)
        assert step.ticket is not None
        if step.ticket.state == "open":
            assert until is None or now >= until
            return
        ticket = step.ticket
    raise AssertionError("it never opened again")


@pytest.mark.parametrize(
    ("decision", "lacks"),
    [
        (Closing("fixed", "  "), "say why"),
        (Closing("fixed", "x" * 4001), "say why"),
        (Closing("duplicate", "same"), "T-12"),
        (Closing("fixed", "same", other=3), "T-12"),
        (Closing("wontfix", "later"), "until when"),
        (Closing("wontfix", "later", until=1000.0), "after today"),
        (Closing("wontfix", "later", until=1000.0 + MOST_MUTED_S + 1), "90 days"),
    ],
)
def test_a_decision_that_lacks_something_is_refused(decision: Closing, lacks: str) -> None:
    with pytest.raises(CannotClose, match=lacks):
        check(decision, 1000.0)


def test_a_silenced_alert_opens_nothing_but_keeps_a_ticket_from_closing() -> None:
    look = Observation(2500.0, (alert(start=2400.0, muted=True),), Verdict("firing"))
    ticket = closed("recovered")
    assert observe(ticket, look, 2500.0, HOLD, WINDOW) == Step(ticket)
    kept = observe(opened(), look, 2500.0, HOLD, WINDOW)
    assert kept.ticket is not None
    assert kept.ticket.state == "open"


def test_a_notification_newer_than_the_look_is_not_undone() -> None:
    ticket = opened()
    assert observe(ticket, Observation(999.0, (), Verdict("recovered")), 1001.0, HOLD, WINDOW).ticket == ticket
