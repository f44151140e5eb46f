"""`telltale export`."""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

from telltale.cli import progress, start_logging
from telltale.settings import load

EXAMPLES = """\
formats, in the columns of Hugging Face TRL's trainers (conversational; tools where the call had some):
  sft      messages                    people's corrections, and responses that they approve of
  dpo      prompt, chosen, rejected    a correction beside what the model answered; an accepted answer beside a
                                       rejected one to the same prompt, as reviewers judged
  kto      prompt, completion, label   responses that more people like than dislike, or the reverse
  reward   chosen, rejected            the pairs of dpo, each with the prompt in it
  prompts  prompt                      every prompt once (GRPO, RLOO and other online methods)
  jsonl    all that is known           every call as it is kept, with its feedback

examples:
  telltale export --ticket T-12 --format dpo -o t12.jsonl
  telltale export --model chat --format sft --test 0.1 -o sets/chat-sft
  telltale export --model chat --format kto --golden tests/held-out.jsonl --layout hf --file parquet -o sets/chat-kto
  telltale export --repeat sets/chat-sft/manifest.json -o again

Beside the rows are a manifest (what it was made of, counts, what was left out and why, SHA-256 of each file) and
refs.jsonl (which call each row comes from). Nothing is overwritten, and the same again is the same bytes.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--ticket", metavar="T-NUMBER", help="the calls that a ticket is about, while it was open")
    what.add_argument("--model", help="all calls of a model")
    what.add_argument(
        "--repeat", type=Path, metavar="MANIFEST", help="the data set of a manifest once more, to the byte"
    )
    parser.add_argument("--tenant", help="whose calls; needed where a model has several tenants, for none mix in a set")
    parser.add_argument(
        "--format",
        choices=("sft", "dpo", "kto", "reward", "prompts", "jsonl"),
        default="kto",
        help="which rows and columns, see below (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="x.jsonl or x.parquet: one file; any other name: a folder. What exists is not touched",
    )
    parser.add_argument("--name", help="what the set is called; each that differs is its next version")
    parser.add_argument("--file", choices=("jsonl", "parquet"), help="the kind of files in a folder (default: jsonl)")
    parser.add_argument(
        "--layout",
        choices=("hf", "mlflow"),
        help="a folder as datasets.load_dataset loads it, with a dataset card (hf, the default), or as MLflow logs it",
    )
    parser.add_argument(
        "--test",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="set this share of the conversations aside for tests, such as 0.1; needs a folder (default: none)",
    )
    parser.add_argument(
        "--golden",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="held-out prompts (.jsonl, or .txt with one a line): rows with these or nearly these are left out",
    )
    parser.add_argument("--pairs", type=_count, default=2, metavar="N", help="most pairs of one prompt (default: 2)")
    parser.add_argument(
        "--without-own-votes",
        action="store_true",
        help="leave out rows that only the person supports who made the call",
    )


def run(args: argparse.Namespace) -> int:
    import feedback.export

    settings = load(args.config)
    start_logging(settings.log_level)
    # A third of the time would go into looking for circles among rows, of which there are none.
    gc.disable()
    try:
        if args.repeat:
            return feedback.export.repeat(settings, args.repeat, args.output, args.golden, _show)
        return feedback.export.main(
            settings,
            ticket=args.ticket,
            model=args.model,
            tenant=args.tenant,
            format=args.format,
            output=args.output,
            kind=args.file,
            layout=args.layout,
            golden=args.golden,
            name=args.name,
            progress=_show,
            test_share=args.test,
            per_prompt=args.pairs,
            own_votes=not args.without_own_votes,
        )
    finally:
        gc.enable()
        progress.show("", 1.0)


def _show(share: float) -> None:
    progress.show("calls read", share)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share of rows: write a number from 0 to below 1, such as 0.1")
    return share


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is no number of pairs: write one from 1 to 1000")
    return int(text)
