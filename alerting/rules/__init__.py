"""The alert rules: one catalogue in Python, written as Prometheus' rule file.

`telltale.yml` beside this module is what the default settings give; `render` gives the same for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alerting.rules import dcgm, engine, feedback, gpu, model, monitors, serving, slo, stack, store, tenants, traffic
from alerting.rules.rule import Group
from telltale.settings import Settings

COMMITTED = Path(__file__).parent / "telltale.yml"
COMMITTED_RESOURCE = Path(__file__).parent / "prometheusrule.yml"

__all__ = ["COMMITTED", "COMMITTED_RESOURCE", "catalogue", "render", "resource"]


def catalogue(settings: Settings) -> tuple[Group, ...]:
    """Every rule, in groups; how long conditions last and stay comes from `settings.alerts` for the models' rules.

    Raises SettingsError for a file of objectives that cannot be used.
    """
    parts = tuple(
        Group(f"telltale-{part.__name__.rpartition('.')[2]}", part.rules(settings), getattr(part, "RECORDS", ()))
        for part in (model, monitors, serving, engine, traffic, feedback, tenants, store, gpu, dcgm, stack)
    )
    return (*parts, slo.group(settings))


def render(settings: Settings) -> str:
    """The rule file as YAML."""
    # Pages read the catalogue, where nothing writes YAML: their image has no library for it.
    from alerting.rules.text import to_yaml

    return to_yaml(catalogue(settings), settings)


def resource(settings: Settings, namespace: str = "", labels: Mapping[str, str] | None = None) -> str:
    """The same rules as a PrometheusRule resource for the Prometheus operator."""
    from alerting.rules.kubernetes import to_resource

    return to_resource(catalogue(settings), settings, namespace, labels)
