"""Grafana dashboards, one for each audience, generated from Python with one house style; and what Grafana reads to
find them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from telltale.settings import Settings


def provision(settings: Settings, folder: Path) -> Mapping[str, str]:
    """Write dashboards and provisioning files below `folder`; returns the environment that Grafana is started with."""
    from dashboards.provisioning import write

    return write(settings, folder)
