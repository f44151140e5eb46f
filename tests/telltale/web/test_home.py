"""The state of the loop on one screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import httpx
import pytest
from support import signed_in
from support.judged import save_judged

import alerting.report.pages
import feedback.routes
from telltale.evidence.alerts import TicketAlert
from telltale.records import Feedback, Score, Ticket
from telltale.store import Store, series_states, tickets
from telltale.store import feedback as store_feedback
from telltale.store.series_states import SeriesStatus
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


def status(model: str, state: str, reason: str = "", tenant: str = "", signal: str = "mmd") -> SeriesStatus:
    names = ("drift", signal, "prompt", model, f"{model}-1", tenant, "")
    return SeriesStatus(*names, state, reason, NOW - 900, NOW)  # type: ignore[arg-type]  # a direction and a state


def test_the_worst_comes_first(serve: Serve, store: Store) -> None:
    rows = [score("fine", "ok"), score("bad", "alert"), score("bad", "ok", "length")]
    waiting = [status("young", "no_reference", "a reference is gathered: 120 of 2000 rows")]
    ticket = Ticket("k", "quality", "ticketed", "t-1", "Responses got worse", "recovering", 1, NOW - 50, NOW - 50)
    store.write(lambda connection: save_judged(connection, rows))
    store.write(lambda connection: series_states.save(connection, waiting))
    store.write(lambda connection: tickets.save(connection, ticket))

    page = home(serve, store)

    order = [page.index(f'<a href="/models/{model}">{model}</a>') for model in ("ticketed", "bad", "young", "fine")]
    assert order == sorted(order)
    assert 'href="/tickets/1"' in page
    assert "Responses got worse" in page
    assert "drift mmd of the prompt: 0.5 (from 0.1)" in page
    assert "series: 1 ok" in page
    assert 'class="state no_reference">no reference<' in page


def test_calls_that_tell_no_version_are_one_quiet_line(serve: Serve, store: Store) -> None:
    lacking = status("chat", "no_reference", "a reference is gathered: 3 of 2000 rows")
    nameless = [replace(lacking, version="chat", signal=signal) for signal in ("mmd", "length")]
    alone = replace(lacking, model="own", version="own", reason="a reference is gathered: 7 of 2000 rows")
    store.write(lambda connection: save_judged(connection, [score("chat", "ok")]))
    store.write(lambda connection: series_states.save(connection, [*nameless, alone]))

    page = home(serve, store)

    assert page.count("calls that do not tell their version are not judged") == 1
    assert "3 of 2000 rows" not in page
    # A model whose calls never tell their version is judged by its name.
    assert "7 of 2000 rows" in page


def test_an_alert_without_an_open_ticket_says_who_closed_it_and_until_when(serve: Serve, store: Store) -> None:
    firing = TicketAlert(
        key="k", lane="retrain", name="ModelDriftPersistent", status="firing", starts_at=1.0, received_at=1.0, labels={}
    )
    base = Ticket("k", "retrain", "chat", "chat-1", "drift", "closed", 1, NOW - 50, NOW - 50, closed_at=NOW - 9)
    day = 86400.0
    closed = [
        replace(base, close_reason="wontfix", muted_until=NOW + 10 * day),
        replace(base, key="l", close_reason="wontfix"),
        replace(base, key="m", close_reason="fixed", alerts={"f": firing}),
        replace(base, key="n", close_reason="fixed"),
        replace(base, key="o", close_reason="recovered", alerts={"f": firing}),
        replace(base, key="p", close_reason="wontfix", model="unseen"),
        # An older one of the same cause.
        replace(base, key="q", close_reason="wontfix"),
        replace(base, key="q", close_reason="recovered"),
    ]
    store.write(lambda c: save_judged(c, [score("chat", "alert")]))
    store.write(lambda c: [tickets.save(c, ticket) for ticket in closed])

    page = home(serve, store)

    until = time.strftime("%Y-%m-%d", time.gmtime(NOW + 10 * day))
    assert f'<a href="/tickets/1">T-1</a> closed by hand: won&#39;t fix until {until}' in page
    assert '<a href="/tickets/2">T-2</a> closed by hand: won&#39;t fix, for ever' in page
    assert '<a href="/tickets/3">T-3</a> closed by hand: fixed' in page
    assert page.count("closed by hand") == 3
    assert ">none<" not in page


def test_why_a_series_is_not_judged_is_told_once_for_all_that_lack_the_same(serve: Serve, store: Store) -> None:
    lacking = [
        status("chat", "gathering", "12 of 200 rows since 2 hours"),
        status("chat", "gathering", "12 of 200 rows since 2 hours", signal="length"),
        status("chat", "stale", "no rows since 3 days ago", tenant="shop"),
    ]
    store.write(lambda connection: save_judged(connection, [score("chat", "ok", tenant="bank")]))
    store.write(lambda connection: series_states.save(connection, lacking))

    page = home(serve, store)

    assert page.count("12 of 200 rows since 2 hours") == 1
    assert "and 1 more" in page
    assert "no rows since 3 days ago" in page
    assert "series: 1 stale, 2 gathering, 1 ok" in page


def test_the_tenant_that_changed_is_named(serve: Serve, store: Store) -> None:
    changed = score("chat", "suspect", tenant="shop", segment="app=checkout")
    store.write(lambda connection: save_judged(connection, [changed, score("chat", "ok")]))

    assert "drift mmd of the prompt: 0.5 (from 0.1), chat-1, shop, app=checkout" in home(serve, store)


def test_only_the_newest_window_of_a_series_counts(serve: Serve, store: Store) -> None:
    old = score("chat", "alert", window_start=NOW - 1400, window_end=NOW - 700)
    store.write(lambda connection: save_judged(connection, [old, score("chat", "ok")]))

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
