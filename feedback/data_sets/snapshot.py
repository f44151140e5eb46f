"""A data set as files: rows, where each row comes from, and a manifest that can make them again.

One file holds all rows, with `.refs.jsonl` and `.manifest.json` beside it; a folder holds those of training and of
tests apart, and a card with which `datasets.load_dataset` loads it by its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection

from feedback.data_sets import card, columns, files, manifest, mlflow
from feedback.data_sets.choosing import choose
from feedback.data_sets.files import Staging
from feedback.data_sets.formats import candidates
from feedback.data_sets.gathered import Gathered
from feedback.data_sets.golden import GoldenPrompts
from feedback.data_sets.manifest import Tally
from feedback.data_sets.reading import Progress, read
from feedback.data_sets.spec import ExportRefused, Spec

FileKind = Literal["jsonl", "parquet"]
Layout = Literal["hf", "mlflow"]
NEEDED = {
    "kto": "votes (more of one side than of the other)",
    "sft": "corrections or approved responses",
    "dpo": "corrections, or two answers to one prompt of which reviewers accepted one and rejected the other",
    "reward": "corrections, or two answers to one prompt of which reviewers accepted one and rejected the other",
    "prompts": "a whole prompt",
}


@dataclass(frozen=True, slots=True)
class Output:
    """Where a data set is written: a file whose ending says of which kind, or a folder."""

    path: Path
    kind: FileKind
    layout: Layout | None = None

    @property
    def is_folder(self) -> bool:
        return self.layout is not None

    @property
    def manifest(self) -> Path:
        return self.files["manifest.json"]

    @property
    def references(self) -> Path:
        return self.files["refs.jsonl"]

    @property
    def files(self) -> dict[str, Path]:
        """Where the files are that every set has, the manifest last: where it is, the set is complete."""
        if self.is_folder:
            return {name: self.path / name for name in ("refs.jsonl", "manifest.json")}
        beside = {name: self.path.with_name(f"{self.path.name}.{name}") for name in ("refs.jsonl", "manifest.json")}
        return {f"train.{self.kind}": self.path, **beside}

    def told(self, name: str) -> str:
        """A file's name as the manifest has it."""
        return name if self.is_folder else self.files[name].name


@dataclass(frozen=True, slots=True)
class About:
    """What a data set is told beside its spec: redaction rules, the sources' licences by model, held-out prompts."""

    rules: Mapping[str, str] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    golden: Sequence[Path] = ()


def output(path: Path, kind: FileKind | None = None, layout: Layout | None = None) -> Output:
    """What a name asks for: `x.jsonl` and `x.parquet` are one file, any other name is a folder."""
    ending: dict[str, FileKind] = {".jsonl": "jsonl", ".parquet": "parquet"}
    if layout is None and path.suffix in ending and not path.is_dir():
        if kind not in (None, ending[path.suffix]):
            raise ExportRefused(f"{path} is named as {ending[path.suffix]}: name it x.{kind}, or leave the kind out")
        return Output(path, ending[path.suffix])
    return Output(path, kind or "jsonl", layout or "hf")


def write(
    connection: Connection, spec: Spec, to: Output, about: About, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Write the data set; returns its manifest.

    Raises ExportRefused when there is nothing to write or it cannot be written; nothing is overwritten and no partial
    file is left.
    """
    if to.kind == "parquet":
        files.pyarrow()
    for path in [to.path] if to.is_folder else to.files.values():
        if path.exists():
            raise ExportRefused(f"{path} exists; a data set is never overwritten: choose another name")
    golden = GoldenPrompts(about.golden)
    if tuple(golden.files) != spec.golden:
        wanted = ", ".join(f"{one.name} (sha256 {one.sha256[:12]}…)" for one in spec.golden)
        raise ExportRefused(f"it was made with other held-out prompts: name them with --golden ({wanted or 'none'})")
    try:
        with Staging(to.path) as staging, Gathered(staging.folder, spec) as gathered:
            tally = gathered.tally
            calls = read(connection, spec, about.rules, tally.read, progress)
            for chosen in choose(candidates(spec, calls, tally.left_out), spec, golden, tally.dropped):
                gathered.add(chosen)
            if not tally.rows:
                raise ExportRefused(_nothing(spec, tally))
            made = _write(staging.folder, gathered, to, about)
            if to.is_folder:
                staging.publish_folder(to.path)
            else:
                staging.publish(to.files)
            return made
    except OSError as error:
        raise ExportRefused(f"{error.filename or to.path}: {error.strerror}") from error


def _write(folder: Path, gathered: Gathered, to: Output, about: About) -> dict[str, Any]:
    spec, tally = gathered.spec, gathered.tally
    types = columns.types(spec.format, tally.columns)
    if to.is_folder:
        (folder / "data").mkdir(mode=0o700)
    written: list[dict[str, object]] = []
    splits: dict[str, dict[str, object]] = {}
    order: list[tuple[str, int]] = []
    for split, numbers in gathered.splits().items():
        in_order = gathered.in_order(numbers) if to.kind == "jsonl" else numbers
        lines = gathered.rows.lines(in_order)
        name = f"data/{split}.{to.kind}" if to.is_folder else f"{split}.{to.kind}"
        entry = (
            files.write_parquet(folder / name, lines, types)
            if to.kind == "parquet"
            else files.write(folder / name, lines)
        )
        written.append({"name": to.told(name), **entry})
        splits[split] = {"rows": len(numbers), "classes": gathered.classes(numbers)}
        order += ((split, number) for number in in_order)
    entry = files.write(folder / "refs.jsonl", gathered.references_in(order))
    written.append({"name": to.told("refs.jsonl"), **entry})
    made = manifest.make(spec, tally, about.rules, about.licences, splits, gathered.largest_group, written)
    for name, text in _told(made, types, to).items():
        made["files"].append({"name": name, **files.write(folder / name, [text.encode()])})
    files.write(folder / "manifest.json", [(json.dumps(made, indent=2, ensure_ascii=False) + "\n").encode()])
    return made


def _told(made: Mapping[str, Any], types: Mapping[str, str], to: Output) -> dict[str, str]:
    """What others are told of a folder, each in its own form, by the file's name."""
    if to.layout == "hf":
        return {"README.md": card.text(made, types, to.kind)}
    return {"dataset.json": mlflow.text(made, types)} if to.layout == "mlflow" else {}


def _nothing(spec: Spec, tally: Tally) -> str:
    what = f"{spec.ticket}: " if spec.ticket else ""
    whose = " ".join([spec.model, *spec.versions])
    of_tenant = f" of tenant {spec.tenant}" if spec.tenant else ""
    if not tally.read.samples:
        return f"{what}the store has no samples of {whose}{of_tenant} in this time: nothing to export"
    counts = sorted([*tally.left_out.items(), *tally.dropped.items()])
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in counts)
    return (
        f"{what}{tally.read.samples:,} samples of {whose}{of_tenant} with {tally.read.events:,} events of feedback, "
        f"but none with {NEEDED[spec.format]}{f' (left out: {left_out})' if left_out else ''}: nothing to export as "
        f"{spec.format}; --format jsonl writes the samples as they are"
    )
