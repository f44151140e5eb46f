"""`telltale settings`."""

from __future__ import annotations

import argparse

from telltale import exits
from telltale.settings import ENV_PREFIX, walk


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("filter", nargs="?", default="", help="show only settings whose name holds this")


def run(args: argparse.Namespace) -> int:
    rows = [row for row in walk() if args.filter in row[0]]
    print("\n".join(_line(*row) for row in rows))
    return exits.OK


def _line(key: str, default: str, text: str) -> str:
    return f"{key} = {default or '(none)'}\n    {text}\n    {ENV_PREFIX}{key.replace('.', '__').upper()}"
