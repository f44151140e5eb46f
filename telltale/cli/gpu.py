"""`telltale gpu`."""

from __future__ import annotations

import argparse

from telltale.cli import start_logging
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="print one reading as a table and exit")
    parser.add_argument(
        "--simulate", type=int, metavar="N", help="N simulated GPUs, named so in every series (default: gpu.simulate)"
    )


def run(args: argparse.Namespace) -> int:
    import exporters.gpu

    settings = load(args.config)
    start_logging(settings.log_level)
    return exporters.gpu.main(settings, once=args.once, simulate=args.simulate)
