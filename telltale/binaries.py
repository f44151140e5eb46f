"""Find the real components: named by the settings, on PATH, or fetched into the data folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal, get_args

from telltale.settings import Settings

Component = Literal["prometheus", "promtool", "alertmanager", "amtool", "grafana"]
COMPONENTS: tuple[Component, ...] = get_args(Component)

# Debian renames Alertmanager's binary; Grafana renamed its own.
_NAMES: dict[Component, tuple[str, ...]] = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "amtool": ("amtool",),
    "grafana": ("grafana", "grafana-server"),
}


def find(settings: Settings, component: Component) -> Path | None:
    """The component's executable, or None. One that the settings name must exist; no other is looked for then."""
    named = {
        "prometheus": settings.prometheus.binary,
        "promtool": settings.prometheus.promtool,
        "alertmanager": settings.alertmanager.binary,
        "amtool": settings.alertmanager.amtool,
        "grafana": settings.grafana.binary,
    }[component]
    if named is not None:
        return named if named.is_file() else None
    for name in _NAMES[component]:
        if found := shutil.which(name, path=None) or shutil.which(name, path=str(tools_folder(settings) / "usr/bin")):
            return Path(found)
    return None


def find_in(folder: Path, component: Component) -> Path | None:
    """The component's executable among what was unpacked into `folder`, or None."""
    found = (shutil.which(name, path=str(folder / "usr/bin")) for name in _NAMES[component])
    return next((Path(path) for path in found if path), None)


def version(binary: Path) -> str | None:
    """What `--version` says, like 3.5.3 or 2.42.0, without what a distribution adds; None if it does not run."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\d+(?:\.\d+)*)", done.stdout + done.stderr)
    return found[1] if found and not done.returncode else None


def tools_folder(settings: Settings) -> Path:
    """Where fetched components are unpacked."""
    return settings.data_dir / "tools"


def how_to_get(component: Component) -> str:
    """How a person can install it."""
    if component == "grafana":
        return "install Grafana so that `grafana` is on PATH, or name it in grafana.binary"
    section = "prometheus" if component in ("prometheus", "promtool") else "alertmanager"
    return f"run `telltale fetch` (Debian, Ubuntu), install it on PATH, or name it in {section}.{_key(component)}"


def _key(component: Component) -> str:
    return "binary" if component in ("prometheus", "alertmanager", "grafana") else component
