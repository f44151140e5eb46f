"""Erasure on request of administrators: all that is kept of a person or a trace."""

from __future__ import annotations

import time
from typing import Annotated, Self

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse, Response

from telltale.store import erasure
from telltale.store.erasure import Target, Unclear
from telltale.web.principal import require
from telltale.web.roles import Principal
from telltale.web.state import State, state

PATH = "/api/v1/erasures"
ROUND_S = 20.0
"""How long one request may take; the next goes on from there."""

router = APIRouter(tags=["erasure"])


class Wanted(BaseModel):
    """Whose data: `subject`, as feedback and traces name the person, or `trace_id`. `tenant` where several know it.

    `dry_run` counts what there is and erases nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str | None = Field(None, min_length=1, max_length=256)
    trace_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None
    tenant: str | None = Field(None, min_length=1, max_length=256)
    dry_run: bool = False

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.subject is None) == (self.trace_id is None):
            raise ValueError("name a subject or a trace_id")
        return self


@router.post(PATH)
def erase(request: Request, wanted: Wanted, admin: Annotated[Principal, Depends(require("admin"))]) -> Response:
    """Erase all that is kept of a person or a trace, and say which exports may hold it.

    200: nothing is left. 202: there was more than one request may do; send the same again. 409: name the tenant.
    """
    here = state(request)
    try:
        target = _target(here, wanted)
        if wanted.dry_run:
            return JSONResponse(_told(erasure.count(here.store, target), is_done=False))
        until = time.monotonic() + ROUND_S
        found, is_done = erasure.erase(
            here.store, target, actor=admin.name, now=here.clock(), go_on=lambda: time.monotonic() < until
        )
    except Unclear as error:
        raise HTTPException(409, f"{error}.") from error
    return JSONResponse(_told(found, is_done), 200 if is_done else 202)


def _target(here: State, wanted: Wanted) -> Target:
    if wanted.trace_id is not None:
        return Target(wanted.tenant or "", wanted.trace_id.lower())
    subject = wanted.subject or ""
    return here.store.write(lambda connection: erasure.of_subject(connection, subject, wanted.tenant))


def _told(found: erasure.Found, is_done: bool) -> dict[str, object]:
    return {
        "erased": is_done,
        "target": found.name,
        "found": found.counts,
        "exports": [one.told for one in found.exports],
        "repeated_in": list(found.repeated_in),
    }
