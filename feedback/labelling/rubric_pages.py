"""The pages of rubrics: what reviewers are asked, in versions. A version is never changed; a change makes the next."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from telltale.labels import DEFAULT, FIRST, MAX_FIELDS, SECOND, TIE, Field, Rubric, faults
from telltale.store.review import rubrics
from telltale.web import Principal, render, require, state

PATH: Final = "/review/rubrics"
BLANK: Final = Field("", "", "choice", ())
SPARE: Final = 2
"""Empty questions at the form's end: without JavaScript one adds some by saving the form."""

router = APIRouter(include_in_schema=False)
Reviewer = Annotated[Principal, Depends(require("reviewer"))]


@router.get(PATH)
def listing(request: Request, _: Reviewer) -> Response:
    """All rubrics with their versions."""
    with state(request).store.read() as connection:
        found = [rubrics.versions(connection, one.name) for one in rubrics.all_newest(connection)]
    return render(request, "rubrics.html", found=found)


@router.get(PATH + "/new")
def new(request: Request, _: Reviewer, name: Annotated[str, Query(max_length=200)] = "") -> Response:
    """A form, filled with the newest version of that name."""
    with state(request).store.read() as connection:
        known = rubrics.newest(connection, name) if name else None
    if known is None:
        known = DEFAULT if name == DEFAULT.name else Rubric(name, 0, ())
    return _form(request, known)


@router.post(PATH + "/new")
async def publish(request: Request, reviewer: Reviewer) -> Response:
    """Store the next version. 422 with the form, and what is wrong with it, where it cannot be answered."""
    form = await request.form()
    wanted = _rubric(form)
    if "more" in form:
        return _form(request, wanted, spare=min(MAX_FIELDS, len(wanted.fields) + 2 * SPARE) - len(wanted.fields))
    if wrong := list(faults(wanted)):
        return _form(request, wanted, wrong=wrong, status_code=422)
    here = state(request)
    here.store.write(lambda c: rubrics.publish(c, wanted, actor=reviewer.name, now=here.clock()))
    return RedirectResponse(PATH, 303)


def _form(
    request: Request, rubric: Rubric, *, wrong: list[str] | None = None, spare: int = SPARE, status_code: int = 200
) -> Response:
    fields = (*rubric.fields, *[BLANK] * min(spare, MAX_FIELDS - len(rubric.fields)))
    return render(
        request, "rubric_new.html", status_code=status_code, rubric=rubric, fields=fields, wrong=wrong or [],
        most=MAX_FIELDS,
    )  # fmt: skip


def _rubric(form: FormData) -> Rubric:
    places = range(MAX_FIELDS)
    read = (_field(form, place) for place in places)
    fields = tuple(field for field in read if field.name or field.question or field.options)
    return Rubric(_text(form, "name").strip(), 1, fields, _text(form, "guidelines").replace("\r\n", "\n").strip())


def _field(form: FormData, place: int) -> Field:
    options = tuple(line.strip() for line in _text(form, f"options.{place}").splitlines() if line.strip())
    kind = _text(form, f"kind.{place}") or "choice"
    name, question = (_text(form, f"{part}.{place}").strip() for part in ("name", "question"))
    if kind == "comparison" and (name or question):
        options = (FIRST, TIE, SECOND)
    return Field(name, question, kind, options, f"required.{place}" in form)  # type: ignore[arg-type]  # `faults` checks it


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
