"""The rules as a PrometheusRule, which the Prometheus operator takes up (monitoring.coreos.com/v1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import yaml

from alerting.rules.rule import Group
from alerting.rules.text import to_yaml
from telltale.settings import Settings

NAME = "telltale"
# What an operator selects rules by differs from cluster to cluster; with kube-prometheus-stack it is its release.
LABELS: Mapping[str, str] = {"app.kubernetes.io/name": "telltale", "app.kubernetes.io/component": "alerting"}


def to_resource(
    groups: Iterable[Group], settings: Settings, namespace: str = "", labels: Mapping[str, str] | None = None
) -> str:
    """The resource as YAML. `labels` come beside ours; without a namespace it goes where it is applied to."""
    head, _, body = to_yaml(groups, settings).partition("groups:\n")
    metadata: dict[str, object] = {"name": NAME, "labels": {**LABELS, **(labels or {})}}
    if namespace:
        metadata["namespace"] = namespace
    top = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata}
    indented = "".join(f"  {line}" if line.strip() else line for line in body.splitlines(keepends=True))
    return f"{head}{yaml.safe_dump(top, sort_keys=False)}spec:\n  groups:\n{indented}"
