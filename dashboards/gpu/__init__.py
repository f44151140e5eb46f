"""The GPU dashboard: `board.py` lays it out, each other module holds one of its rows."""

from __future__ import annotations

from dashboards.gpu.board import UID, build

__all__ = ["UID", "build"]
