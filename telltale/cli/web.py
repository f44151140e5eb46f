"""`telltale web`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from telltale.cli import start_logging
from telltale.settings import load

if TYPE_CHECKING:
    from fastapi import APIRouter


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the settings."""


def routers() -> list[APIRouter]:
    """The parts' routes that it serves."""
    import alerting.report.pages
    import feedback.routes

    return [alerting.report.pages.router, feedback.routes.router]


def run(args: argparse.Namespace) -> int:
    import telltale.web

    settings = load(args.config)
    start_logging(settings.log_level)
    return telltale.web.main(settings, routers())
