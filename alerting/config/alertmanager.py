"""Alertmanager's configuration: which alerts become tickets, who is told of them, which one mutes which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from alerting.config import fragment as fragments
from alerting.config import message, receivers, routes
from alerting.config.prometheus import reachable
from alerting.intake.notification import TICKET_SEVERITIES, WEBHOOK_PATH
from alerting.rules.text import duration
from telltale.settings import Settings

# What tells one error budget from another.
BUDGET = ["cluster", "slo", "model", "layer", "tenant"]


def render(settings: Settings, fragment: Mapping[str, Any] | None = None) -> str:
    """alertmanager.yml, with what `fragment.read` found of the operator's own.

    Without receivers, alerts that are only information go nowhere. Raises SettingsError where names clash.
    """
    ours: dict[str, Any] = {
        "receivers": [
            {"name": "none"},
            {"name": "tickets", "webhook_configs": [_webhook(settings)]},
            *(receivers.render(receiver) for receiver in settings.receivers),
        ],
        "inhibit_rules": _inhibitions(),
    }
    if settings.receivers:
        ours["templates"] = [message.FILE]
    names = [receiver["name"] for receiver in ours["receivers"]]
    theirs = fragments.clashes(fragment or {}, names, settings.alertmanager.fragment_file)
    table = fragments.merge({"route": _route(settings, theirs), **ours}, theirs)
    return "# Made by Telltale from its settings; changed there, written again at the next start.\n" + yaml.dump(
        table, Dumper=fragments.Dumper, sort_keys=False
    )


def _route(settings: Settings, fragment: Mapping[str, Any]) -> dict[str, object]:
    tested = [*(receiver.name for receiver in settings.receivers), *fragments.receivers(fragment)]
    return {
        "receiver": "none",
        "group_wait": duration(settings.alerts.group_wait),
        "group_interval": duration(settings.alerts.group_interval),
        "repeat_interval": duration(settings.alerts.repeat_interval),
        "routes": [
            *routes.tests(tested),
            # Tickets get everything, whoever else is told. What shares a ticket shares a group, and a group holds no
            # more than one message can be about: without hosts and pods, so that a storm over five hundred of them is
            # one message and not five hundred.
            {
                "receiver": "tickets",
                "matchers": [f'severity=~"{"|".join(TICKET_SEVERITIES)}"'],
                "group_by": ["lane", "alertname", "cluster", "namespace", "service", "team", "tenant", "model"],
                "continue": True,
                "routes": [{"matchers": ['lane="retrain"'], "group_by": ["lane", "cluster", "model", "version"]}],
            },
            *fragments.route(fragment),
            *routes.people(settings),
        ],
    }


def _webhook(settings: Settings) -> dict[str, object]:
    # A group that is cut loses nothing: the tracker's own comparison finds the rest.
    webhook: dict[str, object] = {
        "url": f"http://{reachable(settings.tickets.listen)}{WEBHOOK_PATH}",
        "send_resolved": True,
        "max_alerts": receivers.MAX_ALERTS,
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
        # One fire is told once, by the alert that hears of it first: its long windows burn later and longer.
        _inhibition("LlmErrorRatioHigh", "LlmErrorBudgetBurnFast", ["cluster", "model", "layer"], 'sli="availability"'),
        _inhibition("LlmErrorBudgetBurnFast", "LlmErrorBudgetBurnSlow", BUDGET),
        _inhibition("LlmErrorBudgetBurnFast", "LlmErrorBudgetBurnTicket", BUDGET),
        _inhibition("LlmErrorBudgetBurnSlow", "LlmErrorBudgetBurnTicket", BUDGET),
    ]


def _inhibition(source: str, target: str, equal: list[str], *only: str) -> dict[str, object]:
    return {
        "source_matchers": [f'alertname="{source}"'],
        "target_matchers": [f'alertname="{target}"', *only],
        "equal": equal,
    }
