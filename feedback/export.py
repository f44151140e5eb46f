"""`telltale export`: the data set of a ticket or a model."""

from __future__ import annotations

import getpass
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from feedback.dataset import Format
from feedback.snapshot import ExportRefused, Spec, files, write
from telltale import exits
from telltale.records import Ticket
from telltale.settings import Settings
from telltale.store import Store, audit, feedback, open_existing, samples, scores, tickets

# Windows before a ticket in which the change that led to it is looked for.
FURTHEST = 120


def main(
    settings: Settings, *, output: Path, format: Format = "kto", ticket: str | None = None, model: str | None = None
) -> int:
    """Write the data set of a ticket (`T-12`) or of a model; the export is recorded in the audit log.

    Returns 0; 1 when there is nothing to write or a file exists; 2 for a ticket or model that does not exist.
    """
    store = open_existing(settings)
    try:
        with store.read() as connection:
            spec = make_spec(connection, settings, ticket=ticket, model=model, format=format)
            manifest = write(connection, spec, output, settings.redaction.rules, _warn)
        _record(store, spec, manifest)
    except (exits.UsageError, ExportRefused) as refusal:
        _warn(str(refusal))
        return exits.USAGE if isinstance(refusal, exits.UsageError) else exits.FAILED
    finally:
        store.close()
    counts = ", ".join(f"{number:,} {name}" for name, number in manifest["classes"].items())
    print(f"{output}: {manifest['rows']:,} rows ({counts}); manifest: {files(output)[2]}")
    return exits.OK


def repeat(settings: Settings, manifest: Path, output: Path) -> int:
    """Write the data set of a manifest again. Returns 0; 1 when the store no longer has the same rows."""
    old = json.loads(manifest.read_text())
    store = open_existing(settings)
    try:
        with store.read() as connection:
            new = write(connection, Spec(**old["spec"]), output, settings.redaction.rules, _warn)
    except ExportRefused as refusal:
        _warn(str(refusal))
        return exits.FAILED
    finally:
        store.close()
    if [entry["sha256"] for entry in new["files"]] == [entry["sha256"] for entry in old["files"]]:
        return exits.OK
    _warn(f"{output} differs from the data set of {manifest}: samples or feedback were deleted, or the rules changed")
    return exits.FAILED


def make_spec(
    connection: Connection, settings: Settings, *, format: Format, ticket: str | None = None, model: str | None = None
) -> Spec:
    """What there is to export now. Raises exits.UsageError for a ticket that does not exist."""
    sample_id, feedback_id = samples.last_id(connection), feedback.last_id(connection)
    if ticket is None:
        if not model:
            raise exits.UsageError("name a ticket or a model")
        return Spec(format, model, None, None, sample_id, feedback_id)
    found = _ticket(connection, ticket)
    since = _start(connection, found, settings)
    name = f"T-{found.id}"
    return Spec(format, found.model, since, found.closed_at, sample_id, feedback_id, name, found.key)


def _ticket(connection: Connection, name: str) -> Ticket:
    number = re.fullmatch(r"(?:[tT]-)?(\d{1,18})", name.strip())
    if number is None:
        raise exits.UsageError(f"{name} is not a ticket: write T-12")
    found = tickets.get(connection, int(number[1]))
    if found is None:
        raise exits.UsageError(f"there is no ticket T-{number[1]}")
    return found


def _start(connection: Connection, ticket: Ticket, settings: Settings) -> float:
    """When the change began: at the start of the first suspect window of those that led to the ticket."""
    window, (_, last) = settings.monitor.window, settings.monitor.persistence
    # Windows of little traffic are longer; the newest of each series still knows the first.
    found = scores.load(
        connection, model=ticket.model, version=ticket.version or None, since=ticket.opened_at - FURTHEST * window
    )
    newest = {(s.monitor, s.signal, s.direction, s.series): s for s in found if s.window_end <= ticket.opened_at}
    begun = [s.window_start if s.since is None else s.since for s in newest.values() if s.state != "ok"]
    return min(begun, default=ticket.opened_at - window * (last + 1))


def _record(store: Store, spec: Spec, manifest: dict[str, Any]) -> None:
    details = {"format": spec.format, "rows": manifest["rows"], "sha256": manifest["files"][0]["sha256"]}
    actor, subject, now = f"{getpass.getuser()} (command)", spec.ticket or spec.model, time.time()
    store.write(
        lambda connection: audit.record(
            connection, actor=actor, action="data_set_exported", subject=subject, now=now, details=details
        )
    )


def _warn(text: str) -> None:
    print(text, file=sys.stderr)
