"""`telltale rules`."""

from __future__ import annotations

import argparse

from telltale import exits
from telltale.cli import stack
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the settings."""


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    stack.write_configuration(settings)
    for name in ("rules.yml", "gpu.yml", "prometheus.yml", "alertmanager.yml"):
        print(stack.generated(settings) / name)
    return exits.OK
