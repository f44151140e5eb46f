"""What a part contributes to the web application besides its routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from telltale.web.nav import Nav
from telltale.web.state import State

Handler = Callable[[Request], Awaitable[Response]]


class Router(APIRouter):
    """A part's routes, and all that the application must know of the part to serve them.

    `templates`: the folder of its templates. `filters`: filters of its own for them, by name. `nav`: its entries in the
    navigation. `links`: address patterns by name, for pages that know the noun but not the part; a template writes
    `link("ticket", id=7)` and gets None where no part serves it. `cross_site`: paths that pages of other sites may
    call and whose responses they may read; they must ignore cookies. `direct`: handlers of POST requests that are so
    many that they go past the framework (`telltale.web.direct`); they are routes too. `body_limits`: bytes that a body
    may have at a path, where that is more than elsewhere. `make_state`: makes the state that the part keeps while the
    application runs; handlers find it with `state(request).part(ItsClass)`. For start and end there is FastAPI's own
    `lifespan`.
    """

    def __init__(
        self,
        *,
        templates: Path | None = None,
        filters: Mapping[str, Callable[..., str]] | None = None,
        nav: Sequence[Nav] = (),
        links: Mapping[str, str] | None = None,
        cross_site: Collection[str] = (),
        direct: Mapping[str, Handler] | None = None,
        body_limits: Mapping[str, int] | None = None,
        make_state: Callable[[State], object] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.templates = templates
        self.filters = dict(filters or {})
        self.nav = tuple(nav)
        self.links = dict(links or {})
        self.cross_site = frozenset(cross_site)
        self.direct = dict(direct or {})
        self.body_limits = dict(body_limits or {})
        self.make_state = make_state
