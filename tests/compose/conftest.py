"""The compose files, as an engine reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

Json = dict[str, Any]
COMPOSE = Path(__file__).parents[2] / "compose"


@pytest.fixture(scope="session")
def compose() -> Json:
    """compose.yaml with its anchors and merges resolved."""
    found: Json = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="session")
def services(compose: Json) -> dict[str, Json]:
    """The services of compose.yaml."""
    found: dict[str, Json] = compose["services"]
    return found
