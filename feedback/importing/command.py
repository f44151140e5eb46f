"""`telltale import feedback`: read every file to its end, then store what was read."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from feedback.importing import langfuse, own, records, storing, tensorzero
from feedback.importing.lines import Lines, Unreadable
from feedback.importing.plan import Plan, Row, Scale
from feedback.importing.records import Record
from feedback.importing.report import Report
from feedback.importing.spool import Spool, Spooled
from feedback.importing.storing import Progress
from feedback.importing.values import SPAN_ID, TRACE_ID, Refused
from telltale import exits
from telltale.feedback import SUBJECT_KEY
from telltale.records import ANY_TENANT, FeedbackSource
from telltale.settings import Settings
from telltale.store import Store, access, open_existing

Origin = Literal["csv", "jsonl", "langfuse", "tensorzero"]
_EVENTS: Final[Mapping[Origin, Callable[[Mapping[str, Any], Plan], list[Row]]]] = {
    "csv": own.events, "jsonl": own.events, "langfuse": langfuse.events, "tensorzero": tensorzero.events,
}  # fmt: skip
MOST_UNREAD_SHOWN: Final = 20
_PROGRESS_EVERY: Final = 2000


@dataclass(frozen=True, slots=True)
class Options:
    """What the command's options say; `traces` is a file with the columns `id`, `trace_id` and perhaps `span_id`."""

    origin: Origin
    tenant: str
    places: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    sources: Mapping[str, FeedbackSource] = field(default_factory=dict)
    traces: Path | None = None
    errors: Path | None = None
    dry_run: bool = False


def main(settings: Settings, files: list[Path], options: Options, progress: Progress = lambda _, __: None) -> int:
    """Returns 0; 1 when records were refused, each named on standard error. Raises UsageError, StoreUnavailable."""
    _check(options)
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_existing(settings)))
        spool = stack.enter_context(closing(Spool()))
        errors = stack.enter_context(_new_file(options.errors)) if options.errors else None
        report = Report(files, sys.stderr, errors)
        plan = _plan(settings, store, spool, options)
        try:
            read = _read_all(files, options.origin, plan, spool, report, progress)
        except Unreadable as error:
            raise exits.UsageError(str(error)) from error
        if options.dry_run:
            stored = storing.look(store, spool, report, tenant=options.tenant)
        else:
            named = [{"name": path.name, "sha256": sha256} for path, sha256 in zip(files, read.sha256, strict=True)]
            stored = storing.store_all(
                store, spool, report, tenant=options.tenant, actor=f"{getpass.getuser()} (command)", clock=time.time,
                files=named, progress=progress,
            )  # fmt: skip
    progress("", 1.0)
    _tell(files, stored, report, read, options.dry_run)
    return exits.FAILED if report.refused else exits.OK


@dataclass(slots=True)
class _Read:
    sha256: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)


def _check(options: Options) -> None:
    if not options.tenant.strip() or options.tenant == ANY_TENANT:
        raise exits.UsageError(f"--tenant {options.tenant}: name the one tenant whose feedback it is")
    if options.origin == "tensorzero" and options.traces is None and "trace_id" not in options.places:
        raise exits.UsageError(
            "TensorZero's feedback names inferences and episodes, which are no traces: say which trace each one is "
            "with --traces FILE, or where it stands with --map trace_id=tags.NAME"
        )


def _new_file(path: Path) -> TextIO:
    try:
        return path.open("x", encoding="utf-8")
    except OSError as error:
        raise exits.UsageError(f"--errors {path}: {error.strerror}") from error


def _plan(settings: Settings, store: Store, spool: Spool, options: Options) -> Plan:
    if options.traces:
        _read_traces(options.traces, spool)
    return Plan(
        tenant=options.tenant,
        key=store.write(lambda connection: access.secret(connection, SUBJECT_KEY)),
        rules=settings.redaction.rules,
        now=time.time(),
        places=options.places,
        constants=options.constants,
        scales=options.scales,
        sources=options.sources,
        traces=spool.trace_of if options.traces else None,
    )


def _read_traces(path: Path, spool: Spool) -> None:
    with closing(_open(path)) as lines:
        for record in _records(path, lines):
            fields = record.fields or {}
            id, trace, span = (str(fields.get(name) or "").strip().lower() for name in ("id", "trace_id", "span_id"))
            if not id or not TRACE_ID.fullmatch(trace) or (span and not SPAN_ID.fullmatch(span)):
                why = record.fault or "needs `id`, `trace_id` of 32 hex digits, and `span_id` of 16 or none"
                raise Unreadable(f"{path}:{record.line}: {why}")
            if not spool.name_trace(id, (trace, span or None)):
                raise Unreadable(f"{path}:{record.line}: names another trace for an id that stands before")


def _open(path: Path) -> Lines:
    try:
        return Lines(path)
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from error


def _records(path: Path, lines: Lines) -> Iterator[Record]:
    """By the file's name: any other than .csv holds JSON."""
    return records.read_csv(lines) if path.suffix.lower() == ".csv" else records.read_json(lines)


def _read_all(
    files: Sequence[Path], origin: Origin, plan: Plan, spool: Spool, report: Report, progress: Progress
) -> _Read:
    """Raises Unreadable."""
    total = sum(path.stat().st_size for path in files if path.is_file()) or 1
    read = _Read()
    before = 0
    for number, path in enumerate(files):
        with closing(_open(path)) as lines:
            try:
                for count, record in enumerate(_of_origin(origin, path, lines, plan)):
                    spool.add(_events(number, record, origin, plan, report, read))
                    if count % _PROGRESS_EVERY == 0:
                        progress("read", min(1.0, (before + lines.read) / total))
            except Unreadable as error:
                raise Unreadable(f"{path}: {error}") from error
            read.sha256.append(lines.sha256)
            before += lines.size
    spool.finish()
    return read


def _of_origin(origin: Origin, path: Path, lines: Lines, plan: Plan) -> Iterator[Record]:
    if origin == "csv":
        needed = [name for name in own.NEEDED if name not in plan.constants]
        return records.read_csv(lines, [plan.places.get(name, name) for name in needed])
    return records.read_json(lines) if origin == "jsonl" else _records(path, lines)


def _events(file: int, record: Record, origin: Origin, plan: Plan, report: Report, read: _Read) -> Iterator[Spooled]:
    """What a record says; nothing where it is refused."""
    if record.fields is None:
        report.refuse(file, record.line, "", record.fault)
        return
    if origin in ("csv", "jsonl") and len(read.unread) < MOST_UNREAD_SHOWN:
        read.unread |= (
            record.fields.keys() - {place.partition(".")[0] for place in plan.places.values()} - set(own.FIELDS)
        )
    try:
        rows = _EVENTS[origin](record.fields, plan)
    except Refused as refused:
        report.refuse(file, record.line, refused.where, str(refused))
    else:
        yield from (Spooled(file, record.line, row) for row in rows)


def _tell(files: Sequence[Path], stored: storing.Stored, report: Report, read: _Read, dry_run: bool) -> None:
    for number, path in enumerate(files):
        new = f"{stored.new[number]:,} {'would be stored' if dry_run else 'stored'}"
        print(f"{path}: {new}, {stored.known[number]:,} stored before, {report.refused[number]:,} refused")
    for reason, count in report.reasons():
        print(f"  {count:,} refused: {reason}")
    if read.unread:
        print(f"  columns not read: {', '.join(sorted(read.unread)[:MOST_UNREAD_SHOWN])}")
