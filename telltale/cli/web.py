"""`telltale web`."""

from __future__ import annotations

import argparse

from telltale.cli import start_logging
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the settings."""


def run(args: argparse.Namespace) -> int:
    import alerting.report.pages
    import feedback.routes
    import telltale.web

    settings = load(args.config)
    start_logging(settings.log_level)
    return telltale.web.main(settings, [alerting.report.pages.router, feedback.routes.router])
