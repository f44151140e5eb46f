"""The PrometheusRule: what is committed, and that the Prometheus operator takes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from alerting import rules
from telltale import exits
from telltale.cli import main
from telltale.settings import Settings

# monitoring.coreos.com_prometheusrules.yaml of the operator: its pattern of durations, and what a rule may have.
DURATION = re.compile(r"(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)")
ALERT, RECORD = {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}, {"record", "expr", "labels"}
LABEL = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
# A ConfigMap that the operator writes them into holds no more.
MOST_BYTES = 1 << 20


def test_the_committed_resource_is_what_the_defaults_give() -> None:
    said = "run `telltale rules --kubernetes` with default settings into alerting/rules/prometheusrule.yml"
    assert rules.COMMITTED_RESOURCE.read_text() == rules.resource(Settings()), said


def test_it_has_the_shape_that_the_operator_asks_for() -> None:
    text = rules.resource(Settings(), "monitoring", {"release": "kube-prometheus-stack"})
    table = yaml.safe_load(text)
    assert (table["apiVersion"], table["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert set(table) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(table["spec"]) == {"groups"}
    assert table["metadata"]["namespace"] == "monitoring"
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", table["metadata"]["name"])
    assert all(LABEL.fullmatch(value) for value in table["metadata"]["labels"].values())
    assert len(text.encode()) < MOST_BYTES
    names = [group["name"] for group in table["spec"]["groups"]]
    assert len(set(names)) == len(names)
    for group in table["spec"]["groups"]:
        assert set(group) <= {"name", "interval", "rules"}
        assert group["name"]
        assert DURATION.fullmatch(group.get("interval", "0"))
        for rule in group["rules"]:
            _check(rule)


def _check(rule: dict[str, object]) -> None:
    assert set(rule) <= (ALERT if "alert" in rule else RECORD), rule
    assert isinstance(rule["expr"], str)
    for key in ("for", "keep_firing_for"):
        assert DURATION.fullmatch(str(rule.get(key, "0"))), rule
    for key in ("labels", "annotations"):
        values = rule.get(key, {})
        assert isinstance(values, dict), rule
        assert all(isinstance(value, str) for value in values.values()), rule


def test_its_rules_are_those_of_the_rule_file() -> None:
    plain = yaml.safe_load(rules.render(Settings()))
    assert yaml.safe_load(rules.resource(Settings()))["spec"] == plain


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["rules", "--kubernetes", "--namespace", "m", "--label", "release=r"]) == exits.OK
    metadata = yaml.safe_load(capsys.readouterr().out)["metadata"]
    assert metadata["namespace"] == "m"
    assert metadata["labels"]["release"] == "r"
    assert main(["rules", "--kubernetes", "--label", "release"]) == exits.USAGE
    assert "--label release: not NAME=VALUE" in capsys.readouterr().err
