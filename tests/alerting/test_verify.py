"""Recovered, firing or blind: what Prometheus must say before a ticket may close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from alerting.lifecycle.sources import RuleState, Versions
from alerting.lifecycle.state import Verdict
from alerting.lifecycle.verify import signals, verdict
from telltale.evidence.alerts import TicketAlert
from telltale.records import Ticket

NOW = 10_000.0
LABELS = {
    "alertname": "ModelDriftPersistent",
    "component": "model",
    "model": "m",
    "version": "v2",
    "monitor": "text",
    "cluster": "on the way",
}


def silent(name: str = "ModelDriftPersistent", labels: Mapping[str, str] = LABELS, signal: str = "s") -> TicketAlert:
    return TicketAlert(
        key="k", lane="retrain", name=name, status="resolved", starts_at=1.0, ends_at=2.0, received_at=2.0,
        labels=labels, signal=signal,
    )  # fmt: skip


def ticket(**alerts: TicketAlert) -> Ticket:
    return Ticket("k", "retrain", "m", "v2", "drift", "recovering", 1, 1.0, 2.0, alerts=alerts)


DRIFT = ticket(f=silent())
RULE = RuleState("ModelDriftPersistent", True, NOW - 5, 15.0, ())
STALE = RuleState("ModelMonitorStale", True, NOW - 5, 15.0, ())
FRESH = (RULE, STALE)
NONE = Versions()


def judged(*versions: str, waiting: tuple[str, ...] = ()) -> Versions:
    return Versions(frozenset(versions), frozenset((*versions, *waiting)))


def test_recovered_when_everything_says_so() -> None:
    assert verdict(DRIFT, FRESH, {"s": True}, NONE, NOW) == Verdict("recovered")
    assert signals(DRIFT.alerts.values()) == {"s"}


@pytest.mark.parametrize(
    ("rules", "present", "reason"),
    [
        (FRESH, {"s": False}, "the series it judges is gone: s"),
        (FRESH, {}, "the series it judges is gone"),
        ((), {"s": True}, "has no rule ModelDriftPersistent"),
        ((replace(RULE, healthy=False), STALE), {"s": True}, "does not evaluate"),
        ((replace(RULE, evaluated_at=NOW - 60), STALE), {"s": True}, "does not evaluate"),
        ((replace(RULE, evaluated_at=-62135596800.0), STALE), {"s": True}, "does not evaluate"),
        ((RULE, replace(STALE, active=({"monitor": "text"},))), {"s": True}, "monitor text"),
    ],
)
def test_blind_when_something_cannot_be_known(
    rules: tuple[RuleState, ...], present: dict[str, bool], reason: str
) -> None:
    found = verdict(DRIFT, rules, present, NONE, NOW)
    assert found.kind == "blind"
    assert reason in found.reason


def test_another_monitor_that_is_stale_does_not_matter() -> None:
    rules = (RULE, replace(STALE, active=({"monitor": "feedback"},)))
    assert verdict(DRIFT, rules, {"s": True}, NONE, NOW).kind == "recovered"


def test_an_alert_of_no_single_monitor_depends_on_all() -> None:
    of_none = ticket(f=silent(labels={"alertname": "ModelDriftPersistent", "component": "model", "model": "m"}))
    rules = (RULE, replace(STALE, active=({"monitor": "feedback"},)))
    assert verdict(of_none, rules, {"s": True}, NONE, NOW).kind == "blind"


@pytest.mark.parametrize(
    ("active", "kind"),
    [
        ({"alertname": "ModelDriftPersistent", "model": "m", "monitor": "text"}, "firing"),
        ({"alertname": "ModelDriftPersistent", "model": "other", "monitor": "text"}, "recovered"),
    ],
)
def test_pending_or_firing_with_the_same_labels_is_not_recovered(active: dict[str, str], kind: str) -> None:
    assert verdict(DRIFT, (replace(RULE, active=(active,)), STALE), {"s": True}, NONE, NOW).kind == kind


def test_one_alert_that_fires_speaks_for_the_ticket() -> None:
    other = silent("NegativeFeedbackHigh", {"model": "m"}, "gone")
    rules = (replace(RULE, active=({"model": "m"},)), RuleState("NegativeFeedbackHigh", True, NOW, 15.0, ()), STALE)
    assert verdict(ticket(f=silent(), g=other), rules, {"s": True}, NONE, NOW).kind == "firing"


@pytest.mark.parametrize(
    ("versions", "kind"),
    [
        (judged("v1"), "superseded"),
        (judged("v1", waiting=("v0",)), "superseded"),
        (judged("v1", "v2"), "blind"),
        (judged("v2"), "blind"),
        (judged("v1", waiting=("v2",)), "blind"),
        (judged(waiting=("v1",)), "blind"),
        (NONE, "blind"),
    ],
)
def test_superseded_when_another_version_is_judged_in_its_place(versions: Versions, kind: str) -> None:
    assert verdict(DRIFT, FRESH, {"s": False}, versions, NOW).kind == kind


def test_an_alert_of_no_version_is_never_superseded() -> None:
    labels = {name: value for name, value in LABELS.items() if name != "version"}
    assert verdict(ticket(f=silent(labels=labels)), FRESH, {"s": False}, judged("v1"), NOW).kind == "blind"


def test_the_people_who_run_services_are_told_of_a_blind_monitor_too() -> None:
    anomaly = replace(silent("ModelAnomalyPersistent"), lane="ops")
    rules = (replace(RULE, name="ModelAnomalyPersistent"), replace(STALE, active=({"monitor": "text"},)))
    assert verdict(ticket(f=anomaly), rules, {"s": True}, NONE, NOW).kind == "blind"


def test_a_version_that_still_meets_the_condition_is_not_superseded() -> None:
    rules = (replace(RULE, active=({"model": "m"},)), STALE)
    assert verdict(DRIFT, rules, {"s": False}, judged("v1"), NOW).kind == "firing"


def test_without_fresh_monitors_nobody_knows_what_is_served() -> None:
    rules = (RULE, replace(STALE, active=({"monitor": "text"},)))
    assert verdict(DRIFT, rules, {"s": False}, judged("v1"), NOW).kind == "blind"


def test_an_alert_that_cannot_be_read_keeps_its_ticket_from_closing() -> None:
    unread = replace(DRIFT, unreadable_alerts={"g": {"status": "?"}})
    found = verdict(unread, FRESH, {"s": True}, NONE, NOW)
    assert (found.kind, found.reason) == ("blind", "1 alerts in the store cannot be read")
