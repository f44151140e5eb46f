"""Recovered, firing or blind: what Prometheus must say before a ticket may close."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.lifecycle.sources import RuleState, Versions
from alerting.lifecycle.state import Verdict
from alerting.lifecycle.verify import NO_VERSIONS, Facts, Moment, moments, verdict
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
AT = NOW - 5
RULE = RuleState("ModelDriftPersistent", True, AT, 15.0, ())
FEEDBACK_RULE = replace(RULE, name="NegativeFeedbackHigh")
RUNNING = {"text": True, "feedback": True}


def facts(
    rules: Sequence[RuleState] = (RULE,),
    present: Collection[str] = ("s",),
    running: Mapping[str, bool] | None = RUNNING,
    versions: Versions = NO_VERSIONS,
) -> Facts:
    return Facts(rules, {Moment(signal, AT) for signal in present}, running, versions)


def versions(judged: Collection[str] = (), ended: Collection[str] = ()) -> Versions:
    return Versions(frozenset(judged), frozenset(ended))


def test_recovered_when_everything_says_so() -> None:
    assert verdict(DRIFT, facts(), NOW) == Verdict("recovered")
    assert moments(DRIFT, [RULE], NOW) == {Moment("s", AT)}


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (facts(present=()), "the series it judges is gone: s"),
        (facts(rules=()), "has no rule ModelDriftPersistent"),
        (facts(rules=[replace(RULE, healthy=False)]), "does not evaluate"),
        (facts(rules=[replace(RULE, evaluated_at=NOW - 60)]), "does not evaluate"),
        # Prometheus has started and not evaluated it yet.
        (facts(rules=[replace(RULE, evaluated_at=-62135596800.0)]), "does not evaluate"),
        # Another clock, or ours was set back.
        (facts(rules=[replace(RULE, evaluated_at=NOW + 3600)]), "does not evaluate"),
        (facts(running={"text": False}), "monitor text has finished no run"),
        (facts(running={"feedback": True}), "monitor text has finished no run"),
        (facts(running={}), "monitor text has finished no run"),
        (facts(running=None), "monitor text has finished no run"),
        (Facts(), "has no rule"),
    ],
)
def test_blind_when_something_cannot_be_known(seen: Facts, reason: str) -> None:
    found = verdict(DRIFT, seen, NOW)
    assert found.kind == "blind"
    assert reason in found.reason


def test_a_ticket_without_alerts_has_nothing_that_recovered() -> None:
    assert verdict(ticket(), facts(), NOW).kind == "blind"


def test_an_alert_that_names_no_series_never_recovers_by_itself() -> None:
    unnamed = ticket(f=silent(signal=""))
    assert moments(unnamed, [RULE], NOW) == set()
    found = verdict(unnamed, facts(present=("", "s")), NOW)
    assert (found.kind, found.reason) == ("blind", "ModelDriftPersistent: it names no series that it judges")


def test_a_signal_must_be_as_old_as_what_the_rule_looks_back_on() -> None:
    """A Prometheus that lost its data sees no rise, of what it just began to count."""
    rule = replace(RULE, lookback_s=900.0)
    needed = {Moment("s", AT), Moment("s", AT - 900)}
    assert moments(DRIFT, [rule], NOW) == needed
    young = verdict(DRIFT, Facts([rule], {Moment("s", AT)}, RUNNING), NOW)
    assert (young.kind, "younger" in young.reason) == ("blind", True)
    assert verdict(DRIFT, Facts([rule], needed, RUNNING), NOW).kind == "recovered"


def test_another_monitor_that_is_stale_does_not_matter() -> None:
    assert verdict(DRIFT, facts(running={"text": True, "feedback": False}), NOW).kind == "recovered"


def test_an_alert_of_no_single_monitor_depends_on_all() -> None:
    of_none = ticket(f=silent(labels={"alertname": "ModelDriftPersistent", "component": "model", "model": "m"}))
    assert verdict(of_none, facts(), NOW).kind == "recovered"
    assert verdict(of_none, facts(running={"text": True, "feedback": False}), NOW).kind == "blind"
    assert verdict(of_none, facts(running={}), NOW).kind == "blind"


@pytest.mark.parametrize(
    ("active", "kind"),
    [
        ({"model": "m", "monitor": "text"}, "firing"),
        ({"model": "other", "monitor": "text"}, "recovered"),
    ],
)
def test_pending_or_firing_with_the_same_labels_is_not_recovered(active: dict[str, str], kind: str) -> None:
    assert verdict(DRIFT, facts([replace(RULE, active=(active,))]), NOW).kind == kind


def test_one_alert_that_fires_speaks_for_the_ticket() -> None:
    other = silent("NegativeFeedbackHigh", {"model": "m"}, "gone")
    rules = (replace(RULE, active=({"model": "m"},)), FEEDBACK_RULE)
    assert verdict(ticket(f=silent(), g=other), facts(rules), NOW).kind == "firing"


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (versions(judged=["v1"], ended=["v2"]), "superseded"),
        (versions(judged=["v1"], ended=["v2", "v0"]), "superseded"),
        # Its rows still come, though too few to judge.
        (versions(judged=["v1"]), "blind"),
        (versions(judged=["v1", "v2"]), "blind"),
        # Nobody says anything of it: the monitors' store is another one, or is gone.
        (versions(judged=["v1"], ended=["v0"]), "blind"),
        (versions(judged=["v2"]), "blind"),
        (versions(ended=["v2"]), "blind"),
        (versions(), "blind"),
    ],
)
def test_superseded_when_it_ended_and_another_version_is_judged_in_its_place(seen: Versions, kind: str) -> None:
    assert verdict(DRIFT, facts(present=(), versions=seen), NOW).kind == kind


@pytest.mark.parametrize(
    ("tenant", "kind"), [("shop", "superseded"), ("", "superseded"), ("acme", "blind"), ("quiet", "blind")]
)
def test_a_version_that_is_judged_of_another_tenant_takes_no_ones_place(tenant: str, kind: str) -> None:
    by_tenant = {"": frozenset({"v1"}), "shop": frozenset({"v1"}), "acme": frozenset[str]()}
    seen = facts(present=(), versions=replace(versions(["v1"], ["v2"]), by_tenant=by_tenant))
    assert verdict(ticket(f=silent(labels={**LABELS, "tenant": tenant})), seen, NOW).kind == kind


def test_an_alert_of_no_version_is_never_superseded() -> None:
    labels = {name: value for name, value in LABELS.items() if name != "version"}
    seen = facts(present=(), versions=versions(["v1"], ["", "v2"]))
    assert verdict(ticket(f=silent(labels=labels)), seen, NOW).kind == "blind"
    assert verdict(ticket(f=silent(labels={**labels, "version": ""})), seen, NOW).kind == "blind"


def test_the_people_who_run_services_are_told_of_a_blind_monitor_too() -> None:
    anomaly = replace(silent("ModelAnomalyPersistent"), lane="ops")
    seen = facts([replace(RULE, name="ModelAnomalyPersistent")], running={"text": False})
    assert verdict(ticket(f=anomaly), seen, NOW).kind == "blind"


def test_a_version_that_still_meets_the_condition_is_not_superseded() -> None:
    seen = facts([replace(RULE, active=({"model": "m"},))], present=(), versions=versions(["v1"], ["v2"]))
    assert verdict(DRIFT, seen, NOW).kind == "firing"


def test_without_fresh_monitors_nobody_knows_what_is_served() -> None:
    seen = facts(present=(), running={"text": False}, versions=versions(["v1"], ["v2"]))
    assert verdict(DRIFT, seen, NOW).kind == "blind"


def test_an_alert_that_cannot_be_read_keeps_its_ticket_from_closing() -> None:
    unread = replace(DRIFT, unreadable_alerts={"g": {"status": "?"}})
    found = verdict(unread, facts(), NOW)
    assert (found.kind, found.reason) == ("blind", "1 alerts in the store cannot be read")
    assert verdict(replace(unread, alerts={}), facts(), NOW).kind == "blind"


@given(
    seen=st.builds(
        facts,
        st.lists(
            st.builds(
                RuleState,
                st.sampled_from(["ModelDriftPersistent", "NegativeFeedbackHigh", "Other"]),
                st.booleans(),
                st.sampled_from([AT, -62135596800.0, NOW + 3600, NOW - 3600]),
                st.just(15.0),
                st.sampled_from([(), ({"model": "m"},), ({"model": "other"},)]),
            ),
            max_size=3,
        ),
        st.sets(st.sampled_from(["", "s", "t"])),
        st.none() | st.dictionaries(st.sampled_from(["text", "feedback"]), st.booleans()),
        st.builds(versions, *2 * [st.sets(st.sampled_from(["", "v1", "v2"]))]),
    ),
    alerts=st.dictionaries(
        st.sampled_from("fgh"),
        st.builds(
            silent,
            st.sampled_from(["ModelDriftPersistent", "NegativeFeedbackHigh"]),
            st.sampled_from([LABELS, {"component": "model", "model": "m"}, {"model": "m"}, {"version": ""}]),
            st.sampled_from(["", "s", "t"]),
        ),
    ),
)
def test_nothing_is_over_that_was_not_seen_to_be(seen: Facts, alerts: dict[str, TicketAlert]) -> None:
    """Whatever is missing: each alert needs a rule that was evaluated, and its signal, or its version's end, seen."""
    found = verdict(ticket(**alerts), seen, NOW)
    if found.kind not in ("recovered", "superseded"):
        return
    assert alerts
    for alert in alerts.values():
        assert any(rule.name == alert.name and rule.healthy and rule.evaluated_at == AT for rule in seen.rules)
        was_seen = alert.signal and Moment(alert.signal, AT) in seen.present
        ended = alert.labels.get("version") in seen.versions.ended - {""} and seen.versions.judged
        assert was_seen or ended
        if alert.labels.get("component") == "model":
            assert seen.running
            assert seen.running.get(alert.labels.get("monitor", "text"), True)


@pytest.mark.parametrize(
    ("active", "kind"),
    [
        ({"namespace": "a", "pod": "api-0", "instance": "i:1"}, "firing"),
        ({"namespace": "b", "pod": "api-0"}, "recovered"),
    ],
)
def test_labels_that_are_dropped_on_the_way_hide_no_condition(active: dict[str, str], kind: str) -> None:
    labels = {"alertname": "Slow", "severity": "page", "namespace": "a"}
    seen = facts([RuleState("Slow", True, AT, 15.0, (active,))])
    assert verdict(ticket(f=silent("Slow", labels)), seen, NOW).kind == kind
