"""`telltale import`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from telltale.cli import progress
from telltale.settings import load

if TYPE_CHECKING:
    from feedback.importing.plan import Scale

SOURCES: Final = ("user", "reviewer", "judge", "system")
FIELDS: Final = (
    "trace_id", "span_id", "kind", "name", "value", "scale", "comment", "subject", "source", "received_at",
    "idempotency_key",
)  # fmt: skip
EXAMPLES = """\
from:
  csv, jsonl  the fields of the feedback API, as columns or one object a line: trace_id, span_id, kind, name, value,
              scale (1:5), comment, subject, source, received_at, idempotency_key. UTF-8
  langfuse    scores: the batch export (.csv, .json, .jsonl), pages of GET /api/public/v2/scores (.jsonl), or rows of
              the database. Scores of annotators are reviewers', of evaluators a judge's, of the API users' (--source)
  tensorzero  rows of BooleanMetricFeedback, FloatMetricFeedback, CommentFeedback and DemonstrationFeedback
              (FORMAT JSONEachRow), or of PostgreSQL's tables. They name inferences and episodes: say which trace each
              of them is with --traces, or where it stands with --map

examples:
  telltale import feedback votes.csv --from csv --tenant shop --map trace_id=request_id,comment=text --set kind=thumb
  telltale import feedback scores.json --from langfuse --tenant shop --scale stars=1:5 --source toxicity=judge
  telltale import feedback boolean.jsonl float.jsonl comment.jsonl --from tensorzero --tenant shop \\
    --traces inferences.csv --scale stars=1:5 --scale mistakes=10:0

A line that cannot be read is named on standard error (in --errors FILE without a limit) and keeps no other out; the
exit code is 1 then. The original times stay. What was stored before is not stored twice: mend the lines, and import the
file again. Comments are redacted and people's names hashed, as in the API.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("what", choices=("feedback",), help="what is in the files")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="files of any size")
    parser.add_argument(
        "--from", dest="origin", required=True, choices=("csv", "jsonl", "langfuse", "tensorzero"), help="see below"
    )
    parser.add_argument("--tenant", required=True, help="whose feedback it is; `unknown` where tenants have no names")
    parser.add_argument(
        "--map", type=_fields, action="append", default=[], metavar="FIELD=COLUMN,...",
        help="where a field stands, if not in a column of its name; COLUMN.KEY: in the object in a column",
    )  # fmt: skip
    parser.add_argument(
        "--set", type=_fields, action="append", default=[], metavar="FIELD=VALUE,...", help="a field of all records"
    )
    parser.add_argument(
        "--scale", type=_scale, action="append", default=[], metavar="NAME=WORST:BEST",
        help="of ratings of this name; langfuse's are 0:1 if not given, and WORST may be the greater number",
    )  # fmt: skip
    parser.add_argument(
        "--source", type=_source, action="append", default=[], metavar="NAME=SOURCE",
        help=f"who gives scores of this name: {', '.join(SOURCES)}; only people's votes count (langfuse, tensorzero)",
    )  # fmt: skip
    parser.add_argument(
        "--traces", type=Path, metavar="FILE",
        help="which trace an id of the other tool is: .csv or .jsonl with id, trace_id and, if one is meant, span_id",
    )  # fmt: skip
    parser.add_argument("--errors", type=Path, metavar="FILE", help="write every fault here, as JSONL; must not exist")
    parser.add_argument("--dry-run", action="store_true", help="read and check everything, and store nothing")


def run(args: argparse.Namespace) -> int:
    from feedback.importing import command

    options = command.Options(
        origin=args.origin,
        tenant=args.tenant,
        places=_merged(args.map),
        constants=_merged(args.set),
        scales=dict(args.scale),
        sources=dict(args.source),
        traces=args.traces,
        errors=args.errors,
        dry_run=args.dry_run,
    )
    try:
        return command.main(load(args.config), args.files, options, progress.show)
    finally:
        progress.show("", 1.0)


def _merged(given: list[dict[str, str]]) -> dict[str, str]:
    return {field: value for some in given for field, value in some.items()}


def _fields(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    unknown = [field for field, is_, value in pairs if field not in FIELDS or not is_ or not value]
    if unknown:
        raise argparse.ArgumentTypeError(f"{text}: write FIELD=COLUMN; the fields are {', '.join(FIELDS)}")
    return {field: value for field, _, value in pairs}


def _scale(text: str) -> tuple[str, Scale]:
    name, _, ends = text.rpartition("=")
    worst, _, best = ends.partition(":")
    try:
        scale = float(worst), float(best)
    except ValueError:
        scale = 0.0, 0.0
    if not name or not 0 < abs(scale[0] - scale[1]) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: write NAME=WORST:BEST, such as stars=1:5")
    return name, scale


def _source(text: str) -> tuple[str, str]:
    name, _, source = text.rpartition("=")
    if not name or source not in SOURCES:
        raise argparse.ArgumentTypeError(f"{text}: write NAME=SOURCE, with one of {', '.join(SOURCES)}")
    return name, source
