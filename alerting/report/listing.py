"""The list of tickets, as a page and as JSON: filtered, searched and sorted by the address alone, so links keep it."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import RedirectResponse, Response

from alerting.report.owner import owner_of
from alerting.report.serialise import brief
from telltale.records import Ticket, TicketState
from telltale.store.ticket_search import LIVE, Found, Sort, Wanted, search, with_alert
from telltale.web import Principal, render, require, state

PER_PAGE: Final = 50
MAX_PAGE: Final = 10_000
MAX_TEXT: Final = 2000
MAX_LABELS: Final = 30
NOBODY: Final = "-"
"""How an address asks for tickets that nobody has."""
YES: Final = {"": None, "yes": True, "no": False}
COLUMNS: Final[tuple[tuple[str, Sort | None], ...]] = (
    *(("Ticket", "number"), ("Severity", "severity"), ("State", "state"), ("What", None), ("Model", "model")),
    *(("Owner", None), ("Assigned to", "assignee"), ("Opened", "opened"), ("Last change", "updated")),
)
# What a column is sorted by first: the newest, the gravest, texts from their beginning.
ASCENDING: Final = ("state", "model", "assignee")

Show = Literal["live", "open", "recovering", "blind", "closed", "all"]
Answer = Literal["", "yes", "no"]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Viewer = Annotated[Principal, Depends(require("viewer"))]
router = APIRouter()


class Filters(BaseModel):
    """Which tickets an address asks for; empty texts ask for nothing."""

    model_config = ConfigDict(extra="ignore")

    show: Show = "live"
    q: Text = ""
    severity: Literal["", "page", "ticket", "info"] = ""
    lane: Text = ""
    model: Text = ""
    version: Text = ""
    tenant: Text = ""
    owner: Text = ""
    assignee: Text = ""
    label: Text = ""
    acknowledged: Answer = ""
    snoozed: Answer = ""
    sort: Sort = "number"
    order: Literal["asc", "desc"] = "desc"
    page: int = Field(1, ge=1, le=MAX_PAGE)

    @property
    def wanted(self) -> Wanted:
        return Wanted(
            states=_states(self.show),
            severity=self.severity or None,
            lane=self.lane or None,
            model=self.model or None,
            version=self.version or None,
            tenant=self.tenant or None,
            assignee="" if self.assignee == NOBODY else self.assignee or None,
            label=self.label or None,
            acknowledged=YES[self.acknowledged],
            snoozed=YES[self.snoozed],
            words=self.q,
            sort=self.sort,
            descending=self.order == "desc",
        )

    @property
    def narrowed(self) -> bool:
        """Whether it asks for more than a state and an order."""
        return bool(self.model_dump(exclude_defaults=True, exclude={"show", "sort", "order", "page"}))

    def address(self, path: str = "/tickets", **changed: object) -> str:
        """The address that asks for this, with what is changed."""
        asked = self.model_dump(exclude_defaults=True) | changed
        defaults = {name: info.default for name, info in type(self).model_fields.items()}
        query = urlencode({name: value for name, value in asked.items() if value != defaults[name]})
        return f"{path}?{query}" if query else path

    def sorted_by(self, column: Sort) -> str:
        """The address of the list in the order of that column; of the other way where it is sorted by it."""
        first = "asc" if column in ASCENDING else "desc"
        other = "desc" if self.order == "asc" else "asc"
        return self.address(sort=column, order=other if self.sort == column else first, page=1)


class AllFilters(Filters):
    show: Show = "all"


@router.get("/tickets", include_in_schema=False)
def listing(request: Request, _: Viewer, filters: Annotated[Filters, Query()]) -> Response:
    found, here = _search(request, filters), state(request)
    return render(
        request,
        "ticket_list.html",
        found=found,
        filters=filters,
        columns=COLUMNS,
        owners={ticket.id: owner_of(ticket, here.settings) for ticket in found.tickets},
        pages=max(1, -(-found.total // PER_PAGE)),
        shows=get_args(Show),
        nobody=NOBODY,
        now=here.clock(),
    )


@router.get("/api/v1/tickets", tags=["tickets"])
def listing_json(request: Request, _: Viewer, filters: Annotated[AllFilters, Query()]) -> dict[str, object]:
    """Tickets, newest first unless `sort` says otherwise, a page at a time. `is_all` is false where only the newest
    were looked at."""
    here, found = state(request), _search(request, filters)
    rows = [brief(t, here.settings.web_url) | {"owner": owner_of(t, here.settings)} for t in found.tickets]
    return {"tickets": rows, "total": found.total, "is_all": found.is_all, "page": filters.page, "per_page": PER_PAGE}


@router.get("/tickets/find", include_in_schema=False)
def find(request: Request, _: Viewer) -> Response:
    """The newest ticket one of whose alerts has these labels, or the list with their values as words."""
    labels = {name: value for name, value in request.query_params.items() if value}
    if len(labels) > MAX_LABELS or any(len(text) > MAX_TEXT for pair in labels.items() for text in pair):
        raise HTTPException(422, f"At most {MAX_LABELS} labels of at most {MAX_TEXT} characters are looked for.")
    if labels:
        with state(request).store.read() as connection:
            ticket = with_alert(connection, labels)
        if ticket is not None:
            return RedirectResponse(f"/tickets/{ticket.id}", 303)
    return RedirectResponse(Filters(show="all", q=" ".join(labels.values())[:MAX_TEXT]).address(), 303)


def _search(request: Request, filters: Filters) -> Found:
    here = state(request)

    def is_owned(ticket: Ticket) -> bool:
        return owner_of(ticket, here.settings) == filters.owner

    keep = is_owned if filters.owner else None
    with here.store.read() as connection:
        offset = (filters.page - 1) * PER_PAGE
        return search(connection, filters.wanted, here.clock(), limit=PER_PAGE, offset=offset, keep=keep)


def _states(show: Show) -> tuple[TicketState, ...] | None:
    if show == "all":
        return None
    return LIVE if show == "live" else (show,)
