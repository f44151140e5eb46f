"""A storm in one ticket: what is kept of it, and that nobody takes what is left out for recovered."""

from __future__ import annotations

from collections.abc import Sequence

from alerting.intake.notification import Alert
from alerting.lifecycle.sources import RuleState
from alerting.lifecycle.state import Observation, Verdict, observe, receive
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
