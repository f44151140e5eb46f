"""What Prometheus and Alertmanager report now, over their HTTP APIs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import httpx

from alerting.intake.account import Account
from alerting.intake.alert import fit_labels
from alerting.intake.notification import Alert, Malformed, parse_listing
from telltale.records import Judged

TIMEOUT_S = 10.0


class SourceDown(Exception):
    """Prometheus or Alertmanager gave no usable response; the message says which and why."""


@dataclass(frozen=True, slots=True)
class RuleState:
    """One alert rule as Prometheus evaluates it. `active` are the labels of its pending and firing alerts."""

    name: str
    healthy: bool
    evaluated_at: float
    interval_s: float
    active: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of a model: those that the monitors judge now, and all whose rows still come, judged or not."""

    judged: frozenset[str] = frozenset()
    served: frozenset[str] = frozenset()


class Sources:
    """Queries the two servers. Close it."""

    def __init__(self, prometheus: str, alertmanager: str, account: Account | None = None) -> None:
        """`account` is told which of Alertmanager's alerts could not be used."""
        self._prometheus = prometheus
        self._alertmanager = alertmanager
        self._account = account
        # Both are named by address; a proxy of the environment would only stand in the way of loopback.
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def alerts(self) -> tuple[Alert, ...]:
        """Alertmanager's active alerts, silenced and inhibited ones marked. Raises SourceDown."""
        url = f"{self._alertmanager}/api/v2/alerts"
        body = self._get("Alertmanager", url, {"active": "true", "silenced": "true", "inhibited": "true"})
        try:
            taken = parse_listing(body)
        except Malformed as error:
            raise SourceDown(f"Alertmanager's list of alerts cannot be read: {error}") from error
        if self._account:
            self._account.note(taken, "listing")
        return taken.alerts

    def rules(self) -> tuple[RuleState, ...]:
        """Prometheus' alert rules. Raises SourceDown."""
        data = self._api("rules", {"type": "alert"})
        try:
            return tuple(_rule(rule, group) for group in data["groups"] for rule in group["rules"])
        except (KeyError, TypeError, ValueError) as error:
            raise SourceDown("Prometheus' list of rules cannot be read") from error

    def has_series(self, expression: str) -> bool:
        """Whether the expression has any value now. Raises SourceDown, also for an expression that is none."""
        data = self._api("query", {"query": f"count({expression})", "timeout": f"{TIMEOUT_S:.0f}s"})
        try:
            return bool(data["result"])
        except (KeyError, TypeError) as error:
            raise SourceDown("Prometheus' response cannot be read") from error

    def versions(self, model: str) -> Versions:
        """What the monitors say of each version of a model now. Raises SourceDown."""
        # JSON's escapes are also those of PromQL's texts. A version without a name is none that could be served.
        series = f'telltale_monitor_state{{model={json.dumps(model, ensure_ascii=False)},version!=""}}'
        data = self._api("query", {"query": f"count by (version, state) ({series} == 1)"})
        try:
            found = {(row["metric"]["version"], row["metric"]["state"]) for row in data["result"]}
        except (KeyError, TypeError) as error:
            raise SourceDown("Prometheus' response cannot be read") from error
        return Versions(
            judged=frozenset(version for version, state in found if state in get_args(Judged)),
            served=frozenset(version for version, state in found if state != "stale"),
        )

    def _api(self, path: str, parameters: Mapping[str, str]) -> Any:
        body = self._get("Prometheus", f"{self._prometheus}/api/v1/{path}", parameters)
        try:
            return httpx.Response(200, content=body).json()["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceDown("Prometheus' response cannot be read") from error

    def _get(self, who: str, url: str, parameters: Mapping[str, str]) -> bytes:
        try:
            response = self._client.get(url, params=parameters)
        except httpx.HTTPError as error:
            raise SourceDown(f"{who} does not answer ({type(error).__name__})") from error
        if response.status_code != httpx.codes.OK:
            raise SourceDown(f"{who} answers {response.status_code}")
        return response.content


def _rule(rule: Mapping[str, Any], group: Mapping[str, Any]) -> RuleState:
    return RuleState(
        name=rule["name"],
        healthy=rule["health"] == "ok",
        evaluated_at=datetime.fromisoformat(rule["lastEvaluation"]).timestamp(),
        interval_s=float(group["interval"]),
        # Cut as a ticket keeps them, so that its alerts are found among these.
        active=tuple(fit_labels(alert["labels"]).texts for alert in rule["alerts"]),
    )
