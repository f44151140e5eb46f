"""`telltale export`: the data set of a ticket or a model."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feedback.data_sets import registry, scope, snapshot
from feedback.data_sets.golden import GoldenPrompts
from feedback.data_sets.reading import Progress
from feedback.data_sets.snapshot import About, FileKind, Layout
from feedback.data_sets.spec import ExportRefused, Format, from_json
from telltale import exits
from telltale.settings import Settings
from telltale.store import open_existing


def main(
    settings: Settings,
    *,
    output: Path,
    format: Format = "kto",
    ticket: str | None = None,
    model: str | None = None,
    tenant: str | None = None,
    kind: FileKind | None = None,
    layout: Layout | None = None,
    golden: Sequence[Path] = (),
    name: str | None = None,
    progress: Progress = lambda _: None,
    **limits: Any,
) -> int:
    """Write the data set of a ticket (`T-12`) or of a model; the export is recorded in the audit log.

    `limits` are fields of a Spec. Returns 0; 1 when there is nothing to write or a file exists; 2 for a ticket that
    does not exist, or where several tenants could be meant.
    """
    store = open_existing(settings)
    try:
        to = snapshot.output(output, kind, layout)
        if limits.get("test_share") and not to.is_folder:
            raise exits.UsageError(f"--test {limits['test_share']:g} makes two files: name a folder, not {output}")
        with store.read() as connection:
            about = About(settings.redaction.rules, settings.data_sets.licences, golden)
            spec = scope.make_spec(
                connection, settings, ticket=ticket, model=model, tenant=tenant, format=format,
                golden=tuple(GoldenPrompts(golden).files), **limits,
            )  # fmt: skip
            called = registry.name_of(spec, name)
            manifest = snapshot.write(connection, spec, to, about, progress)
        actor = f"{getpass.getuser()} (command)"
        made = registry.note(store, spec, to, manifest, name=called, place="", actor=actor, now=time.time())
    except (exits.UsageError, ExportRefused) as refusal:
        _warn(str(refusal))
        return exits.USAGE if isinstance(refusal, exits.UsageError) else exits.FAILED
    finally:
        store.close()
    print(f"{output}: {told(manifest)}; {made.name} {made.version}, manifest: {to.manifest}")
    return exits.OK


def repeat(
    settings: Settings, manifest: Path, output: Path, golden: Sequence[Path] = (), progress: Progress = lambda _: None
) -> int:
    """Write the data set of a manifest again. Returns 0; 1 when the store no longer has the same rows."""
    store = open_existing(settings)
    try:
        old = _read(manifest)
        to = snapshot.output(output, *_form(old))
        with store.read() as connection:
            # What the licences were then; settings may say otherwise now.
            licences = {source["model"]: source["licence"] for source in old.get("sources", ())}
            about = About(settings.redaction.rules, licences, golden)
            new = snapshot.write(connection, from_json(old["spec"]), to, about, progress)
    except ExportRefused as refusal:
        _warn(str(refusal))
        return exits.FAILED
    finally:
        store.close()
    if [entry["sha256"] for entry in new["files"]] == [entry["sha256"] for entry in old["files"]]:
        return exits.OK
    _warn(f"{output} differs from the data set of {manifest}: samples or feedback were deleted, or the rules changed")
    return exits.FAILED


def told(manifest: dict[str, Any]) -> str:
    """What a set holds, in a line."""
    counts = ", ".join(f"{number:,} {name}" for name, number in manifest["classes"].items())
    tests = manifest["splits"].get("test", {"rows": 0})["rows"]
    left_out = sum(manifest["left_out"].values()) + sum(manifest["dropped"].values())
    return (
        f"{manifest['rows']:,} rows ({counts}){f', {tests:,} of them for tests' if tests else ''}"
        f"{f', {left_out:,} left out' if left_out else ''}"
    )


def _read(manifest: Path) -> dict[str, Any]:
    try:
        found = json.loads(manifest.read_text())
    except OSError as error:
        raise ExportRefused(f"{manifest}: {error.strerror}") from error
    except ValueError as error:
        raise ExportRefused(f"{manifest} is no manifest: {error}") from error
    if not isinstance(found, dict) or not {"spec", "files"} <= found.keys():
        raise ExportRefused(f"{manifest} is no manifest: it has no spec or no files")
    return found


def _form(old: dict[str, Any]) -> tuple[FileKind | None, Layout | None]:
    """Of which kind and layout a set was."""
    names = [entry["name"] for entry in old["files"]]
    kind: FileKind = "parquet" if names[0].endswith(".parquet") else "jsonl"
    if not names[0].startswith("data/"):
        return kind, None
    return kind, "mlflow" if "dataset.json" in names else "hf"


def _warn(text: str) -> None:
    print(text, file=sys.stderr)
