"""Real Prometheus and Alertmanager for the alerting tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from telltale.binaries import Component, find, how_to_get
from telltale.settings import Settings

Require = Callable[[object, str], None]


@pytest.fixture(scope="session")
def binary(require: Require) -> Callable[[Component], Path]:
    """`binary("promtool")`: its path, or a skip that says how to get it."""

    def found(component: Component) -> Path:
        path = find(Settings(), component)
        require(path, f"{component} is missing: {how_to_get(component)}")
        assert path is not None
        return path.absolute()

    return found
