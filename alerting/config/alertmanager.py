"""Alertmanager's configuration: which alerts become tickets, how they are grouped, which one mutes which."""

from __future__ import annotations

import yaml

from alerting.config.prometheus import reachable
from alerting.intake.notification import TICKET_SEVERITIES, WEBHOOK_PATH
from alerting.rules.text import duration
from telltale.settings import Settings

# A group larger than this is cut, and the tracker's own comparison finds the rest: a request must stay bounded.
MAX_ALERTS = 1000


def render(settings: Settings) -> str:
    """alertmanager.yml. Alerts that are only information go nowhere."""
    table = {
        "route": _route(settings),
        "receivers": [{"name": "none"}, {"name": "tickets", "webhook_configs": [_webhook(settings)]}],
        "inhibit_rules": _inhibitions(),
    }
    return "# Made by Telltale from its settings; changed there, written again at the next start.\n" + yaml.safe_dump(
        table, sort_keys=False
    )


def _route(settings: Settings) -> dict[str, object]:
    return {
        "receiver": "none",
        "group_wait": duration(settings.alerts.group_wait),
        "group_interval": duration(settings.alerts.group_interval),
        "repeat_interval": duration(settings.alerts.repeat_interval),
        "routes": [
            # What shares a ticket shares a group, and a group holds no more than one message can be about: without
            # hosts and pods, so that a storm over five hundred of them is one message and not five hundred.
            {
                "receiver": "tickets",
                "matchers": ['lane="retrain"', f'severity=~"{"|".join(TICKET_SEVERITIES)}"'],
                "group_by": ["lane", "cluster", "model", "version"],
            },
            {
                "receiver": "tickets",
                "matchers": [f'severity=~"{"|".join(TICKET_SEVERITIES)}"'],
                "group_by": ["lane", "alertname", "cluster", "namespace", "service", "team", "tenant", "model"],
            },
        ],
    }


def _webhook(settings: Settings) -> dict[str, object]:
    webhook: dict[str, object] = {
        "url": f"http://{reachable(settings.tickets.listen)}{WEBHOOK_PATH}",
        "send_resolved": True,
        "max_alerts": MAX_ALERTS,
    }
    if settings.tickets.webhook_token_file:
        token = str(settings.tickets.webhook_token_file.absolute())
        webhook["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": token}}
    return webhook


def _inhibitions() -> list[dict[str, object]]:
    # ModelMonitorStale inhibits nothing: a blind monitor must not hide what was seen before it went blind.
    return [
        _inhibition("GpuXidFatal", "GpuLost", ["instance", "uuid"]),
        _inhibition("CollectorDown", "CollectorRejecting", ["cluster"]),
    ]


def _inhibition(source: str, target: str, equal: list[str]) -> dict[str, object]:
    return {
        "source_matchers": [f'alertname="{source}"'],
        "target_matchers": [f'alertname="{target}"'],
        "equal": equal,
    }
