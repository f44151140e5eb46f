"""`telltale export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale.cli import start_logging
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--ticket", metavar="T-NUMBER", help="the data set of a ticket")
    what.add_argument("--model", help="the data set of a model")
    what.add_argument(
        "--repeat", type=Path, metavar="MANIFEST", help="the data set of a manifest once more, to the byte"
    )
    parser.add_argument(
        "--format",
        choices=("kto", "sft", "prompts", "jsonl"),
        default="kto",
        help="kto: prompt, completion, label; sft: messages; prompts: prompt; jsonl: everything (default: %(default)s)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="file to write; one that exists is not touched"
    )


def run(args: argparse.Namespace) -> int:
    import feedback.export

    settings = load(args.config)
    start_logging(settings.log_level)
    if args.repeat:
        return feedback.export.repeat(settings, args.repeat, args.output)
    return feedback.export.main(settings, ticket=args.ticket, model=args.model, format=args.format, output=args.output)
