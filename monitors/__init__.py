"""Monitors: windows of samples and votes against a frozen reference; scores, gauges and evidence come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telltale.settings import Settings


def main(settings: Settings) -> int:
    """Run the monitors until SIGTERM or SIGINT. Returns 0, or 2 when the address cannot be used."""
    from monitors.serve import serve

    return serve(settings)
