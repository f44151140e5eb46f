"""Receivers of the settings as Alertmanager's own integrations. Secrets stay in their files; paths are absolute.

Texts are templates of `message`: `{{ template "telltale.…" . }}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from telltale.settings import Receiver
from telltale.settings.people import ReceiverKind

Table = dict[str, object]

# A group larger than this is cut: a request must stay bounded.
MAX_ALERTS = 1000


def render(receiver: Receiver) -> Table:
    """The receiver with its one integration."""
    key, write = _INTEGRATIONS[receiver.kind]
    # A dead man's switch must not take the end of the Watchdog for a beat.
    resolved = receiver.resolved and not receiver.deadman
    return {"name": receiver.name, key: [{"send_resolved": resolved, **write(receiver)}]}


def _slack(receiver: Receiver) -> Table:
    channel: Table = {"channel": _literal(receiver.channel)} if receiver.channel else {}
    return {
        "api_url_file": _path(receiver.url_file),
        **channel,
        "username": "Telltale",
        "color": _template("color"),
        "fallback": _template("slack.title"),
        "title": _template("slack.title"),
        "title_link": _template("ticket"),
        "text": _template("slack.text"),
    }


def _teams(receiver: Receiver) -> Table:
    summary = {"summary": _template("plain.title")} if receiver.kind == "msteams" else {}
    return {
        "webhook_url_file": _path(receiver.url_file),
        **summary,
        "title": _template("markdown.title"),
        "text": _template("markdown.text"),
    }


def _email(receiver: Receiver) -> Table:
    login: Table = {}
    if receiver.username:
        login = {"auth_username": receiver.username, "auth_password_file": _path(receiver.password_file)}
    return {
        "to": ", ".join(receiver.to),
        "from": receiver.sender,
        "smarthost": receiver.smarthost,
        **login,
        "require_tls": receiver.require_tls,
        "headers": {"Subject": _template("plain.title")},
        "html": _template("html.text"),
        "text": _template("plain.text"),
    }


def _pagerduty(receiver: Receiver) -> Table:
    return {
        "routing_key_file": _path(receiver.key_file),
        **({"url": receiver.url} if receiver.url else {}),
        "client": "Telltale",
        "client_url": _template("ticket"),
        "description": _template("plain.title"),
        "severity": _template("pagerduty.severity"),
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.component }}",
        "group": "{{ .CommonLabels.model }}",
        # Alertmanager adds lists of all alerts with all labels under these two names, unless they are there.
        "details": {
            **_details("pagerduty"),
            "firing": "{{ len .Alerts.Firing }}",
            "resolved": "{{ len .Alerts.Resolved }}",
        },
        "links": [
            {"text": "Ticket", "href": _template("ticket")},
            {"text": "Runbook", "href": "{{ .CommonAnnotations.runbook_url }}"},
            {"text": "Panel", "href": "{{ .CommonAnnotations.dashboard_url }}"},
        ],
    }


def _opsgenie(receiver: Receiver) -> Table:
    return {
        "api_key_file": _path(receiver.key_file),
        **({"api_url": receiver.url.rstrip("/") + "/"} if receiver.url else {}),
        "message": _template("plain.title"),
        "description": _template("plain.text"),
        "source": _template("ticket"),
        "priority": _template("opsgenie.priority"),
        "tags": "telltale,{{ .CommonLabels.severity }},{{ .CommonLabels.lane }}",
        "details": _details("plain"),
    }


def _webhook(receiver: Receiver) -> Table:
    address: Table = {"url_file": _path(receiver.url_file)} if receiver.url_file else {"url": receiver.url}
    token: Table = {"authorization": {"type": "Bearer", "credentials_file": _path(receiver.token_file)}}
    return {**address, "max_alerts": MAX_ALERTS, **({"http_config": token} if receiver.token_file else {})}


def _details(form: str) -> dict[str, str]:
    names = {"what": "what", "how_bad": "bad", "since": "since", "whom_it_hits": "whom", "first_action": "action"}
    return {
        **{key: _template(f"{form}.{name}") for key, name in names.items()},
        "ticket": _template("ticket"),
        "runbook": "{{ .CommonAnnotations.runbook_url }}",
        "panel": "{{ .CommonAnnotations.dashboard_url }}",
    }


def _template(name: str) -> str:
    return f'{{{{ template "telltale.{name}" . }}}}'


def _literal(text: str) -> str:
    """Text that stands for itself where Alertmanager expands templates."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if "{{" in text else text


def _path(file: Path | None) -> str:
    return str(file.absolute()) if file else ""


_INTEGRATIONS: dict[ReceiverKind, tuple[str, Callable[[Receiver], Table]]] = {
    "slack": ("slack_configs", _slack),
    "msteams": ("msteams_configs", _teams),
    "msteamsv2": ("msteamsv2_configs", _teams),
    "email": ("email_configs", _email),
    "pagerduty": ("pagerduty_configs", _pagerduty),
    "opsgenie": ("opsgenie_configs", _opsgenie),
    "webhook": ("webhook_configs", _webhook),
}
