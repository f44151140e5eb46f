"""The state of the loop on one screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from support import signed_in

import alerting.report.pages
import feedback.routes
from telltale.records import Feedback, Score, Ticket
from telltale.store import Store, scores, tickets
from telltale.store import feedback as store_feedback
from telltale.web import people

Serve = Callable[..., AbstractContextManager[str]]
SignedIn = Callable[[str, str], AbstractContextManager[httpx.Client]]
NOW = 1_700_000_000.0


def score(model: str, state: str, signal: str = "mmd", **fields: object) -> Score:
    values: dict[str, object] = {"monitor": "drift", "signal": signal, "direction": "prompt", "model": model}
    values |= {"version": f"{model}-1", "window_start": NOW - 700, "window_end": NOW - 100, "samples": 300}
    values |= {"state": state, "effect": 0.5, "threshold": 0.1}
    return Score(**(values | fields))  # type: ignore[arg-type]  # the fields of a Score


def home(serve: Serve, store: Store) -> str:
    routers = [feedback.routes.router, alerting.report.pages.router]
    with serve(routers=routers, clock=lambda: NOW) as url, signed_in.browser(store, url, now=NOW) as browser:
        return browser.get("/").text


def test_an_empty_store_says_where_to_send_things(serve: Serve, store: Store) -> None:
    page = home(serve, store)

    assert "Nothing seen yet" in page
    assert "http://127.0.0.1:4318" in page
    assert "/api/v1/feedback" in page


def test_the_worst_comes_first(serve: Serve, store: Store) -> None:
    rows = [
        score("fine", "ok"),
        score("bad", "alert"),
        score("bad", "ok", "length"),
        score("young", "insufficient_data"),
    ]
    ticket = Ticket("k", "quality", "ticketed", "t-1", "Responses got worse", "recovering", 1, NOW - 50, NOW - 50)
    store.write(lambda connection: scores.save(connection, rows))
    store.write(lambda connection: tickets.save(connection, ticket))

    page = home(serve, store)

    order = [page.index(f'<th scope="row">{model}</th>') for model in ("ticketed", "bad", "fine", "young")]
    assert order == sorted(order)
    assert 'href="/tickets/1"' in page
    assert "Responses got worse" in page
    assert "drift mmd of the prompt: 0.5 (from 0.1)" in page
    assert "series: 1 ok" in page
    assert "insufficient data" in page


def test_only_the_newest_window_of_a_series_counts(serve: Serve, store: Store) -> None:
    old = score("chat", "alert", window_start=NOW - 1400, window_end=NOW - 700)
    store.write(lambda connection: scores.save(connection, [old, score("chat", "ok")]))

    page = home(serve, store)

    assert 'class="state alert"' not in page
    assert 'class="state ok"' in page


@pytest.mark.parametrize(("role", "reads"), [("viewer", False), ("reviewer", True)])
def test_prompts_and_responses_are_for_reviewers(
    serve: Serve, signed_in: SignedIn, store: Store, role: str, reads: bool
) -> None:
    event = Feedback(time.time(), "shop", "1" * 32, None, "thumb", "helpful", 0.0, "user", "k", "so slow", None)
    store.write(lambda connection: store_feedback.append(connection, event, "0" * 64))
    people.add(store, name="mina", role=role, password="correct horse battery", actor="test", now=time.time())
    with serve() as url, signed_in(url, "mina") as browser:
        page = browser.get("/").text

    assert "thumb down" in page
    assert ("so slow" in page) == reads
