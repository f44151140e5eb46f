"""A storm in one ticket: what is kept of it, and that nobody takes what is left out for recovered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from alerting.intake.notification import Alert
from alerting.lifecycle.sources import RuleState
from alerting.lifecycle.state import Observation, Verdict, close, observe, receive
from alerting.lifecycle.storm import MAX_KEPT
from alerting.lifecycle.verify import Facts, Moment, verdict
from telltale.records import Ticket

NOW, HOLD, WINDOW = 1000.0, 300.0, 3600.0
LABELS = {"alertname": "Slow", "severity": "page", "lane": "ops", "namespace": "a", "service": "checkout"}


def pods(numbers: Sequence[int], firing: bool = True) -> list[Alert]:
    ends = None if firing else 900.0
    return [
        Alert(f"{number:x}", firing, LABELS | {"pod": f"p-{number}"}, {"signal": "up"}, 100.0 + number, ends)
        for number in numbers
    ]


def storm() -> Ticket:
    ticket = receive(None, pods(range(500)), NOW, WINDOW).ticket
    assert ticket is not None
    return ticket


def test_a_storm_is_kept_in_part_and_counted() -> None:
    step = receive(None, pods(range(500)), NOW, WINDOW)
    assert step.ticket is not None
    assert (len(step.ticket.alerts), step.ticket.more_alerts) == (MAX_KEPT, 500 - MAX_KEPT)
    assert [event.kind for event in step.events] == ["opened", "alert_firing"]
    assert step.events[1].details["reason"] == "and 499 more"


def test_a_repeated_storm_changes_nothing_in_any_order() -> None:
    ticket = storm()
    step = receive(ticket, pods(range(499, -1, -1)), NOW + 60, WINDOW)
    assert (step.ticket, step.events, step.is_recount) == (ticket, (), False)


def test_the_others_are_counted_again_without_a_line() -> None:
    step = observe(storm(), Observation(NOW + 60, tuple(pods(range(300))), Verdict("firing")), NOW + 60, HOLD, WINDOW)
    assert step.ticket is not None
    assert (step.ticket.more_alerts, step.events, step.is_recount) == (300 - MAX_KEPT, (), True)


def test_what_was_left_out_takes_the_place_of_what_ended() -> None:
    ended = receive(storm(), pods(range(500), firing=False), NOW + 60, WINDOW).ticket
    assert ended is not None
    assert ended.state == "recovering"
    look = Observation(NOW + 120, tuple(pods([498, 499])), Verdict("firing"))
    seen = observe(ended, look, NOW + 120, HOLD, WINDOW).ticket
    assert seen is not None
    assert (seen.state, seen.more_alerts, len(seen.alerts)) == ("open", 0, MAX_KEPT)
    assert {fingerprint for fingerprint, alert in seen.alerts.items() if alert.is_firing} == {"1f2", "1f3"}


def test_a_storm_has_not_recovered_while_prometheus_finds_one_of_it() -> None:
    ended = receive(storm(), pods(range(500), firing=False), NOW, WINDOW).ticket
    assert ended is not None
    for namespace, kind in (("a", "firing"), ("b", "recovered")):
        active = {name: label for name, label in LABELS.items() if name != "cluster"} | {"pod": "p-499"}
        rule = RuleState("Slow", True, NOW, 60.0, (active | {"namespace": namespace},))
        assert verdict(ended, Facts([rule], {Moment("up", NOW)}), NOW).kind == kind


def closed_by_hand(ticket: Ticket) -> Ticket:
    closed = close(ticket, "fixed", "rita", NOW + 100, "rolled back").ticket
    assert closed is not None
    return closed


def test_what_begins_after_a_storm_was_closed_opens_it_again_though_it_cannot_be_kept() -> None:
    begun = replace(pods([900])[0], starts_at=NOW + 200)
    step = receive(closed_by_hand(storm()), [begun], NOW + 210, WINDOW)
    assert step.ticket is not None
    assert (step.ticket.state, step.ticket.episode) == ("open", 2)
    assert "p-900" not in {alert.labels["pod"] for alert in step.ticket.alerts.values()}
    assert [event.kind for event in step.events] == ["reopened", "alert_firing"]


def test_what_takes_the_place_of_an_alert_that_ended_opens_no_closed_storm() -> None:
    look = Observation(NOW + 200, tuple(pods(range(1, 500))), Verdict("firing"))
    seen = observe(closed_by_hand(storm()), look, NOW + 200, HOLD, WINDOW).ticket
    assert seen is not None
    assert (seen.state, seen.more_alerts) == ("closed", 500 - 1 - MAX_KEPT)


@pytest.mark.parametrize("severity", ["ticket", "page"])
def test_a_page_wakes_a_storm_that_rests(severity: str) -> None:
    rests = replace(storm(), snoozed_until=NOW + 9000.0, updated_at=NOW + 100)
    alerts = {
        name: replace(alert, labels={**alert.labels, "severity": severity}) for name, alert in rests.alerts.items()
    }
    page = replace(pods([900])[0], starts_at=NOW + 200)
    step = receive(replace(rests, alerts=alerts, severity=severity), [page], NOW + 210, WINDOW)
    assert step.ticket is not None
    assert step.ticket.snoozed_until is None
    assert "woken" in [event.kind for event in step.events]
    # The others of the storm are no news.
    again = receive(replace(step.ticket, snoozed_until=NOW + 9000.0), [page, *pods(range(500))], NOW + 220, WINDOW)
    assert again.ticket is not None
    assert again.ticket.snoozed_until == NOW + 9000.0


def test_a_page_makes_a_storm_grave() -> None:
    mild = [replace(alert, labels={**alert.labels, "severity": "ticket"}) for alert in pods(range(100))]
    ticket = receive(None, mild, NOW, WINDOW).ticket
    grave = receive(ticket, pods([900]), NOW + 10, WINDOW).ticket
    assert ticket is not None
    assert grave is not None
    assert (ticket.severity, grave.severity) == ("ticket", "page")


def test_of_each_rule_one_alert_is_kept_whose_end_must_be_seen() -> None:
    labels = {"severity": "ticket", "lane": "retrain", "model": "m", "version": "v2"}
    drift = [
        Alert(f"{number:x}", True, labels | {"alertname": "Drift", "tenant": f"t{number}"}, {"signal": "d"}, 100.0)
        for number in range(80)
    ]
    votes = Alert("ffff", True, labels | {"alertname": "Votes"}, {"signal": "v"}, 500.0)
    alerts = [replace(alert, firing=False, ends_at=900.0) for alert in [votes, *drift]]
    ended = receive(receive(None, [*drift, votes], NOW, WINDOW).ticket, alerts, NOW + 10, WINDOW).ticket
    assert ended is not None
    rules = [RuleState("Drift", True, NOW, 60.0, ()), RuleState("Votes", True, NOW, 60.0, ())]
    assert verdict(ended, Facts(rules, {Moment("d", NOW)}), NOW).kind == "blind"
    assert verdict(ended, Facts(rules, {Moment("d", NOW), Moment("v", NOW)}), NOW).kind == "recovered"


def test_times_of_a_clock_that_was_ahead_hold_nothing_up() -> None:
    begun = replace(pods([900])[0], starts_at=NOW + 200)
    ahead = close(storm(), "fixed", "rita", NOW + 40_000.0).ticket
    assert ahead is not None
    again = receive(ahead, [begun], NOW + 210, WINDOW).ticket
    assert again is not None
    assert again.state == "open"
    for until, is_woken in ((NOW + 31 * 86400.0, False), (NOW + 40 * 86400.0, True)):
        look = Observation(NOW + 10, tuple(pods(range(500))), Verdict("firing"))
        seen = observe(replace(storm(), snoozed_until=until), look, NOW + 10, HOLD, WINDOW)
        assert seen.ticket is not None
        assert (seen.ticket.snoozed_until is None) == is_woken
        assert [event.kind for event in seen.events] == ["woken"] * is_woken
