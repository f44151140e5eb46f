"""The trace collector: OTLP in; inference metrics and redacted samples out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telltale.settings import Settings


def main(settings: Settings) -> int:
    """Run the collector until SIGTERM or SIGINT. Returns an exit code. Raises UsageError."""
    from exporters.traces.serve import serve

    return serve(settings)
