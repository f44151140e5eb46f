"""From a condition to a ticket: alert rules, Alertmanager's routes, the webhook, the ticket tracker and its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telltale.settings import Settings

__all__ = ["main"]


def main(settings: Settings) -> int:
    """Run the tracker (`telltale tickets`) until SIGTERM or SIGINT. Returns an exit code. Raises UsageError."""
    from alerting.serve import serve

    return serve(settings)
