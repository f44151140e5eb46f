"""Data sets that the web application makes and keeps: in `<data_dir>/data-sets`, a folder each, one at a time."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

from feedback.data_sets import registry, scope, snapshot
from feedback.data_sets.snapshot import About, FileKind, Layout
from feedback.data_sets.spec import Format, Spec
from feedback.state import FeedbackState
from telltale import private
from telltale.store import audit, data_sets, samples
from telltale.store.data_sets import DataSet
from telltale.web import State

MOST_CALLS = 50_000
MOST_KEPT = 200
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


class TooMany(Exception):
    """What the web application does not make; the message says what does."""


class Busy(Exception):
    """Another data set is being made."""


class Asked(BaseModel):
    """What a data set shall be made of: a ticket's calls or a model's, in which format, and what is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Word | None = Field(None, description="All calls of this model; this or `ticket`.")
    ticket: Word | None = Field(None, description="The calls that this ticket is about, such as `T-12`.")
    format: Format = Field("kto", description="Rows and columns as TRL's trainers read them; `jsonl`: all as it is.")
    name: Word | None = Field(None, description="What it is called; each that differs is its next version.")
    file: FileKind = "jsonl"
    layout: Layout = "hf"
    test: float = Field(0.0, ge=0, lt=1, description="Share of the conversations that is set aside for tests.")
    pairs: int = Field(2, ge=1, le=1000, description="Most pairs of one prompt.")
    own_votes: bool = Field(True, description="Keep rows that only the person supports who made the call.")


def make(here: State, asked: Asked, tenant: str | None, actor: str) -> DataSet:
    """Make a data set and keep it. `tenant` is that of the sender's key; None for a person, who may name one.

    Raises Busy; TooMany; exits.UsageError and ExportRefused for what there is none of.
    """
    making = here.part(FeedbackState).making
    if not making.acquire(blocking=False):
        raise Busy
    try:
        return _make(here, asked, tenant, actor)
    finally:
        making.release()


def _make(here: State, asked: Asked, tenant: str | None, actor: str) -> DataSet:
    settings, place = here.settings, secrets.token_hex(8)
    with here.store.read() as connection:
        spec = scope.make_spec(
            connection, settings, format=asked.format, model=asked.model, ticket=asked.ticket, tenant=tenant,
            test_share=asked.test, per_prompt=asked.pairs, own_votes=asked.own_votes,
        )  # fmt: skip
        _check(connection, spec)
        name = registry.name_of(spec, asked.name)
        private.make_folder(registry.folder(settings.data_dir))
        to = snapshot.output(folder_of(settings.data_dir, place), asked.file, asked.layout)
        about = About(settings.redaction.rules, settings.data_sets.licences)
        manifest = snapshot.write(connection, spec, to, about)
    made = registry.note(here.store, spec, to, manifest, name=name, place=place, actor=actor, now=here.clock())
    if made.place != place:
        # The same is there already.
        shutil.rmtree(to.path)
    return made


def remove(here: State, one: DataSet, actor: str) -> None:
    """Delete the files of a data set; what it was stays noted."""
    now = here.clock()

    def note(connection: Connection) -> None:
        if data_sets.mark_removed(connection, one.id or 0, now):
            audit.record(
                connection, actor=actor, action="data_set_removed", subject=f"{one.name} {one.version}", now=now,
                details={"tenant": one.tenant, "sha256": one.sha256},
            )  # fmt: skip

    here.store.write(note)
    if one.place:
        shutil.rmtree(folder_of(here.settings.data_dir, one.place), ignore_errors=True)


def names(one: DataSet) -> list[str]:
    """The files of a data set; none of one that is kept elsewhere or was removed."""
    if not one.place or one.removed_at is not None:
        return []
    return [*(str(entry["name"]) for entry in one.manifest["files"]), "manifest.json"]


def path_of(here: State, one: DataSet, name: str) -> Path | None:
    """Where a file of a data set is; None for one that it does not have."""
    if name not in names(one):
        return None
    path = folder_of(here.settings.data_dir, one.place) / name
    return path if path.is_file() else None


def folder_of(data_dir: Path, place: str) -> Path:
    return registry.folder(data_dir) / place


def _check(connection: Connection, spec: Spec) -> None:
    if data_sets.kept(connection) >= MOST_KEPT:
        raise TooMany(
            f"{MOST_KEPT} data sets are kept here: an admin removes some, or `telltale export` writes elsewhere"
        )
    number = sum(
        samples.number(
            connection, model=spec.model, tenant=spec.tenant, versions=spec.versions, since=since, until=until
        )
        for since, until in spec.spans
    )
    if number > MOST_CALLS:
        what = f"--ticket {spec.ticket}" if spec.ticket else f"--model {spec.model}"
        raise TooMany(
            f"{number:,} calls are more than the {MOST_CALLS:,} that a page waits for: on the machine, "
            f"telltale export {what} --tenant {spec.tenant} --format {spec.format} -o FOLDER"
        )
