"""`telltale rules`."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale.cli import stack
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="where to write (default: <data_dir>/generated)")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    folder = stack.generated(settings)
    stack.write_configuration(settings)
    if args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
        for name in ("rules.yml", "prometheus.yml", "alertmanager.yml"):
            (args.folder / name).write_text((folder / name).read_text())
        folder = args.folder
    for name in ("rules.yml", "prometheus.yml", "alertmanager.yml"):
        print(folder / name)
    return 0
