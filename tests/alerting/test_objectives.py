"""Objectives from a file: what is refused and how, and what is counted of calls for each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerting import rules
from alerting.rules import objectives, slo
from telltale.binaries import Component
from telltale.settings import Settings, SettingsError

FILE = """
layer = "gateway"
aborted = "failed"
least_bad = 5
period = "7d"

[[slo]]
name = "up"
sli = "availability"
objective = 99.9
models = ["m", "llama-*"]
by_tenant = true

[[slo]]
name = "first"
sli = "ttft"
objective = 95
within = "1s"
models = ["m"]

[[slo]]
name = "all-first"
sli = "ttft"
objective = 90
within = "750ms"
layer = "server"

[[slo]]
name = "each"
sli = "tpot"
objective = 99
within = "100ms"
"""


def of(file: Path, text: str, **more: Any) -> Settings:
    file.write_text(text)
    return Settings.model_validate({"alerts": {"slo_file": file}, **more})


@pytest.mark.parametrize(
    ("text", "place", "value", "mend"),
    [
        ("", "slo", "missing", "one [[slo]] or more"),
        ("[[slo]", "", "is not TOML", ""),
        (
            "[[slo]]\nname = 'a'\nsli = 'ttft'\nobjective = 95\nwithin = '0.9s'",
            "slo.0 (a)",
            "within = 0.9s",
            "0.75s or 1s",
        ),
        ("[[slo]]\nname = 'a'\nsli = 'ttft'\nobjective = 95\nwithin = '1h'", "slo.0 (a)", "within = 3600s", "160s"),
        ("[[slo]]\nname = 'a'\nsli = 'tpot'\nobjective = 95\nwithin = '1ms'", "slo.0 (a)", "within = 0.001s", "0.01s"),
        ("[[slo]]\nname = 'a'\nsli = 'tpot'\nobjective = 95", "slo.0 (a)", "within is missing", "0.05s"),
        (
            "[[slo]]\nname = 'a'\nsli = 'tpot'\nobjective = 95\nwithin = '50ms'\nlayer = 'client'",
            "slo.0 (a)",
            "layer = 'client'",
            "write 'server'",
        ),
        (
            "[[slo]]\nname = 'a'\nsli = 'availability'\nobjective = 99\nwithin = '1s'",
            "slo.0 (a)",
            "within = 1",
            "leave it out",
        ),
        ("[[slo]]\nname = 'a'\nsli = 'availability'\nobjective = 0.995", "slo.0 (a)", "0.995", "such as 99.5"),
        ("[[slo]]\nname = 'a'\nsli = 'availability'\nobjective = 90", "slo.0 (a)", "90", "at least 95"),
        ("[[slo]]\nname = 'a'\nsli = 'availability'\nobjective = 100", "slo.0.objective", "100", "such as 99.5"),
        ("[[slo]]\nname = 'A b'\nsli = 'availability'\nobjective = 99", "slo.0.name", "'A b'", "small letters"),
        (
            "[[slo]]\nname = 'a'\nsli = 'latency'\nobjective = 99",
            "slo.0.sli",
            "'latency'",
            "availability, ttft or tpot",
        ),
        (
            "[[slo]]\nname = 'a'\nsli = 'availability'\nobjective = 99\nobjektive = 1",
            "slo.0.objektive",
            "no such key",
            "did you mean objective?",
        ),
        ("[[slo]]\nsli = 'availability'\nobjective = 99", "slo.0.name", "missing", "small letters"),
        (
            "aborted = 'bad'\n[[slo]]\nname = 'a'\nsli = 'availability'\nobjective = 99",
            "aborted",
            "'bad'",
            "ignored or failed",
        ),
        (
            "[[slo]]\nname = 'a'\nsli = 'availability'\nobjective = 99\n" * 2,
            "slo.1 (a)",
            "name = 'a'",
            "choose a second one",
        ),
        (
            "period = '30d'\n[[slo]]\nname = 'a'\nsli = 'availability'\nobjective = 99",
            "period",
            "2592000",
            "prometheus.retention",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_place_value_and_mend(
    tmp_path: Path, text: str, place: str, value: str, mend: str
) -> None:
    file = tmp_path / "slo.toml"
    with pytest.raises(SettingsError) as refused:
        rules.render(of(file, text))
    assert str(file) in str(refused.value)
    assert all(part in str(refused.value) for part in (place, value, mend)), refused.value


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    text = "[[slo]]\nname = 'a'\nsli = 'ttft'\nobjective = 1\n[[slo]]\nname = 'a'\nsli = 'ttft'\nobjective = 99\n"
    with pytest.raises(SettingsError) as refused:
        objectives.of(of(tmp_path / "slo.toml", text))
    assert len(str(refused.value).splitlines()) == 4


def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    settings = Settings.model_validate({"alerts": {"slo_file": tmp_path / "none.toml"}})
    with pytest.raises(SettingsError, match=r"alerts\.slo_file = .*none\.toml: cannot be read"):
        rules.render(settings)


def test_without_a_file_nothing_is_promised_of_latency_and_no_model_is_missed() -> None:
    found = objectives.of(Settings())
    assert [(one.sli, one.objective, one.models) for one in found.slo] == [("availability", 99.5, ("*",))]
    assert slo.EXPECTED not in {record.name for record in slo.group(Settings()).records}


def test_a_budget_is_never_for_longer_than_data_are_kept() -> None:
    assert objectives.of(Settings()).period == 14 * 86400
    assert objectives.of(Settings.model_validate({"prometheus": {"retention": "3d"}})).period == 3 * 86400


def test_the_file_that_settings_name_is_taken_from_their_folder(tmp_path: Path) -> None:
    from telltale.settings import load, named_files

    (tmp_path / "slo.toml").write_text(FILE)
    (tmp_path / "telltale.toml").write_text('[alerts]\nslo_file = "slo.toml"\n')
    settings = load(tmp_path / "telltale.toml")
    assert named_files(settings)["alerts.slo_file"] == tmp_path / "slo.toml"
    assert objectives.of(settings).period == 7 * 86400


def test_what_is_promised_of_named_models_is_expected(tmp_path: Path) -> None:
    group = slo.group(of(tmp_path / "slo.toml", FILE))
    expected = [dict(record.labels) for record in group.records if record.name == slo.EXPECTED]
    assert expected == [
        {"slo": "up", "sli": "availability", "model": "m"},
        {"slo": "first", "sli": "ttft", "model": "m"},
        {"slo": "all-first", "sli": "ttft"},
        {"slo": "each", "sli": "tpot"},
    ]


CALL = 'gen_ai_operation_name="chat",tenant="t"'
FIRST = "gen_ai_client_operation_time_to_first_chunk_seconds"
SERVER = "gen_ai_server_time_to_first_token_seconds"
EACH = "gen_ai_server_time_per_output_token_seconds"
# Series, and calls a minute.
SEEN = {
    'telltale_requests_total{tenant="t",model="m",layer="gateway",status="ok"}': 60,
    'telltale_requests_total{tenant="t",model="m",layer="gateway",status="aborted"}': 6,
    'telltale_requests_total{tenant="u",model="m",layer="gateway",status="error"}': 3,
    'telltale_requests_total{tenant="t",model="llama-3.1",layer="gateway",status="ok"}': 12,
    'telltale_requests_total{tenant="t",model="xllama",layer="gateway",status="ok"}': 12,
    'telltale_requests_total{tenant="t",model="m",layer="client",status="error"}': 60,
    # Asked for, and served under a name that nobody asked for.
    f'{FIRST}_count{{{CALL},gen_ai_request_model="m",gen_ai_response_model="m-1",layer="gateway"}}': 40,
    f'{FIRST}_bucket{{{CALL},gen_ai_request_model="m",gen_ai_response_model="m-1",layer="gateway",le="1.0"}}': 30,
    f'{FIRST}_bucket{{{CALL},gen_ai_request_model="m",gen_ai_response_model="m-1",layer="gateway",le="10.0"}}': 40,
    f'{FIRST}_count{{{CALL},gen_ai_request_model="",gen_ai_response_model="m",layer="gateway"}}': 20,
    f'{FIRST}_bucket{{{CALL},gen_ai_request_model="",gen_ai_response_model="m",layer="gateway",le="1"}}': 20,
    f'{FIRST}_count{{{CALL},gen_ai_request_model="other",gen_ai_response_model="m",layer="gateway"}}': 50,
    f'{FIRST}_count{{{CALL},gen_ai_request_model="m",layer="client"}}': 50,
    f'{FIRST}_count{{{CALL},gen_ai_request_model="m",layer="gateway",error_type="timeout"}}': 50,
    f'{SERVER}_count{{{CALL},gen_ai_request_model="m",layer="server"}}': 10,
    f'{SERVER}_bucket{{{CALL},gen_ai_request_model="m",layer="server",le="0.75"}}': 4,
    f'{EACH}_count{{{CALL},gen_ai_request_model="m",layer="server"}}': 10,
    f'{EACH}_bucket{{{CALL},gen_ai_request_model="m",layer="server",le="0.1"}}': 10,
}
UP = {"slo": "up", "sli": "availability", "layer": "gateway"}
COUNTED = {
    "telltale_slo:calls:increase5m": [
        ({**UP, "model": "m", "tenant": "t"}, 330),
        ({**UP, "model": "m", "tenant": "u"}, 15),
        ({**UP, "model": "llama-3.1", "tenant": "t"}, 60),
        ({"slo": "first", "sli": "ttft", "model": "m", "layer": "gateway"}, 300),
        ({"slo": "all-first", "sli": "ttft", "model": "m", "layer": "server"}, 50),
        ({"slo": "each", "sli": "tpot", "model": "m", "layer": "server"}, 50),
    ],
    "telltale_slo:bad_calls:increase5m": [
        ({**UP, "model": "m", "tenant": "t"}, 30),
        ({**UP, "model": "m", "tenant": "u"}, 15),
        ({**UP, "model": "llama-3.1", "tenant": "t"}, 0),
        ({"slo": "first", "sli": "ttft", "model": "m", "layer": "gateway"}, 50),
        ({"slo": "all-first", "sli": "ttft", "model": "m", "layer": "server"}, 30),
        ({"slo": "each", "sli": "tpot", "model": "m", "layer": "server"}, 0),
    ],
}


def test_calls_are_counted_as_the_file_says(binary: Callable[[Component], Path], tmp_path: Path) -> None:
    text = rules.render(of(tmp_path / "slo.toml", FILE))
    group = next(group for group in yaml.safe_load(text)["groups"] if group["name"] == "telltale-slo")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [group]}))
    cases = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": series, "values": f"0+{calls}x30"} for series, calls in SEEN.items()],
                "promql_expr_test": [
                    {"expr": name, "eval_time": "20m", "exp_samples": [_sample(name, *one) for one in counted]}
                    for name, counted in COUNTED.items()
                ],
            }
        ],
    }
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    promtool = binary("promtool")
    for arguments in (["check", "rules", "rules.yml"], ["test", "rules", "cases.yml"]):
        done = subprocess.run([promtool, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _sample(name: str, labels: dict[str, str], value: float) -> dict[str, object]:
    named = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return {"labels": f"{name}{{{named}}}", "value": value}
