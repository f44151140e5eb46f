"""Data sets by name and version: each that is written is noted, with whose calls it holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from feedback.data_sets.snapshot import Output
from feedback.data_sets.spec import ExportRefused, Spec
from telltale.store import Store, audit, data_sets
from telltale.store.data_sets import DataSet

MAX_NAME = 128
# Traces in one transaction: others write in between.
AT_ONCE = 2000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def name_of(spec: Spec, asked: str | None = None) -> str:
    """The name asked for, or one of what the set is made of. Raises ExportRefused for one that cannot be a name."""
    if asked is not None:
        if len(asked) > MAX_NAME or not _NAME.fullmatch(asked):
            raise ExportRefused(
                f"{asked[:MAX_NAME]!r} cannot name a data set: write letters, digits, dots, dashes and underscores, "
                f"at most {MAX_NAME}, beginning with a letter or a digit"
            )
        return asked
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", spec.ticket or spec.model).strip("-._")
    return f"{plain[: MAX_NAME - 10] or 'model'}-{spec.format}"


def note(
    store: Store, spec: Spec, to: Output, manifest: Mapping[str, Any], *, name: str, place: str, actor: str, now: float
) -> DataSet:
    """Note a data set that was written, in the audit log too. The same again under one name is the same version."""
    sha256 = hashlib.sha256(to.manifest.read_bytes()).hexdigest()
    new = DataSet(
        spec.tenant, name, now, actor, spec.format, spec.model, manifest["rows"], sha256, manifest, place
    )  # fmt: skip
    details = {
        "format": spec.format,
        "tenant": spec.tenant,
        "rows": manifest["rows"],
        "sha256": manifest["files"][0]["sha256"],
    }

    def add(connection: Connection) -> tuple[DataSet, bool]:
        known = data_sets.same(connection, spec.tenant, name, sha256)
        made = known or data_sets.add(connection, new)
        audit.record(
            connection, actor=actor, action="data_set_exported", subject=spec.ticket or spec.model, now=now,
            details={**details, "data_set": f"{name} {made.version}"},
        )  # fmt: skip
        return made, known is None

    made, is_new = store.write(add)
    if is_new:
        traces = sorted(_traces(to))
        for begin in range(0, len(traces), AT_ONCE):
            some = traces[begin : begin + AT_ONCE]
            store.write(partial(_hold, made.id or 0, some))
    return made


def _hold(data_set_id: int, traces: list[str], connection: Connection) -> None:
    data_sets.hold(connection, data_set_id, traces)


def _traces(to: Output) -> set[str]:
    return {trace for line in _references(to) for trace in line.get("traces", [line["trace_id"]])}


def _references(to: Output) -> Iterator[dict[str, Any]]:
    with to.references.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def folder(data_dir: Path) -> Path:
    """Where the web application keeps data sets."""
    return data_dir / "data-sets"
