"""The configuration of Prometheus and Alertmanager, as their own tools judge it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.generations import on_both

from alerting import rules
from alerting.config import alertmanager, prometheus
from telltale.binaries import Component
from telltale.settings import Settings

Binary = Callable[[Component], Path]

SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "elsewhere": {
        "prometheus": {"url": "https://prom.example:9443"},
        "alertmanager": {"url": "https://am.example/alerts"},
        "tickets": {"listen": "0.0.0.0:9999", "webhook_token_file": "secrets/token"},
    },
    "servers": {
        "prometheus": {
            "scrape_interval": "1s",
            "scrape": [
                {"targets": ["10.0.0.1:8000", "10.0.0.2:8000"], "kind": "vllm", "labels": {"cluster": "a"}},
                {"targets": ["10.0.0.1:9400"], "kind": "dcgm"},
            ],
        }
    },
}


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> Settings:
    return Settings.model_validate(SETTINGS[request.param])


@on_both
def test_promtool_accepts_what_prometheus_reads(settings: Settings, binary: Binary, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules.render(settings))
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/inference.json").write_text(json.dumps(prometheus.targets(settings)))
    file = tmp_path / "prometheus.yml"
    file.write_text(prometheus.render(settings, [tmp_path / "rules.yml"], tmp_path / "targets"))
    done = subprocess.run([binary("promtool"), "check", "config", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        f"{sum(len(group.rules) + len(group.records) for group in rules.catalogue(settings))} rules found"
        in done.stdout
    )


@on_both
def test_amtool_accepts_what_alertmanager_reads(settings: Settings, binary: Binary, tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager.render(settings))
    done = subprocess.run([binary("amtool"), "check-config", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=ModelDriftPersistent", "severity=ticket", "lane=retrain", "model=m"), "tickets"),
        (("alertname=LlmErrorRatioHigh", "severity=page", "lane=ops"), "tickets"),
        (("alertname=Something", "severity=info", "lane=retrain"), "none"),
        (("alertname=Watchdog", "severity=info", "lane=none"), "none"),
        (("alertname=Foreign",), "none"),
    ],
)
def test_alerts_go_where_they_should(labels: tuple[str, ...], receiver: str, binary: Binary, tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager.render(Settings()))
    command = [str(binary("amtool")), "config", "routes", "test", f"--config.file={file}", *labels]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == [receiver]


def test_every_alert_that_inhibits_or_is_inhibited_exists() -> None:
    names = {rule.name for group in rules.catalogue(Settings()) for rule in group.rules}
    for rule in yaml.safe_load(alertmanager.render(Settings()))["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            name, _, value = matcher.partition("=")
            assert name != "alertname" or value.strip('"') in names


def test_servers_are_targets_with_their_kind() -> None:
    assert prometheus.targets(Settings.model_validate(SETTINGS["servers"])) == [
        {
            "targets": ["10.0.0.1:8000", "10.0.0.2:8000"],
            "labels": {"job": "inference", "kind": "vllm", "cluster": "a"},
        },
        {"targets": ["10.0.0.1:9400"], "labels": {"job": "dcgm", "kind": "dcgm"}},
    ]


def test_a_part_that_listens_everywhere_is_scraped_on_loopback() -> None:
    settings = Settings.model_validate({"web": {"listen": "0.0.0.0:80"}, "gpu": {"listen": "[::]:9466"}})
    jobs = prometheus.own_jobs(settings)
    assert (jobs["telltale-web"], jobs["telltale-gpu"]) == ("127.0.0.1:80", "[::1]:9466")


def test_the_webhook_carries_the_token_that_the_tracker_asks_for() -> None:
    webhook = yaml.safe_load(alertmanager.render(Settings.model_validate(SETTINGS["elsewhere"])))["receivers"][1]
    assert webhook["webhook_configs"][0] == {
        "url": "http://127.0.0.1:9999/api/v1/alerts",
        "send_resolved": True,
        "max_alerts": 1000,
        "http_config": {"authorization": {"type": "Bearer", "credentials_file": str(Path("secrets/token").absolute())}},
    }
