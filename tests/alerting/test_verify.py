"""Recovered, firing or blind: what Prometheus must say before a ticket may close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from alerting.lifecycle.sources import RuleState
from alerting.lifecycle.state import Verdict
from alerting.lifecycle.verify import signals, verdict
from telltale.evidence.alerts import TicketAlert
from telltale.records import Ticket

NOW = 10_000.0
LABELS = {
    "alertname": "ModelDriftPersistent",
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


def test_recovered_when_everything_says_so() -> None:
    assert verdict(DRIFT, FRESH, {"s": True}, (), NOW) == Verdict("recovered")
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
    found = verdict(DRIFT, rules, present, (), NOW)
    assert found.kind == "blind"
    assert reason in found.reason


def test_another_monitor_that_is_stale_does_not_matter() -> None:
    rules = (RULE, replace(STALE, active=({"monitor": "feedback"},)))
    assert verdict(DRIFT, rules, {"s": True}, (), NOW).kind == "recovered"


def test_an_alert_of_no_single_monitor_depends_on_all() -> None:
    of_none = ticket(f=silent(labels={"alertname": "ModelDriftPersistent", "model": "m"}))
    rules = (RULE, replace(STALE, active=({"monitor": "feedback"},)))
    assert verdict(of_none, rules, {"s": True}, (), NOW).kind == "blind"


@pytest.mark.parametrize(
    ("active", "kind"),
    [
        ({"alertname": "ModelDriftPersistent", "model": "m", "monitor": "text"}, "firing"),
        ({"alertname": "ModelDriftPersistent", "model": "other", "monitor": "text"}, "recovered"),
    ],
)
def test_pending_or_firing_with_the_same_labels_is_not_recovered(active: dict[str, str], kind: str) -> None:
    assert verdict(DRIFT, (replace(RULE, active=(active,)), STALE), {"s": True}, (), NOW).kind == kind


def test_one_alert_that_fires_speaks_for_the_ticket() -> None:
    other = silent("NegativeFeedbackHigh", {"model": "m"}, "gone")
    rules = (replace(RULE, active=({"model": "m"},)), RuleState("NegativeFeedbackHigh", True, NOW, 15.0, ()), STALE)
    assert verdict(ticket(f=silent(), g=other), rules, {"s": True}, (), NOW).kind == "firing"


@pytest.mark.parametrize(
    ("versions", "kind"),
    [({"v1"}, "superseded"), ({"v1", "v2"}, "blind"), ({"v2"}, "blind"), (set(), "blind")],
)
def test_superseded_when_another_version_is_judged_in_its_place(versions: set[str], kind: str) -> None:
    assert verdict(DRIFT, FRESH, {"s": False}, versions, NOW).kind == kind


def test_a_version_that_still_meets_the_condition_is_not_superseded() -> None:
    rules = (replace(RULE, active=({"model": "m"},)), STALE)
    assert verdict(DRIFT, rules, {"s": False}, {"v1"}, NOW).kind == "firing"


def test_without_fresh_monitors_nobody_knows_what_is_served() -> None:
    rules = (RULE, replace(STALE, active=({"monitor": "text"},)))
    assert verdict(DRIFT, rules, {"s": False}, {"v1"}, NOW).kind == "blind"


def test_an_alert_that_cannot_be_read_keeps_its_ticket_from_closing() -> None:
    unread = replace(DRIFT, unreadable_alerts={"g": {"status": "?"}})
    found = verdict(unread, FRESH, {"s": True}, (), NOW)
    assert (found.kind, found.reason) == ("blind", "1 alerts in the store cannot be read")
