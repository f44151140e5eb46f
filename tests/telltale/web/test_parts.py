"""What a part contributes with its router works without the trunk knowing the part."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import Request
from starlette.responses import PlainTextResponse, Response
from support import signed_in

from telltale.records import Ticket
from telltale.store import Store, tickets
from telltale.web import Nav, Router, State, render, state

Serve = Callable[..., AbstractContextManager[str]]
ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://shop.example"}


@dataclass(frozen=True, slots=True)
class Orders:
    """The part's state."""

    numbers: itertools.count[int]
    opened_at: float


def bakery(templates: Path) -> Router:
    """A part unknown to the trunk."""
    router = Router(
        templates=templates,
        filters={"loaves": lambda number: f"{number} loaves"},
        nav=(Nav("Bread", "/bread"),),
        links={"ticket": "/bread/{id}?from=loop"},
        cross_site=("/order",),
        make_state=lambda here: Orders(itertools.count(1), here.clock()),
    )

    @router.get("/bread")
    def bread(request: Request) -> Response:
        return render(request, "bread.html", number=3)

    @router.post("/order")
    @router.post("/order/inside")
    def order(request: Request) -> Response:
        orders = state(request).part(Orders)
        return PlainTextResponse(f"{next(orders.numbers)} at {orders.opened_at}")

    return router


@pytest.fixture
def part(tmp_path: Path) -> Router:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "bread.html").write_text("{{ number | loaves }}, {{ link('ticket', id='a/b') }}")
    return bakery(tmp_path / "templates")


def test_templates_with_filters_and_links(serve: Serve, part: Router) -> None:
    with serve(routers=[part]) as url:
        assert httpx.get(f"{url}/bread").text == "3 loaves, /bread/a%2Fb?from=loop"


def test_state_is_made_once_for_each_application(serve: Serve, part: Router) -> None:
    with serve(routers=[part], clock=lambda: 7.0) as url:
        assert [httpx.post(f"{url}/order").text for _ in range(2)] == ["1 at 7.0", "2 at 7.0"]
    with serve(routers=[part], clock=lambda: 8.0) as url:
        assert httpx.post(f"{url}/order").text == "1 at 8.0"


def test_other_sites_may_call_what_the_part_names_and_nothing_else(serve: Serve, part: Router) -> None:
    with serve(routers=[part]) as url:
        asked = [httpx.post(url + path, headers=ELSEWHERE).status_code for path in ("/order", "/order/inside")]
    with serve() as url:
        unmounted = httpx.post(f"{url}/order", headers=ELSEWHERE)

    assert asked == [200, 403]
    assert unmounted.status_code == 403


@pytest.mark.parametrize("mounted", [True, False])
def test_the_loop_leads_to_pages_that_are_there(serve: Serve, store: Store, part: Router, mounted: bool) -> None:
    ticket = Ticket("k", "quality", "chat", "v1", "Responses got worse", "open", 1, 50.0, 50.0)
    store.write(lambda connection: tickets.save(connection, ticket))
    with serve(routers=[part] if mounted else []) as url, signed_in.browser(store, url) as browser:
        page = browser.get("/").text

    assert "T-1" in page
    assert ('href="/bread/1?from=loop"' in page) is mounted
    assert ('href="/bread"' in page) is mounted


def test_a_part_that_is_not_mounted_has_no_state(serve: Serve) -> None:
    router = Router()
    missing: list[type[BaseException]] = []

    @router.get("/look")
    def look(request: Request) -> None:
        here: State = state(request)
        with pytest.raises(KeyError) as raised:
            here.part(Orders)
        missing.append(raised.type)

    with serve(routers=[router]) as url:
        httpx.get(f"{url}/look")

    assert missing == [KeyError]
