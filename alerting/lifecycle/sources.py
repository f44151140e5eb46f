"""What Prometheus and Alertmanager report now, over their HTTP APIs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

import httpx

from alerting.intake.account import Account
from alerting.intake.alert import fit_labels
from alerting.intake.notification import Alert, Malformed, parse_listing
from alerting.lifecycle.lookback import lookback
from telltale.records import Judged

TIMEOUT_S = 10.0
# Three missed runs are one too many, as for ModelMonitorStale. A monitor that never finished a run since it started has
# no time of the last one, and a time far ahead was set by a clock that is wrong.
_RUNNING = (
    "abs(time() - max by (monitor) (telltale_monitor_last_success_timestamp_seconds))"
    " <= bool 3 * max by (monitor) (telltale_monitor_interval_seconds)"
    " or 0 * max by (monitor) (telltale_monitor_interval_seconds)"
)


class SourceDown(Exception):
    """Prometheus or Alertmanager gave no usable response; the message says which and why."""


@dataclass(frozen=True, slots=True)
class RuleState:
    """One alert rule as Prometheus evaluates it, `evaluated_at` last.

    `active` are the labels of its pending and firing alerts, without those that are the rule's own; `lookback_s` is how
    far back its expression looks.
    """

    name: str
    healthy: bool
    evaluated_at: float
    interval_s: float
    active: tuple[Mapping[str, str], ...]
    lookback_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of a model: those that the monitors judge now, and those that are known to get no rows any more.

    A version that nobody mentions is in neither: nothing is known of it. `by_tenant` are those judged now of each
    tenant's own calls; None where that was not asked.
    """

    judged: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    by_tenant: Mapping[str, frozenset[str]] | None = field(default=None, compare=False)

    def in_place(self, tenant: str) -> frozenset[str]:
        """Versions that take another's place for a tenant, or with "" for the model as a whole."""
        return self.judged if not tenant or self.by_tenant is None else self.by_tenant.get(tenant, frozenset())


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
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceDown("Prometheus' list of rules cannot be read") from error

    def has_series(self, expression: str, at: float) -> bool:
        """Whether the expression had any value then. Raises SourceDown, also for an expression that is none."""
        return bool(self._query(f"count({expression})", time=f"{at:.3f}"))

    def running(self) -> dict[str, bool]:
        """Of each monitor that says how often it runs: has it finished a run lately? Raises SourceDown."""
        try:
            return {row["metric"]["monitor"]: row["value"][1] == "1" for row in self._query(_RUNNING)}
        except (KeyError, TypeError, IndexError) as error:
            raise SourceDown("Prometheus' response cannot be read") from error

    def versions(self, model: str) -> Versions:
        """What the monitors say of each version of a model now. Raises SourceDown."""
        # JSON's escapes are also those of PromQL's texts. A version without a name is none that could be served.
        series = f'telltale_monitor_state{{model={json.dumps(model, ensure_ascii=False)},version!=""}}'
        rows = self._query(f"count by (tenant, version, state) ({series} == 1)")
        try:
            metrics = [row["metric"] for row in rows]
            found = {(metric.get("tenant", ""), metric["version"], metric["state"]) for metric in metrics}
        except (KeyError, TypeError, AttributeError) as error:
            raise SourceDown("Prometheus' response cannot be read") from error
        served = {version for _, version, state in found if state != "stale"}
        judged = {(tenant, version) for tenant, version, state in found if state in get_args(Judged)}
        return Versions(
            judged=frozenset(version for _, version in judged),
            ended=frozenset(version for _, version, _ in found if version not in served),
            by_tenant={own: frozenset(version for tenant, version in judged if tenant == own) for own, _ in judged},
        )

    def _query(self, expression: str, **parameters: str) -> list[Any]:
        data = self._api("query", {"query": expression, "timeout": f"{TIMEOUT_S:.0f}s", **parameters})
        if not isinstance(data, dict) or not isinstance(rows := data.get("result"), list):
            raise SourceDown("Prometheus' response cannot be read")
        return rows

    def _api(self, path: str, parameters: Mapping[str, str]) -> Any:
        body = self._get("Prometheus", f"{self._prometheus}/api/v1/{path}", parameters)
        try:
            answer = json.loads(body)
            status, data = answer["status"], answer["data"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SourceDown("Prometheus' response cannot be read") from error
        # A part that is missing reads as nothing: a proxy over several servers warns when one of them is silent.
        if status != "success" or answer.get("warnings"):
            raise SourceDown("Prometheus' response is incomplete: it carries warnings")
        return data

    def _get(self, who: str, url: str, parameters: Mapping[str, str]) -> bytes:
        try:
            response = self._client.get(url, params=parameters)
        except httpx.HTTPError as error:
            raise SourceDown(f"{who} does not answer ({type(error).__name__})") from error
        if response.status_code != httpx.codes.OK:
            raise SourceDown(f"{who} answers {response.status_code}")
        return response.content


def _rule(rule: Mapping[str, Any], group: Mapping[str, Any]) -> RuleState:
    own = {*rule["labels"], "alertname"}
    return RuleState(
        name=rule["name"],
        healthy=rule["health"] == "ok",
        evaluated_at=datetime.fromisoformat(rule["lastEvaluation"]).timestamp(),
        interval_s=float(group["interval"]),
        # Cut as a ticket keeps them, so that its alerts are found among these.
        active=tuple(
            fit_labels({name: value for name, value in alert["labels"].items() if name not in own}).texts
            for alert in rule["alerts"]
        ),
        lookback_s=lookback(rule["query"]),
    )
