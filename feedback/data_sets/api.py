"""The API of data sets: a key with the scope export:read makes and reads those of its tenant."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from sqlalchemy import Connection
from starlette.responses import FileResponse, JSONResponse, Response

from feedback.data_sets import making
from feedback.data_sets.making import Asked
from feedback.data_sets.spec import ExportRefused
from telltale import exits
from telltale.store import audit, data_sets
from telltale.store.data_sets import DataSet
from telltale.web import Principal, State, require_scope, state

PATH = "/api/v1/data-sets"
RETRY_S = 5

router = APIRouter(prefix=PATH, tags=["data sets"])
Reader = Annotated[Principal, Depends(require_scope("export:read"))]
Number = Annotated[int, Path(ge=1, lt=2**63)]


@router.post("", status_code=201)
def make(request: Request, asked: Asked, reader: Reader) -> Response:
    """Make a data set of the key's tenant. 201 with its manifest; 409 while another is made; 422 for nothing."""
    try:
        made = making.make(state(request), asked, reader.tenant, f"{reader.name} (key)")
    except making.Busy:
        raise HTTPException(409, "Another data set is being made.", {"Retry-After": str(RETRY_S)}) from None
    except (making.TooMany, ExportRefused, exits.UsageError) as refusal:
        raise HTTPException(422, str(refusal)) from refusal
    return JSONResponse(_told(made), 201, {"Location": f"{PATH}/{made.id}"})


@router.get("")
def listing(
    request: Request, reader: Reader, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> dict[str, Any]:
    """The tenant's data sets, newest first, a hundred at a time; `before` is the id that the last page ended with."""
    with state(request).store.read() as connection:
        found = data_sets.load(connection, tenant=reader.tenant, before_id=before)
    return {"data_sets": [_in_short(one) for one in found]}


@router.get("/{data_set_id}")
def one(request: Request, data_set_id: Number, reader: Reader) -> dict[str, Any]:
    """One data set with its manifest."""
    return _told(_find(state(request), data_set_id, reader.tenant))


@router.get("/{data_set_id}/files/{name:path}")
def file(request: Request, data_set_id: Number, name: str, reader: Reader) -> Response:
    """A file of a data set, as its manifest names it."""
    return send(state(request), data_set_id, name, reader.tenant, f"{reader.name} (key)")


def send(here: State, data_set_id: int, name: str, tenant: str | None, actor: str) -> Response:
    """A file, noted in the audit log: prompts leave the house."""
    found = _find(here, data_set_id, tenant)
    path = making.path_of(here, found, name)
    if path is None:
        raise HTTPException(404, "This data set has no such file here.")

    def note(connection: Connection) -> None:
        audit.record(
            connection, actor=actor, action="data_set_read", subject=f"{found.name} {found.version}", now=here.clock(),
            details={"tenant": found.tenant, "file": name},
        )  # fmt: skip

    here.store.write(note)
    return FileResponse(
        path, media_type="application/octet-stream", filename=f"{found.name}-{found.version}-{path.name}"
    )


def _find(here: State, data_set_id: int, tenant: str | None) -> DataSet:
    with here.store.read() as connection:
        found = data_sets.get(connection, data_set_id, tenant)
    if found is None:
        raise HTTPException(404, "There is no such data set.")
    return found


def _in_short(one: DataSet) -> dict[str, Any]:
    names = ("id", "name", "version", "tenant", "format", "model", "rows", "made_at", "made_by", "sha256")
    told = {name: getattr(one, name) for name in (*names, "removed_at", "stale_since", "stale_why")}
    return {**told, "files": [f"{PATH}/{one.id}/files/{name}" for name in making.names(one)]}


def _told(one: DataSet) -> dict[str, Any]:
    return {**_in_short(one), "manifest": dict(one.manifest)}
