"""Two generations of Prometheus and Alertmanager: the newest that `telltale fetch` gets, and this release's."""

from __future__ import annotations

from pathlib import Path

import pytest

from telltale.binaries import COMPONENTS, Component, find, find_in, version
from telltale.settings import Settings

STABLE = Path(__file__).parents[2] / ".telltale/tools-stable"
GENERATIONS = ("newest", "stable")
# For tests that use alerting's `binary`, themselves or through the chain.
on_both = pytest.mark.parametrize("binary", GENERATIONS, indirect=True)


def component(generation: str, name: Component) -> Path | None:
    """The generation's executable, or None."""
    return find_in(STABLE, name) if generation == "stable" else find(Settings(), name)


def how_to_get(generation: str) -> str:
    return f"run `telltale fetch{f' --suite stable --into {STABLE}' if generation == 'stable' else ''}`"


def versions(generation: str) -> dict[str, str]:
    """The version of each component that is here."""
    found = {name: path for name in COMPONENTS if (path := component(generation, name))}
    return {name: version(path) or "does not run" for name, path in found.items()}
