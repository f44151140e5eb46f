"""The page of data sets: what was made, its files, and a form that makes another."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from feedback.data_sets import api, making
from feedback.data_sets.making import Asked
from feedback.data_sets.spec import FORMATS, ExportRefused
from telltale import exits
from telltale.store import data_sets, samples
from telltale.web import Nav, Principal, render, require, state

PATH = "/data-sets"
NAV = (Nav("Data sets", PATH, "reviewer"),)
PAGE_ROWS = 25
MOST_MODELS = 500

router = APIRouter(include_in_schema=False)
Reviewer = Annotated[Principal, Depends(require("reviewer"))]


@router.get(PATH)
def listing(
    request: Request, _: Reviewer, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None, model: str = "",
    ticket: str = "",
) -> Response:  # fmt: skip
    return _page(request, before=before, filled={"model": model, "ticket": ticket})


@router.post(PATH)
def make(
    request: Request,
    reviewer: Reviewer,
    model: Annotated[str, Form(max_length=512)] = "",
    ticket: Annotated[str, Form(max_length=64)] = "",
    tenant: Annotated[str, Form(max_length=512)] = "",
    format: Annotated[str, Form(max_length=16)] = "kto",
    file: Annotated[str, Form(max_length=16)] = "jsonl",
    name: Annotated[str, Form(max_length=200)] = "",
    test: Annotated[str, Form(max_length=8)] = "0",
) -> Response:
    """Make a data set and show it; what cannot be made is said above the form, which keeps what was written."""
    filled = {"model": model, "ticket": ticket, "tenant": tenant, "format": format, "file": file, "name": name}
    filled["test"] = test
    given = {key: text.strip() for key, text in filled.items() if text.strip() and key not in ("tenant", "test")}
    try:
        asked = Asked.model_validate({**given, "test": _percent(test)})
        made = making.make(state(request), asked, tenant.strip() or None, reviewer.name)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        return _page(request, error=f"{'.'.join(map(str, first['loc']))}: {first['msg']}", filled=filled)
    except making.Busy:
        return _page(request, error="Another data set is being made: try again when it is done.", filled=filled)
    except (making.TooMany, ExportRefused, exits.UsageError) as refusal:
        return _page(request, error=str(refusal), filled=filled)
    return RedirectResponse(f"{PATH}#d{made.id}", 303)


@router.get(PATH + "/{data_set_id}/files/{name:path}")
def file(request: Request, data_set_id: api.Number, name: str, reviewer: Reviewer) -> Response:
    return api.send(state(request), data_set_id, name, None, reviewer.name)


@router.post(PATH + "/{data_set_id}/remove")
def remove(
    request: Request, data_set_id: api.Number, admin: Annotated[Principal, Depends(require("admin"))]
) -> Response:
    here = state(request)
    with here.store.read() as connection:
        found = data_sets.get(connection, data_set_id)
    if found is None:
        raise HTTPException(404, "There is no such data set.")
    making.remove(here, found, admin.name)
    return RedirectResponse(f"{PATH}#d{data_set_id}", 303)


def _page(
    request: Request, *, error: str = "", before: int | None = None, filled: dict[str, str] | None = None
) -> Response:
    with state(request).store.read() as connection:
        found = data_sets.load(connection, before_id=before, limit=PAGE_ROWS + 1)
        models = samples.all_models(connection, MOST_MODELS)
    more, found = len(found) > PAGE_ROWS, found[:PAGE_ROWS]
    empty = dict.fromkeys(("model", "ticket", "tenant", "name"), "")
    values = {**empty, "format": "kto", "file": "jsonl", "test": "0", **(filled or {})}
    return render(
        request,
        "data_sets.html",
        status_code=422 if error else 200,
        rows=[(one, making.names(one), _left_out(one.manifest)) for one in found],
        older=found[-1].id if more else None,
        before=before,
        models=models,
        formats=FORMATS,
        filled=values,
        error=error,
    )


def _left_out(manifest: Any) -> list[tuple[str, int]]:
    """(why, how many) of what is not in it, the most first."""
    counts = {**manifest.get("left_out", {}), **manifest.get("dropped", {})}
    return sorted(((why.replace("_", " "), number) for why, number in counts.items()), key=lambda one: -one[1])


def _percent(text: str) -> float | str:
    """A share as people write it, in percent."""
    try:
        return float(text.strip().removesuffix("%") or 0) / 100
    except ValueError:
        return text
