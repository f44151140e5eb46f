"""`telltale settings`."""

from __future__ import annotations

import argparse

from telltale.settings import ENV_PREFIX, walk


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("filter", nargs="?", default="", help="show only settings whose name holds this")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")


def run(args: argparse.Namespace) -> int:
    rows = [row for row in walk() if args.filter in row[0]]
    print(markdown() if args.markdown else "\n".join(_line(*row) for row in rows))
    return 0


def markdown() -> str:
    """The settings as the table in the README."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for key, default, text in walk():
        lines.append(f"| `{key}` | {f'`{default}`' if default else ''} | {text} |")
    return "\n".join(lines)


def _line(key: str, default: str, text: str) -> str:
    return f"{key} = {default or '(none)'}\n    {text}\n    {ENV_PREFIX}{key.replace('.', '__').upper()}"
