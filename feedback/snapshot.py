"""A data set as files: rows, where each row comes from, and a manifest that can make them again.

A data set is defined by its Spec. The same spec over the same rows of the store gives the same bytes, so nothing in
the files depends on when or where they were written.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from feedback import dataset
from feedback.dataset import Format, LeftOut, Row
from feedback.new_file import NewFile
from telltale import __version__
from telltale.conversation import texts
from telltale.conversation.redacting import redacted
from telltale.feedback import current, match
from telltale.records import Feedback, Sample
from telltale.redaction import Redactor, is_version
from telltale.store import feedback, samples

PAGE_ROWS = 500
PROGRESS_EVERY = 5_000
# What a sender named, beside all that was said.
NAMES = (
    *("conversation_id", "app", "environment", "agent_name", "agent_version", "prompt_name", "prompt_version"),
    "finish_reason",
)
Progress = Callable[[str], None]
Pair = tuple[Sample, list[Feedback]]


class ExportRefused(Exception):
    """Why there is no data set."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a data set is made of: samples of a model observed in [since, until), up to the named rows of the store.

    `until` is None for a ticket that is still open and for a whole model; the row numbers bound it then.
    """

    format: Format
    model: str
    since: float | None
    until: float | None
    last_sample_id: int
    last_feedback_id: int
    ticket: str | None = None
    ticket_key: str | None = None


@dataclass(slots=True)
class Tally:
    """What was read and what was written; times are Unix seconds of observation."""

    samples: int = 0
    events: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    left_out: LeftOut = field(default_factory=Counter)
    columns: dict[str, None] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None

    @property
    def rows(self) -> int:
        return self.classes.total()

    def write(self, name: str, sample: Sample, row: Row) -> None:
        self.classes[name] += 1
        self.columns |= dict.fromkeys(row)
        self.removed.update(sample.redactions)
        self.first = min(self.first or sample.observed_at, sample.observed_at)
        self.last = max(self.last or sample.observed_at, sample.observed_at)


def files(output: Path) -> tuple[Path, Path, Path]:
    """The data set's file, the one that says where each row comes from, and the manifest."""
    return output, output.with_name(output.name + ".refs.jsonl"), output.with_name(output.name + ".manifest.json")


