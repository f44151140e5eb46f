"""The settings of the composed stack: every part finds every other, and accepts the configuration generated for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dashboards.provisioning import environment
from telltale.binaries import find, how_to_get
from telltale.settings import Settings, load

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose" / "telltale.toml"
# Where the image keeps what `prepare` writes.
DATA_DIR = "/var/lib/telltale"
LISTENERS = {
    "collector": ("collector.http_listen", "collector.grpc_listen", "collector.metrics_listen"),
    "gpu": ("gpu.listen",),
    "monitors": ("monitor.listen",),
    "web": ("web.listen",),
    "tickets": ("tickets.listen",),
}


def setting(settings: Settings, key: str) -> str:
    section, _, name = key.partition(".")
    value: str = getattr(getattr(settings, section), name)
    return value


@pytest.fixture
def settings() -> Settings:
    return load(FILE)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """What the service `prepare` leaves in its volume."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    for command in ("rules", "dashboards"):
        subprocess.run(
            [sys.executable, "-m", "telltale", "--config", FILE, command],
            cwd=ROOT,
            env=inherited | {"TELLTALE_DATA_DIR": str(tmp_path)},
            check=True,
            capture_output=True,
        )
    return tmp_path


@pytest.mark.parametrize(("service", "keys"), LISTENERS.items())
def test_a_part_listens_everywhere_on_the_port_where_others_look(
    service: str, keys: tuple[str, ...], services: Json, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services[service]["environment"].items():
        monkeypatch.setenv(name, value)
    inside = load(FILE)
    for key in keys:
        found = setting(settings, key).rpartition(":")
        assert found[0] == service
        assert setting(inside, key) == f"0.0.0.0:{found[2]}"
        assert not found[2].startswith("0")


def test_everything_that_prometheus_scrapes_is_a_service_that_it_reaches(prepared: Path, services: Json) -> None:
    configuration = yaml.safe_load((prepared / "generated" / "prometheus.yml").read_text())
    listed = yaml.safe_load((prepared / "generated" / "targets" / "inference.json").read_text())
    jobs = [config for job in configuration["scrape_configs"] for config in job.get("static_configs") or []]
    alertmanagers = configuration["alerting"]["alertmanagers"][0]["static_configs"]
    hosts = {target.partition(":")[0] for config in (*jobs, *listed, *alertmanagers) for target in config["targets"]}
    assert hosts == {*LISTENERS, "prometheus", "alertmanager", "otel-collector"}
    near = set(services["prometheus"]["networks"])
    assert all(near & set(services[host]["networks"]) for host in hosts)


def test_prometheus_and_alertmanager_read_what_was_prepared(prepared: Path, services: Json) -> None:
    for service, file in (("prometheus", "prometheus.yml"), ("alertmanager", "alertmanager.yml")):
        command = services[service]["command"]
        assert f"--config.file={DATA_DIR}/generated/{file}" in command
        assert (prepared / "generated" / file).is_file()
        assert f"config:{DATA_DIR}:ro" in services[service]["volumes"]
    assert f"config:{DATA_DIR}" in services["prepare"]["volumes"]


def test_it_is_accepted_by_their_own_tools(prepared: Path, require: Callable[[object, str], None]) -> None:
    checks = (("promtool", ["check", "config"], "prometheus.yml"), ("amtool", ["check-config"], "alertmanager.yml"))
    for tool, arguments, file in checks:
        binary = find(Settings(), "promtool" if tool == "promtool" else "amtool")
        require(binary, how_to_get("promtool"))
        assert binary
        done = subprocess.run(
            [binary, *arguments, prepared / "generated" / file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_sends_to_tickets_with_the_secret(prepared: Path, services: Json) -> None:
    receivers = yaml.safe_load((prepared / "generated" / "alertmanager.yml").read_text())["receivers"]
    webhook = next(found for receiver in receivers for found in receiver.get("webhook_configs") or [])
    url = urlsplit(webhook["url"])
    assert (url.hostname, url.port) == ("tickets", 9468)
    assert set(services["alertmanager"]["networks"]) & set(services["tickets"]["networks"])
    token = webhook["http_config"]["authorization"]["credentials_file"]
    assert token == "/run/secrets/webhook_token"
    assert "webhook_token" in services["alertmanager"]["secrets"]
    assert "webhook_token" in services["tickets"]["secrets"]


def test_grafana_reads_what_was_prepared(prepared: Path, services: Json, settings: Settings) -> None:
    made = environment(settings, Path(DATA_DIR) / "grafana")
    for name, value in services["grafana"]["environment"].items():
        if name in made:
            assert value == made[name], name
        path = prepared / Path(str(value)).relative_to(DATA_DIR) if str(value).startswith(DATA_DIR) else ROOT
        assert path.exists(), name
    source = prepared / "grafana" / "provisioning" / "datasources" / "telltale.yaml"
    assert yaml.safe_load(source.read_text())["datasources"][0]["url"] == "http://prometheus:9090"


def test_secrets_are_read_where_they_are_mounted(compose: Json, services: Json, settings: Settings) -> None:
    assert settings.store.url_file == Path("/run/secrets/store_url")
    assert settings.tickets.webhook_token_file == Path("/run/secrets/webhook_token")
    for service in ("collector", "monitors", "web", "tickets", "prepare"):
        assert "store_url" in services[service]["secrets"]
    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} == set(compose["secrets"])
