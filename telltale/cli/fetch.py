"""`telltale fetch`."""

from __future__ import annotations

import argparse
import sys

from telltale import exits
from telltale.binaries import find, tools_folder
from telltale.debian import PROMETHEUS, FetchError, fetch
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--missing", action="store_true", help="do nothing if both are here already")
    parser.add_argument("packages", nargs="*", default=PROMETHEUS, help="Debian packages (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if args.missing and find(settings, "prometheus") and find(settings, "alertmanager"):
        return exits.OK
    try:
        fetch(args.packages, tools_folder(settings), lambda step: print(f"fetch: {step}"))
    except FetchError as error:
        print(error, file=sys.stderr)
        return exits.FAILED
    return exits.OK
