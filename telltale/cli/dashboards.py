"""`telltale dashboards`."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale import exits
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="where to write (default: <data_dir>/grafana)")


def run(args: argparse.Namespace) -> int:
    import dashboards

    settings = load(args.config)
    folder = args.folder or settings.data_dir / "grafana"
    environment = dashboards.provision(settings, folder)
    for name, value in sorted(environment.items()):
        print(f"{name}={value}")
    return exits.OK
