"""The committed dashboards, as Grafana reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.build import FOLDER

Json = dict[str, Any]
FILES = sorted(FOLDER.glob("*.json"))


def panels(board: Json) -> Iterator[Json]:
    """Every panel of a dashboard, including those in collapsed rows, without the rows themselves."""
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels") or []


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def board(request: pytest.FixtureRequest) -> Json:
    """Each dashboard in turn."""
    path: Path = request.param
    found: Json = json.loads(path.read_text())
    return found


@pytest.fixture(scope="session")
def boards() -> list[Json]:
    """All dashboards."""
    return [json.loads(path.read_text()) for path in FILES]


@pytest.fixture(scope="session")
def every_panel() -> Any:
    """The function that walks a dashboard's panels."""
    return panels
