"""The rule catalogue: what is committed, what promtool reports, and that every rule is documented and tested."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.generations import on_both

from alerting import rules, runbook
from alerting.rules.gpu import FATAL_XIDS
from alerting.rules.rule import Group, Record, Rule
from alerting.rules.survivors import SETTINGS, cases, name_of, read, survivors
from alerting.rules.text import to_yaml
from exporters.gpu.nvml.counters import XIDS
from telltale import catalogue
from telltale.binaries import Component
from telltale.settings import Alerts, Settings

CASES = (Path(__file__).with_name("rules_test.yml"), *sorted((Path(__file__).parent / "rules").glob("*_test.yml")))
TESTS = [test for file in CASES for test in cases(file)]
RECORDED = {record.name for group in rules.catalogue(Settings()) for record in group.records}
ALL = tuple(rule for group in rules.catalogue(Settings()) for rule in group.rules)
# Metrics of Prometheus, Alertmanager and the OpenTelemetry Collector themselves, of the inference servers (vLLM 0.6 to
# 0.32, SGLang 0.4 to 0.5) and of dcgm-exporter with our file of counters; all others are in our catalogue.
FOREIGN = re.compile(
    r"up|ALERTS|prometheus_\w+|alertmanager_\w+|otelcol_exporter_(sent|send_failed)_spans(_total)?"
    r"|vllm:(num_requests_(running|waiting)|generation_tokens_total|num_preemptions_total|request_success_total)"
    r"|vllm:(kv|gpu)_cache_usage_perc"
    r"|sglang:(num_running_reqs|num_queue_reqs|token_usage|gen_throughput|num_retracted_requests_total)"
    # Recorded only where a file of objectives names models.
    r"|telltale_slo:expected:info"
    # Until DCGM 3.3 the field of the clocks was called after throttling.
    r"|DCGM_FI_DEV_CLOCK_THROTTLE_REASONS"
)
COUNTERS = re.findall(r"^(DCGM_\w+),", (Path(rules.__file__).parent / "dcgm-counters.csv").read_text(), re.M)
KEYWORDS = {
    *("sum", "max", "min", "count", "group", "count_values", "rate", "increase", "delta", "deriv", "changes", "floor"),
    *("last_over_time", "max_over_time", "min_over_time", "sum_over_time", "label_replace", "clamp_min", "sqrt"),
    *("time", "vector", "by", "on", "and", "or", "unless", "offset"),
}


def test_the_committed_file_is_what_the_defaults_give() -> None:
    assert rules.COMMITTED.read_text() == rules.render(Settings()), "run `telltale rules` and copy its rules.yml"


@on_both
def test_promtool_finds_nothing_to_say(binary: Callable[[Component], Path], tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(rules.render(Settings()))
    done = subprocess.run(
        [binary("promtool"), "check", "rules", "--lint=all", "--lint-fatal", file], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@on_both
def test_every_rule_fires_and_stays_silent_as_it_should(binary: Callable[[Component], Path], tmp_path: Path) -> None:
    done = _test(binary("promtool"), tmp_path, annotated=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_annotation_can_be_written_out(binary: Callable[[Component], Path], tmp_path: Path) -> None:
    """With annotations no case matches, so promtool prints what it got instead."""
    output = _test(binary("promtool"), tmp_path, annotated=True).stderr
    written = [line for line in output.splitlines() if "Annotations:{" in line and "summary=" in line]
    assert len(written) > len(ALL)
    assert not [line for line in written if "error expanding" in line or "{{" in line or "<no value>" in line]
    for rule in ALL:
        assert f"/runbooks/{rule.name}" in output, rule.name


def _test(promtool: Path, folder: Path, annotated: bool) -> subprocess.CompletedProcess[str]:
    """Each test against the rules that it names, because promtool would evaluate all of them each minute."""
    made = [rule for group in yaml.safe_load(rules.render(SETTINGS))["groups"] for rule in group["rules"]]
    names = []
    for number, test in enumerate(TESTS):
        asked = {case["alertname"] for case in test.get("alert_rule_test", ())}
        asked |= {name_of(rule) for rule in made if name_of(rule) in str(test.get("promql_expr_test", ""))}
        needed = read(asked or {name_of(rule) for rule in made}, made)
        if not annotated:
            needed = [{key: value for key, value in rule.items() if key != "annotations"} for rule in needed]
        (folder / f"{number}.rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": needed}]}))
        own = {key: value for key, value in test.items() if key != "pace"}
        table = {"rule_files": [f"{number}.rules.yml"], "evaluation_interval": test["pace"], "tests": [own]}
        names.append(f"{number}.yml")
        (folder / names[-1]).write_text(yaml.safe_dump(table))
    return subprocess.run([str(promtool), "test", "rules", *names], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_rule_has_cases_that_fire_and_cases_that_do_not(rule: Rule) -> None:
    own = [case for test in TESTS for case in test.get("alert_rule_test", []) if case["alertname"] == rule.name]
    assert any(case.get("exp_alerts") for case in own), "no case fires"
    assert rule.name == "Watchdog" or any(not case.get("exp_alerts") for case in own), "no case is silent"


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_rule_has_a_runbook(rule: Rule) -> None:
    text = (runbook.RUNBOOKS / f"{rule.name}.md").read_text()
    assert re.findall(r"^#+ .*", text, re.M) == [
        f"# {rule.name}",
        "## Meaning",
        "## Impact",
        "## Diagnosis",
        "## Mitigation",
    ]


def test_a_first_action_is_a_sentence_that_stands_by_itself() -> None:
    # In a message nobody sees the list that it is the first case of.
    nouns = r"(A|An|The|Two|Too|One|Not|Disk|Requests|Store)\b"
    cases = [name for name in runbook.names() if re.match(rf"{nouns}[^.,;]*: ", runbook.first_action(name) or "")]

    assert [name for name in cases if not (runbook.first_action(name) or "").startswith("A broken release")] == []


def test_no_runbook_is_left_over() -> None:
    assert {file.stem for file in runbook.RUNBOOKS.glob("*.md")} == {rule.name for rule in ALL}


RECORDS = [record for group in rules.catalogue(Settings()) for record in group.records]


@pytest.mark.parametrize("rule", [*ALL, *RECORDS], ids=lambda rule: rule.name)
def test_a_rule_names_only_metrics_that_exist(rule: Rule | Record) -> None:
    for text in (rule.expr, rule.signal if isinstance(rule, Rule) else ""):
        bare = re.sub(r'"[^"]*"|\{\{.*?\}\}', "", text)
        bare = re.sub(r"\b(by|on|group_left|group_right) \([^)]*\)|\{[^}]*\}|\[[\w:]+\]|\boffset \w+", "", bare)
        names = set(re.findall(r"[a-zA-Z_][\w:]+", bare)) - KEYWORDS - RECORDED - set(COUNTERS)
        known = {name for name in names if FOREIGN.fullmatch(name) or catalogue.metric(name)}
        assert names == known


def test_hold_and_keep_of_the_models_rules_follow_the_settings() -> None:
    table = yaml.safe_load(rules.render(Settings(alerts=Alerts(hold=4.0, keep=0.5))))
    drift = table["groups"][0]["rules"][0]
    assert (drift["for"], drift["keep_firing_for"]) == ("4s", "500ms")


def test_what_a_group_records_stands_before_its_alerts() -> None:
    record = Record("model:calls:rate5m", "sum by (model) (rate(telltale_requests_total[5m]))", {"kind": "all"})
    table = yaml.safe_load(to_yaml([Group("g", ALL[:1], (record,), interval_s=120.0)], Settings()))
    first, second = table["groups"][0]["rules"]
    assert table["groups"][0]["interval"] == "120s"
    assert first == {"record": record.name, "expr": record.expr, "labels": {"kind": "all"}}
    assert second["alert"] == ALL[0].name


def test_every_xid_that_a_rule_asks_for_is_counted_from_zero() -> None:
    # What begins with its first event has not increased.
    asked = {code for rule in ALL for code in re.findall(r'gpu_xid_errors_total{xid=~?"([0-9|]+)"', rule.expr)}
    codes = {int(code) for codes in asked for code in codes.split("|")}

    assert codes >= {*FATAL_XIDS, 94}
    assert codes <= set(XIDS)


def test_a_series_may_go_unjudged_for_the_span_of_its_reference_and_a_day() -> None:
    held = {name: duration for name, duration in _holds(Settings()) if name == "ModelNotJudged"}
    assert held == {"ModelNotJudged": "345600s"}
    assert dict(_holds(SETTINGS)) == dict(_holds(Settings())) | {"ModelNotJudged": "86400s"}


def _holds(settings: Settings) -> list[tuple[str, str]]:
    groups = yaml.safe_load(rules.render(settings))["groups"]
    return [(rule["alert"], rule.get("for", "")) for group in groups for rule in group["rules"] if "alert" in rule]


def test_a_grafana_gets_the_links_to_panels() -> None:
    settings = Settings.model_validate({"grafana": {"url": "https://grafana.example/"}})
    drift = yaml.safe_load(rules.render(settings))["groups"][0]["rules"][0]
    assert drift["annotations"]["dashboard_url"].startswith("https://grafana.example/d/telltale-model?")


@pytest.mark.timeout(900)
def test_the_cases_notice_every_change_of_a_rule(binary: Callable[[Component], Path]) -> None:
    alive, number = survivors(binary("promtool"), CASES, SETTINGS)
    assert number > 1000
    # Some changes no case can notice: half the memory of a series that keeps itself, a label that both sides share.
    assert len(alive) <= 0.05 * number, [f"{mutant.name}: {mutant.change}" for mutant in alive]


def test_every_setting_that_a_runbook_names_exists() -> None:
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    named = {
        (section, key)
        for path in runbook.RUNBOOKS.glob("*.md")
        for section, key in re.findall(r"`([a-z]+)\.([a-z_]+)`", path.read_text())
        if section in sections
    }
    assert named
    assert [one for one in sorted(named) if one[1] not in getattr(sections[one[0]], "model_fields", {})] == []