def write(
    connection: Connection, spec: Spec, output: Path, rules: Mapping[str, str], progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Write the data set; returns its manifest.

    Raises ExportRefused when there is nothing to write or it cannot be written; nothing is overwritten and no partial
    file is left. The manifest is written last: where it exists, the data set is complete.
    """
    for path in files(output):
        if path.exists():
            raise ExportRefused(f"{path} exists; a data set is never overwritten: choose another name")
    try:
        return _write(connection, spec, output, rules, progress)
    except OSError as error:
        raise ExportRefused(f"{error.filename or output}: {error.strerror}") from error


def _write(
    connection: Connection, spec: Spec, output: Path, rules: Mapping[str, str], progress: Progress
) -> dict[str, Any]:
    paths, tally = files(output), Tally()
    with ExitStack() as undo:
        rows, references = (NewFile(path, undo) for path in paths[:2])
        for name, sample, row, reference in _rows(spec, read(connection, spec, rules, tally, progress), tally.left_out):
            rows.add(row)
            references.add(reference)
            tally.write(name, sample, row)
        if not tally.rows:
            raise ExportRefused(_nothing(spec, tally))
        manifest = _manifest(spec, tally, rules, [rows.seal(), references.seal()])
        last = NewFile(paths[2], undo)
        last.text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        last.seal()
        undo.pop_all()
    return manifest


def read(
    connection: Connection, spec: Spec, rules: Mapping[str, str], tally: Tally, progress: Progress
) -> Iterator[Pair]:
    """The samples of a spec, each with the current feedback on it.

    Texts are redacted once more: rules may have been added since they were stored.
    """
    redactor = Redactor(rules)
    pages = samples.walk(
        connection,
        model=spec.model,
        since=spec.since,
        until=spec.until,
        last_id=spec.last_sample_id,
        page=PAGE_ROWS,
        whole=True,
    )
    for page in pages:
        by_sample = _feedback_on(connection, page, spec.last_feedback_id)
        for sample in page:
            events = by_sample.get(sample.id, [])
            tally.samples += 1
            tally.events += len(events)
            if tally.samples % PROGRESS_EVERY == 0:
                progress(f"{tally.samples:,} samples read")
            yield _clean(sample, redactor), [_clean_event(event, redactor) for event in events]


def _feedback_on(connection: Connection, page: Sequence[Sample], last_id: int) -> dict[int | None, list[Feedback]]:
    traces = {sample.trace_id for sample in page}
    events = [event for event in feedback.load(connection, trace_ids=traces) if (event.id or 0) <= last_id]
    if not events:
        return {}
    # All calls of these traces, for feedback may be about one that is not on this page.
    about = match(events, samples.load(connection, trace_ids={event.trace_id for event in events}))
    by_sample: dict[int | None, list[Feedback]] = {}
    for event in current(events, about):
        if event in about:
            by_sample.setdefault(about[event].id, []).append(event)
    return by_sample


def _clean(sample: Sample, redactor: Redactor) -> Sample:
    names = {name: text for name in NAMES if (text := getattr(sample, name)) and not is_version(text)}
    values = [*names.values(), *sample.attributes.values()]
    removed = Counter(sample.redactions)
    beside: list[str] = []

    def redact(found: list[str]) -> list[str]:
        cleaned, counts = redactor.redact(*found, *values)
        removed.update(counts)
        beside[:] = cleaned[len(found) :]
        return cleaned[: len(found)]

    said = redacted(dataset.conversation(sample), redact)
    prompt, response = texts.of(said)
    named: dict[str, Any] = dict(zip(names, beside, strict=False))
    return sample._replace(
        prompt=prompt,
        response=response,
        conversation=said,
        attributes=dict(zip(sample.attributes, beside[len(names) :], strict=True)),
        redactions=dict(removed),
        **named,
    )


def _clean_event(event: Feedback, redactor: Redactor) -> Feedback:
    return replace(event, comment=redactor.redact(event.comment)[0][0]) if event.comment else event


def _rows(spec: Spec, pairs: Iterator[Pair], left_out: LeftOut) -> Iterator[tuple[str, Sample, Row, Row]]:
    """(class, sample, row, reference) of every row."""
    if spec.format == "jsonl":
        for sample, events in pairs:
            name, row = dataset.plain(sample, events)
            yield name, sample, row, dataset.reference(sample)
    elif spec.format == "prompts":
        for sample, name, row in dataset.prompts((sample for sample, _ in pairs), left_out):
            yield name, sample, row, dataset.reference(sample)
    else:
        make = dataset.kto if spec.format == "kto" else dataset.sft
        for rated, name, row in make(dataset.pool(pairs, left_out)):
            yield name, rated.sample, row, dataset.reference(rated.sample, rated)


def _nothing(spec: Spec, tally: Tally) -> str:
    what = f"{spec.ticket}: " if spec.ticket else ""
    if not tally.samples:
        return f"{what}the store has no samples of {spec.model} in this time: nothing to export"
    needed = {
        "kto": "votes (more of one side than of the other)",
        "sft": "corrections or approved responses",
        "prompts": "a whole prompt",
    }[spec.format]
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in sorted(tally.left_out.items()))
    return (
        f"{what}{tally.samples:,} samples of {spec.model} with {tally.events:,} events of feedback, but none with "
        f"{needed}{f' (left out: {left_out})' if left_out else ''}: nothing to export as {spec.format}; "
        "--format jsonl writes the samples as they are"
    )


def _manifest(
    spec: Spec, tally: Tally, rules: Mapping[str, str], written: Sequence[Mapping[str, object]]
) -> dict[str, Any]:
    return {
        "tool": f"telltale {__version__}",
        "spec": asdict(spec),
        "rows": tally.rows,
        "classes": dict(sorted(tally.classes.items())),
        "left_out": dict(sorted(tally.left_out.items())),
        "observed": {"first": tally.first, "last": tally.last},
        "read": {"samples": tally.samples, "feedback": tally.events},
        "redaction": {
            "state": "redacted before storage and again at export",
            "removed": dict(sorted(tally.removed.items())),
            "rules_sha256": hashlib.sha256(json.dumps(dict(rules), sort_keys=True).encode()).hexdigest(),
        },
        **dataset.features(spec.format, tally.columns),
        "files": list(written),
    }
