"""Prometheus' configuration: our own parts, the rules, Alertmanager, and inference servers by file discovery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from alerting.rules.text import duration
from telltale.settings import Settings

TARGETS_GLOB = "*.json"
# NVIDIA's own exporter is no inference server; its rules and panels ask for this job.
JOBS = {"dcgm": "dcgm"}
INFERENCE_JOB = "inference"


def render(settings: Settings, rules: Sequence[Path], targets: Path) -> str:
    """prometheus.yml. `rules` are the rule files, `targets` the folder that file discovery watches."""
    interval = settings.prometheus.scrape_interval
    table = {
        "global": {
            "scrape_interval": duration(interval),
            "scrape_timeout": duration(min(10.0, 0.9 * interval)),
            "evaluation_interval": duration(interval),
        },
        "rule_files": [str(file.absolute()) for file in rules],
        "alerting": {"alertmanagers": [_alertmanager(settings)]},
        "scrape_configs": [
            *(_job(name, address) for name, address in own_jobs(settings).items()),
            {
                "job_name": INFERENCE_JOB,
                "file_sd_configs": [{"files": [str(targets.absolute() / TARGETS_GLOB)], "refresh_interval": "30s"}],
            },
        ],
    }
    return "# Made by Telltale from its settings; changed there, written again at the next start.\n" + yaml.safe_dump(
        table, sort_keys=False
    )


def targets(settings: Settings) -> list[dict[str, object]]:
    """Inference servers and foreign exporters as Prometheus' file discovery reads them, with their `kind`."""
    return [
        {
            "targets": list(entry.targets),
            "labels": {"job": JOBS.get(entry.kind, INFERENCE_JOB), "kind": entry.kind, **entry.labels},
        }
        for entry in settings.prometheus.scrape
    ]


def own_jobs(settings: Settings) -> dict[str, str]:
    """Our parts, Prometheus and Alertmanager: job to the address that it is scraped at."""
    return {
        "telltale-collector": reachable(settings.collector.metrics_listen),
        "telltale-gpu": reachable(settings.gpu.listen),
        "telltale-monitor": reachable(settings.monitor.listen),
        "telltale-web": reachable(settings.web.listen),
        "telltale-tickets": reachable(settings.tickets.listen),
        "prometheus": urlsplit(settings.prometheus_url).netloc,
        "alertmanager": urlsplit(settings.alertmanager_url).netloc,
    }


def reachable(listen: str) -> str:
    """The address under which a listener is found from the same machine: wildcards become loopback."""
    host, _, port = listen.rpartition(":")
    loopback = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read, not bound
    return f"{loopback.get(host, host)}:{port}"


def _job(name: str, address: str) -> dict[str, object]:
    return {"job_name": name, "static_configs": [{"targets": [address]}]}


def _alertmanager(settings: Settings) -> dict[str, object]:
    parts = urlsplit(settings.alertmanager_url)
    prefix = {"path_prefix": parts.path} if parts.path else {}
    return {"scheme": parts.scheme, **prefix, "static_configs": [{"targets": [parts.netloc]}]}
