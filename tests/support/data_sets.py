"""Calls by number, and what a file of a data set holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

START = 1_700_000_000.0


def trace(number: int) -> str:
    return f"{number + 1:032x}"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]
