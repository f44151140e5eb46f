"""Every route of `telltale web`, requested anonymously, by a service and by people without the role."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, get_args

import httpx
import pytest
from fastapi import APIRouter
from support import signed_in

from telltale.cli.web import routers
from telltale.records import FeedbackKind
from telltale.serving.pages import HEALTHY, METRICS, READY
from telltale.store import Store
from telltale.web import first_start, home, models, people, signin

Serve = Callable[..., AbstractContextManager[str]]
SignedIn = Callable[[str, str], AbstractContextManager[httpx.Client]]
PASSWORD = "correct horse battery"
PUBLIC = {METRICS, HEALTHY, READY, "/sign-in", "/sign-out", "/first-start", "/api/v1/votes", "/feedback-1.js"}
REVIEWERS = {"/feedback"}
ADMINS = {"/audit"}
SERVICES = re.compile(r"/api/v1/")


def parts() -> list[APIRouter]:
    """The routers that `telltale web` serves."""
    return routers()


def walk(routers: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path with 1 for each parameter) of every route."""
    for router in routers:
        for route in router.routes:
            inner = getattr(route, "original_router", None)
            if inner is not None:
                yield from walk([inner], prefix + route.include_context.prefix)
            else:
                for method in sorted(route.methods - {"HEAD"}):
                    yield method, prefix + re.sub(r"\{[^}]+\}", "1", route.path)


def every_route() -> list[tuple[str, str]]:
    probes = [("GET", path) for path in (METRICS, HEALTHY, READY)]
    return [*probes, *walk([signin.router, first_start.router, home.router, models.router, *parts()])]


def ask(client: httpx.Client, method: str, path: str) -> httpx.Response:
    return client.request(method, path, headers={"Idempotency-Key": "k"})


def test_the_walk_sees_the_routes() -> None:
    found = {path for _, path in every_route()}

    assert PUBLIC | REVIEWERS | ADMINS | {"/", "/api/v1/feedback", "/api/v1/feedback/batch"} <= found
    assert any(path.startswith("/tickets") for path in found)
    assert {"/models/1", "/api/v1/models/1"} <= found


@pytest.mark.parametrize("people_exist", [True, False])
def test_nobody_sees_nothing_without_signing_in(serve: Serve, store: Store, people_exist: bool) -> None:
    if people_exist:
        people.add(store, name="mina", role="viewer", password=PASSWORD, actor="test", now=time.time())
    with serve(routers=parts()) as url, httpx.Client(base_url=url) as nobody:
        statuses = {
            (method, path): ask(nobody, method, path).status_code
            for method, path in every_route()
            if path not in PUBLIC
        }

    # A missing body may be noticed before the missing key: nothing was read either way.
    assert {key: status for key, status in statuses.items() if status not in (401, 422)} == {}
    assert {status for (method, _), status in statuses.items() if method == "GET"} == {401}


@pytest.mark.parametrize("people_exist", [True, False])
def test_the_description_of_the_api_is_for_people(
    serve: Serve, signed_in: SignedIn, store: Store, people_exist: bool
) -> None:
    with serve(routers=parts()) as url:
        if people_exist:
            people.add(store, name="mina", role="viewer", password=PASSWORD, actor="test", now=time.time())
            with signed_in(url, "mina") as browser:
                described = browser.get("/api/v1/openapi.json").json()
                assert "/api/v1/feedback" in described["paths"]
                assert_is_whole(described)
        assert httpx.get(f"{url}/api/v1/openapi.json").status_code == 401


def assert_is_whole(described: dict[str, Any]) -> None:
    """Every operation says how it is authorized, what its errors are, and what its body looks like."""
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            statuses = {"422", "429", "503"} | ({"413"} if method == "post" else set())
            statuses |= {"401", "403"} if operation["security"] else set()
            assert statuses <= set(operation["responses"]), path
            for status in statuses:
                assert operation["responses"][status]["content"]["application/problem+json"] == problem
            assert ("requestBody" in operation) == (method == "post"), path
    submit = described["paths"]["/api/v1/feedback"]["post"]
    assert submit["security"] == [{"apiKey": []}]
    assert described["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    written = submit["requestBody"]["content"]["application/json"]["examples"]
    assert {example["value"]["kind"] for example in written.values()} == set(get_args(FeedbackKind))


def test_a_service_opens_no_page(serve: Serve, store: Store) -> None:
    key = people.add_key(store, name="app", tenant="shop", scopes=["otlp:write"], actor="test", now=time.time())
    headers = {"Authorization": f"Bearer {key}"}
    with serve(routers=parts()) as url, httpx.Client(base_url=url, headers=headers) as service:
        statuses = {
            (method, path): ask(service, method, path).status_code
            for method, path in every_route()
            if path not in PUBLIC
        }

    assert {key: status for key, status in statuses.items() if status not in (403, 422)} == {}
    assert {status for (method, _), status in statuses.items() if method == "GET"} == {403}


def test_a_viewer_changes_nothing_and_sees_no_content(serve: Serve, signed_in: SignedIn, store: Store) -> None:
    people.add(store, name="mina", role="viewer", password=PASSWORD, actor="test", now=time.time())
    with serve(routers=parts()) as url, signed_in(url, "mina") as browser:
        statuses = {
            (method, path): ask(browser, method, path).status_code
            for method, path in every_route()
            if path not in PUBLIC
        }

    assert {statuses["GET", path] for path in REVIEWERS | ADMINS} == {403}
    changes = {key: status for key, status in statuses.items() if key[0] != "GET"}
    assert {key: status for key, status in changes.items() if status not in (401, 403, 422)} == {}


def test_pages_that_are_not_there_say_so(serve: Serve, store: Store) -> None:
    with serve(routers=parts()) as url, signed_in.browser(store, url) as browser:
        for path in ("/tickets/999999", "/tickets/x", "/nothing", "/feedback/1/2"):
            response = browser.get(path)
            assert response.status_code in (404, 422)
            assert "Back to the loop" in response.text
