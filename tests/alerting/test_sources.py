"""What is read from Prometheus' answers: whole ones only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from alerting.lifecycle.sources import RuleState, SourceDown, Sources, Versions

Answering = Callable[[object], Sources]
RULE = {
    "name": "Drift",
    "query": "increase(x[10m]) > 0",
    "labels": {"severity": "ticket"},
    "health": "ok",
    "lastEvaluation": "1970-01-01T00:01:00Z",
    "alerts": [{"labels": {"alertname": "Drift", "severity": "ticket", "model": "m"}}],
}


@pytest.fixture
def answering(answers: tuple[str, Callable[[str], None]]) -> Iterator[Answering]:
    """Sources whose Prometheus responds with that to everything."""
    url, respond = answers
    sources = Sources(url, url)

    def with_body(body: object) -> Sources:
        respond(json.dumps(body))
        return sources

    yield with_body
    sources.close()


def success(data: object, **more: object) -> dict[str, object]:
    return {"status": "success", "data": data, **more}


def rows(*found: tuple[dict[str, str], str]) -> dict[str, object]:
    return {"resultType": "vector", "result": [{"metric": labels, "value": [0, value]} for labels, value in found]}


def test_a_rule_with_its_alerts_without_its_own_labels(answering: Answering) -> None:
    groups = success({"groups": [{"interval": 15, "rules": [RULE]}]})
    assert answering(groups).rules() == (RuleState("Drift", True, 60.0, 15.0, ({"model": "m"},), 600.0),)


def test_an_alert_without_labels_of_its_own_is_one(answering: Answering) -> None:
    always = {**RULE, "alerts": [{"labels": {"alertname": "Drift", "severity": "ticket"}}]}
    (rule,) = answering(success({"groups": [{"interval": 15, "rules": [always]}]})).rules()
    assert rule.active == ({},)


def test_versions_by_what_the_monitors_say_of_them(answering: Answering) -> None:
    found = [("v1", "ok"), ("v1", "stale"), ("v2", "stale"), ("v3", "gathering")]
    body = success(rows(*(({"version": version, "state": state}, "1") for version, state in found)))
    assert answering(body).versions("m") == Versions(judged=frozenset({"v1"}), ended=frozenset({"v2"}))
    assert answering(success(rows())).versions("m") == Versions()
    of_tenants = [("shop", "v1", "ok"), ("acme", "v1", "gathering"), ("acme", "v2", "stale")]
    body = success(rows(*(({"tenant": a, "version": b, "state": c}, "1") for a, b, c in of_tenants)))
    seen = answering(body).versions("m")
    assert [seen.in_place(tenant) for tenant in ("", "shop", "acme", "new")] == [{"v1"}, {"v1"}, set(), set()]


def test_monitors_that_run_and_that_do_not(answering: Answering) -> None:
    body = success(rows(({"monitor": "text"}, "1"), ({"monitor": "votes"}, "0")))
    assert answering(body).running() == {"text": True, "votes": False}
    assert answering(success(rows())).running() == {}


@pytest.mark.parametrize(
    "body",
    [
        success(rows(({}, "1")), warnings=["No StoreAPIs matched for this query"]),
        {"status": "error", "data": rows(({}, "1"))},
        {"data": rows(({}, "1"))},
        success(None),
        success({"result": None}),
        success({}),
        success([]),
        [],
        None,
    ],
)
def test_an_answer_that_is_not_whole_says_nothing(answering: Answering, body: object) -> None:
    sources = answering(body)
    for ask in (lambda: sources.has_series("x", 1.0), sources.running, lambda: sources.versions("m"), sources.rules):
        with pytest.raises(SourceDown):
            ask()


@pytest.mark.parametrize("part", sorted(RULE))
def test_a_rule_that_lacks_a_part_cannot_be_read(answering: Answering, part: str) -> None:
    rule = {name: value for name, value in RULE.items() if name != part}
    with pytest.raises(SourceDown):
        answering(success({"groups": [{"interval": 15, "rules": [rule]}]})).rules()
