"""What Grafana reads when it starts: the data source, where the dashboards lie, and its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dashboards.build import render
from telltale.settings import Settings

DATASOURCE_UID = "prometheus"
HEAD = "# Made by Telltale from its settings; written again at the next start.\n"


def write(settings: Settings, folder: Path) -> Mapping[str, str]:
    """Write dashboards and provisioning files below `folder`; returns the environment that Grafana is started with."""
    folder = folder.absolute()
    shown = folder / "dashboards"
    provisioning = folder / "provisioning"
    _write(provisioning / "datasources" / "telltale.yaml", datasource(settings))
    _write(provisioning / "dashboards" / "telltale.yaml", provider(shown))
    # Grafana logs an error for each kind of provisioning whose folder is missing.
    for kind in ("alerting", "plugins"):
        (provisioning / kind).mkdir(parents=True, exist_ok=True)
    for name, text in render(settings.web_url).items():
        _write(shown / name, text)
    return environment(settings, folder)


def datasource(settings: Settings) -> str:
    """The data source file. A wrong `timeInterval` makes every `$__rate_interval` wrong: it is the scrape interval."""
    return (
        HEAD
        + f"""\
apiVersion: 1
prune: true
datasources:
  - name: Prometheus
    uid: {DATASOURCE_UID}
    type: prometheus
    access: proxy
    url: {_text(settings.prometheus_url)}
    isDefault: true
    editable: false
    jsonData:
      httpMethod: POST
      timeInterval: {_duration(settings.prometheus.scrape_interval)}
      manageAlerts: true
      prometheusType: Prometheus
"""
    )


def provider(dashboards: Path) -> str:
    """The file that names the dashboards' folder."""
    return (
        HEAD
        + f"""\
apiVersion: 1
providers:
  - name: telltale
    folder: Telltale
    type: file
    disableDeletion: true
    allowUiUpdates: false
    updateIntervalSeconds: 30
    options:
      path: {_text(str(dashboards))}
"""
    )


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """Variables for Grafana: nothing leaves the machine, and people must sign in as anywhere else."""
    host, _, port = settings.grafana.listen.rpartition(":")
    return {
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "log"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_SERVER_HTTP_ADDR": host.strip("[]"),
        "GF_SERVER_HTTP_PORT": port,
        **({"GF_SERVER_ROOT_URL": settings.grafana.url} if settings.grafana.url else {}),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(folder / "dashboards" / "overview.json"),
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
    }


def _text(value: str) -> str:
    # JSON's strings are YAML's.
    return json.dumps(value)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f}s" if float(seconds).is_integer() else f"{seconds * 1000:.0f}ms"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written to a temporary file and renamed: Grafana reads this folder while it runs.
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text)
    aside.replace(path)
