"""A page for each model: the state of its series and its references; reviewers ask for a new reference there."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import Depends, Form, HTTPException, Query, Request
from starlette.responses import RedirectResponse, Response

from telltale import pinning
from telltale.pinning import CannotAsk
from telltale.records import Basis, Series
from telltale.web import model_view, reference_form
from telltale.web.model_json import as_json
from telltale.web.model_view import ModelView
from telltale.web.pages import render
from telltale.web.principal import require
from telltale.web.roles import Principal
from telltale.web.router import Router
from telltale.web.state import state

MAX_ROWS: Final = 50
MAX_NAME: Final = 2000

Viewer = Annotated[Principal, Depends(require("viewer"))]
Reviewer = Annotated[Principal, Depends(require("reviewer"))]
Name = Annotated[str, Query(max_length=MAX_NAME)]
Moment = Annotated[str, Form(max_length=40)]


def series_name(series: Series) -> str:
    """How a page names a series of a known model."""
    return ", ".join(filter(None, series[1:])) or series.model


def series_query(series: Series) -> str:
    """The part of an address that chooses a series."""
    return urlencode({name: value for name, value in series._asdict().items() if name != "model" and value})


router = Router(
    links={"model": "/models/{model}"},
    filters={
        "series_name": series_name,
        "series_query": series_query,
        "series_value": reference_form.series_value,
    },
)


@router.get("/models/{model:path}", include_in_schema=False)
def one(
    request: Request,
    model: str,
    principal: Viewer,
    version: Name = "",
    tenant: Name = "",
    segment: Name = "",
    period: Name = "",
) -> Response:
    """`version`, `tenant` and `segment` name the series that the form begins with, `period` which time of it."""
    here, view = state(request), _view(request, model, principal)
    row = view.row(Series(model, version, tenant, segment)) or next(iter(view.rows), None)
    is_changed = period == "changed"
    form = reference_form.offered(row, here.settings, here.clock(), since_change=is_changed) if row else None
    return _page(request, view, principal, form)


@router.post("/models/{model:path}", include_in_schema=False)
def freeze(
    request: Request,
    model: str,
    principal: Reviewer,
    series: Annotated[str, Form(max_length=3 * MAX_NAME)],
    begins: Moment,
    ends: Moment,
    why: Annotated[str, Form(max_length=2 * pinning.MAX_WHY)] = "",
    basis: Annotated[list[Basis] | None, Form(max_length=2)] = None,
) -> Response:
    """Ask for a new reference. 422 with the form as it was sent where that cannot be."""
    here, bases = state(request), tuple(dict.fromkeys(basis or ()))
    try:
        if not bases:
            raise CannotAsk("choose what it is made of: calls, votes or both")
        times = pinning.parse_time(begins), pinning.parse_time(ends)
        asked = pinning.Request(reference_form.read_series(model, series), bases, *times, why)
        now, retention, rules = here.clock(), here.settings.store.retention, here.settings.redaction.rules
        here.store.write(
            lambda c: pinning.ask(c, asked, actor=principal.name, now=now, retention=retention, rules=rules)
        )
    except CannotAsk as error:
        view = _view(request, model, principal)
        row = next((row for row in view.rows if reference_form.series_value(row.series) == series), None)
        form = reference_form.Form(
            row.series if row else Series(model, ""), begins, ends,
            reference_form.bases(row) if row else pinning.BASES, bases,
            why=why, error=f"{str(error)[0].upper()}{str(error)[1:]}.",
        )  # fmt: skip
        return _page(request, view, principal, form, 422)
    return RedirectResponse(f"/models/{quote(model, safe='')}#references", 303)


@router.get("/api/v1/models/{model:path}", tags=["models"])
def one_json(request: Request, model: str, principal: Viewer) -> dict[str, object]:
    """A model: its series with their states and reasons, and its references."""
    return as_json(_view(request, model, principal))


def _view(request: Request, model: str, principal: Principal) -> ModelView:
    with state(request).store.read() as connection:
        view = model_view.load(connection, model, may_read=principal.allows("reviewer"))
    if view is None:
        raise HTTPException(404, "The monitors know no model of that name (any more).")
    return view


def _page(
    request: Request, view: ModelView, principal: Principal, form: reference_form.Form | None, status_code: int = 200
) -> Response:
    chosen = view.row(form.series) if form else None
    rows = list(view.rows[:MAX_ROWS])
    if chosen is not None and chosen not in rows:
        rows.insert(0, chosen)
    may_read = principal.allows("reviewer")
    return render(
        request,
        "model.html",
        status_code=status_code,
        view=view,
        rows=rows,
        more=len(view.rows) - len(rows),
        form=form if may_read else None,
        may_read=may_read,
    )
