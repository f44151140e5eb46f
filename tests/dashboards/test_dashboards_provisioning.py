"""What Grafana reads when it starts."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

import dashboards
from telltale.settings import Settings


def test_provisioning_leads_to_the_dashboards(tmp_path: Path) -> None:
    folder = tmp_path / "a folder: with # signs"
    environment = dashboards.provision(Settings(), folder)
    provisioning = Path(environment["GF_PATHS_PROVISIONING"])
    provider = yaml.safe_load((provisioning / "dashboards" / "telltale.yaml").read_text())["providers"][0]
    shown = sorted(Path(provider["options"]["path"]).glob("*.json"))
    assert [json.loads(path.read_text())["uid"] for path in shown]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home in shown
    # A person's change in the browser would be lost at the next start: Grafana must refuse to save it.
    assert provider["allowUiUpdates"] is False


def test_the_data_source_knows_the_scrape_interval(tmp_path: Path) -> None:
    settings = Settings.model_validate({"prometheus": {"scrape_interval": "500ms", "url": "https://prom.example/x"}})
    environment = dashboards.provision(settings, tmp_path)
    file = Path(environment["GF_PATHS_PROVISIONING"]) / "datasources" / "telltale.yaml"
    source = yaml.safe_load(file.read_text())["datasources"][0]
    assert source["url"] == "https://prom.example/x"
    assert source["jsonData"]["timeInterval"] == "500ms"


def test_grafana_listens_where_the_settings_say(tmp_path: Path) -> None:
    environment = dashboards.provision(Settings.model_validate({"grafana": {"listen": "[::1]:3001"}}), tmp_path)
    assert (environment["GF_SERVER_HTTP_ADDR"], environment["GF_SERVER_HTTP_PORT"]) == ("::1", "3001")
    assert "GF_SERVER_ROOT_URL" not in environment


def test_writing_twice_gives_the_same_files(tmp_path: Path) -> None:
    dashboards.provision(Settings(), tmp_path)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    dashboards.provision(Settings(), tmp_path)
    assert first == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
