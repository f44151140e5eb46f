"""The page of a model: series with their states, references, and the form that asks for a new reference."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from support import signed_in

from telltale.evidence.explanation import Explanation
from telltale.evidence.scores import Details
from telltale.records import Direction, Score, Series, SeriesState
from telltale.store import Store, audit, evidence, evidently_reports, references, scores, series_states
from telltale.store.evidently_reports import EvidentlyReport
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus

Serve = Callable[..., AbstractContextManager[str]]
NOW = 1_700_000_000.0
DAY = 86400.0
MODEL = "acme/안녕-llama 3?#%"
V1, V2 = Series(MODEL, "v1"), Series(MODEL, "v2", "가게", "app=check<out")


def status(
    series: Series, state: SeriesState, direction: Direction = "prompt", reason: str = "", **fields: object
) -> SeriesStatus:
    monitor = "feedback" if direction == "feedback" else "tokens"
    return SeriesStatus(
        monitor, "max_t", direction, *series, state=state, reason=reason, changed_at=NOW - DAY, seen_at=NOW,
        judged_until=NOW - 600, **fields,  # type: ignore[arg-type]  # the fields of a status
    )  # fmt: skip


def fill(store: Store) -> None:
    """Two versions: one that is healthy, with a reference, and one that is compared with it and differs."""
    checks = {
        "repeated": [
            {"example": "ping 일 <b>", "rows": 100, "share": 0.05, "left_out": True},
            {"example": "good morning", "rows": 60, "share": 0.03, "left_out": False},
        ],
        "restless": {"tokens prompt": ["refund", "환불"]},
    }
    own = Reference(*V1, "calls", NOW - 9 * DAY, NOW - 6 * DAY, "telltale", "the first healthy span", NOW - 6 * DAY,
                    rows=1900, checks=checks)  # fmt: skip
    kept = store.write(lambda c: references.freeze(c, own))
    changed = Score("tokens", "max_t", "prompt", *V2[:2], NOW - 4200, NOW - 600, 500, "alert", 0.5, 0.125, 0.001,
                    tenant=V2.tenant, segment=V2.segment, since=NOW - 2 * DAY)  # fmt: skip
    [number] = store.write(lambda c: scores.save(c, [changed]))
    found = [
        status(V1, "ok", reference_id=kept.id),
        status(V1, "gathering", "feedback", "3 of 50 votes since 2 days"),
        status(V2, "alert", score_id=number, reference_id=kept.id),
    ]
    store.write(lambda c: series_states.save(c, found))
    page = store.write(lambda c: evidence.put(c, b"x", kind="evidently", media_type="text/html", now=NOW - 600))
    for direction, number_of_page in (("prompt", page), ("response", None)):
        report = EvidentlyReport(*V2, direction, NOW - 4200, NOW - 600, number_of_page)  # type: ignore[arg-type]  # a direction
        store.write(lambda c, report=report: evidently_reports.save(c, report))  # type: ignore[misc]


@contextmanager
def visit(serve: Serve, store: Store, role: str = "reviewer") -> Iterator[httpx.Client]:
    with serve(clock=lambda: NOW) as url, signed_in.browser(store, url, role, role, now=NOW) as browser:
        yield browser


def page_of(browser: httpx.Client) -> str:
    """The address to which the first page links."""
    found = re.search(r'href="(/models/[^"]+)"', browser.get("/").text)
    assert found, "the first page links to no model"
    return found[1]


def form(**changes: object) -> dict[str, object]:
    sent = {"series": json.dumps(V2[1:]), "basis": ["calls"], "why": "a new prompt template, on purpose"}
    return {**sent, "begins": iso(NOW - 2 * DAY), "ends": iso(NOW - 600), **changes}


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def test_a_model_has_a_page_whatever_its_name(serve: Serve, store: Store) -> None:
    fill(store)
    with visit(serve, store) as browser:
        response = browser.get(page_of(browser))
    assert response.status_code == 200
    page = response.text
    assert f'<h1 class="words">{MODEL}</h1>' in page
    assert page.index("v2, 가게, app=check&lt;out") < page.index('<span class="words">v1</span>'), "the worst is first"
    assert "3 of 50 votes since 2 days" in page
    row = page[page.index('<span class="state alert">alert</span></td>') :][:700]
    assert iso(NOW - 2 * DAY)[:10] in row, "since the first window that showed the change"
    assert iso(NOW - 600)[:10] in row
    assert re.search(r"0\.5</td>\s*<td[^>]*>0\.125</td>", row)
    assert re.search(r'href="#r1">R-1</a> of <span class="words">v1', page), "v2 is compared with v1's"


def test_a_change_is_told_in_a_sentence_while_it_shows(serve: Serve, store: Store) -> None:
    told = "Since 30 Nov 14:00 UTC about 11 % of the prompts contain 항공권 or <b>."
    fill(store)
    score = Score("tokens", "max_t", "response", *V1[:2], NOW - 4200, NOW - 600, 500, "alert", 0.5, 0.125,
                  details=Details(explanation=Explanation(told)))  # fmt: skip
    [number] = store.write(lambda c: scores.save(c, [score]))
    shown = status(V1, "alert", "response", score_id=number)
    store.write(lambda c: series_states.save(c, [shown]))
    with visit(serve, store, "viewer") as browser:
        address = page_of(browser)
        assert html.escape(told) in browser.get(address).text
        found = browser.get(f"/api/v1{address}").json()["series"]
        explained = [one["explanation"] for series in found for one in series["monitors"]]
        assert explained.count(told) == 1
        store.write(lambda c: series_states.save(c, [replace(shown, state="ok")]))
        assert html.escape(told) not in browser.get(address).text


def test_a_reference_tells_what_was_found_in_it(serve: Serve, store: Store) -> None:
    fill(store)
    with visit(serve, store) as browser:
        page = browser.get(page_of(browser)).text
    card = page[page.index('id="r1"') :]
    assert "100 nearly identical prompts (5.0 %), a burst: left out" in card
    assert "60 nearly identical prompts (3.0 %), all the time: part of the traffic" in card
    assert "tokens prompt: refund, 환불" in card
    assert "1,900" in card
    assert "telltale: the first healthy span" in card


@pytest.mark.parametrize(("role", "reads"), [("viewer", False), ("reviewer", True)])
def test_prompts_and_the_form_are_for_reviewers(serve: Serve, store: Store, role: str, reads: bool) -> None:
    fill(store)
    with visit(serve, store, role) as browser:
        address = page_of(browser)
        page, told = browser.get(address).text, browser.get(f"/api/v1{address}").text
        sent = browser.post(address, data=form())
    assert ("ping 일 &lt;b&gt;" in page) == ("ping 일 <b>" in told) == reads
    assert ('<form method="post" action="/models/' in page) == reads
    assert ('<a href="/evidence/1">report on prompts</a>' in page) == reads
    assert "report on responses" not in page, "its page is deleted"
    assert sent.status_code == (303 if reads else 403)
    with store.read() as connection:
        assert len(references.asked(connection)) == reads


def test_what_a_reviewer_asks_for_waits_for_the_monitors(serve: Serve, store: Store) -> None:
    fill(store)
    with visit(serve, store) as browser:
        address = page_of(browser)
        sent = browser.post(address, data=form(why="ok, says mina@example.com", basis=["calls", "votes"]))
        assert sent.status_code == 303
        page = browser.get(sent.headers["location"].partition("#")[0]).text
    with store.read() as connection:
        asked = references.asked(connection)
        [entry] = [one for one in audit.entries(connection) if one.action == "reference_asked"]
    assert [(one.series, one.basis, one.begins_at, one.ends_at, one.made_by) for one in asked] == [
        (V2, basis, NOW - 2 * DAY, NOW - 600, "reviewer") for basis in ("calls", "votes")
    ]
    assert {one.why for one in asked} == {"ok, says [EMAIL]"}
    assert "Asked for by reviewer; the monitors make it at their next run." in page
    assert (entry.actor, entry.subject) == ("reviewer", MODEL)
    assert entry.details["version"] == "v2"
    assert entry.details["basis"] == "calls, votes"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"begins": iso(NOW - 600)}, "it must begin before it ends"),
        ({"ends": iso(NOW + 3600)}, "in the future"),
        ({"begins": iso(NOW - 400 * DAY)}, "store.retention"),
        ({"begins": "yesterday"}, "&#39;yesterday&#39; is no time: write one such as"),
        ({"why": "  "}, "Say why"),
        ({"basis": []}, "calls, votes or both"),
        ({"series": json.dumps(["v3", "", ""])}, "no version &#39;v3&#39;; there are &#39;v1&#39;, &#39;v2&#39;"),
        ({"series": "[" * 5000}, "Choose one of the series"),
        ({"series": "[1, 2, 3]"}, "Choose one of the series"),
    ],
)
def test_what_cannot_be_asked_for_is_answered_with_the_form_as_sent(
    serve: Serve, store: Store, changes: dict[str, object], error: str
) -> None:
    fill(store)
    with visit(serve, store) as browser:
        response = browser.post(page_of(browser), data=form(**changes))
    assert response.status_code == 422
    assert error in response.text
    assert 'role="alert"' in response.text
    kept = "a new prompt template, on purpose" if "why" not in changes else ""
    assert f"required>{kept or changes['why']}</textarea>" in response.text
    with store.read() as connection:
        assert references.asked(connection) == []


def test_a_second_request_is_refused_while_the_first_waits(serve: Serve, store: Store) -> None:
    fill(store)
    with visit(serve, store) as browser:
        address = page_of(browser)
        statuses = [browser.post(address, data=form()).status_code for _ in range(2)]
        page = browser.post(address, data=form()).text
    assert statuses == [303, 422]
    assert "asked for already, by reviewer" in page


def test_another_site_asks_for_nothing(serve: Serve, store: Store) -> None:
    fill(store)
    with visit(serve, store) as browser:
        address = page_of(browser)
        sent = browser.post(address, data=form(), headers={"Sec-Fetch-Site": "cross-site"})
    assert sent.status_code == 403
    with store.read() as connection:
        assert references.asked(connection) == []


def test_the_form_offers_what_was_healthy_or_what_came_since_the_change(serve: Serve, store: Store) -> None:
    fill(store)
    with visit(serve, store) as browser:
        address = page_of(browser)
        query = {"version": V2.version, "tenant": V2.tenant, "segment": V2.segment}
        healthy, since = (browser.get(address, params={**query, **more}).text for more in ({}, {"period": "changed"}))
        other = browser.get(address, params={"version": "v1"}).text
    assert periods(healthy) == (iso(NOW - 5 * DAY), iso(NOW - 2 * DAY))
    assert periods(since) == (iso(NOW - 2 * DAY), iso(NOW - 600))
    assert periods(other) == (iso(NOW - 3 * DAY - 600), iso(NOW - 600))
    assert "selected>v1</option>" in other
    assert "selected>v2, 가게, app=check&lt;out</option>" in healthy
    assert 'value="votes"' in other
    assert 'value="votes"' not in healthy


def periods(page: str) -> tuple[str, str]:
    begins, ends = re.findall(r'type="datetime-local" name="\w+" step="1" value="([^"]+)"', page)
    return begins, ends


def test_a_refused_request_says_why(serve: Serve, store: Store) -> None:
    fill(store)
    with visit(serve, store) as browser:
        address = page_of(browser)
        browser.post(address, data=form())
        with store.read() as connection:
            [asked] = references.asked(connection)
        store.write(lambda c: references.refuse(c, asked, "12 rows in that time, 200 needed", NOW))
        page, told = browser.get(address).text, browser.get(f"/api/v1{address}").json()
    assert "The monitors could not make it: 12 rows in that time, 200 needed." in page
    assert told["references"][0]["refused"] == "12 rows in that time, 200 needed"
    assert [one["state"] for one in told["references"]] == ["refused", "current"]


def test_the_same_as_json(serve: Serve, store: Store) -> None:
    fill(store)
    with visit(serve, store, "viewer") as browser:
        told = browser.get(f"/api/v1{page_of(browser)}").json()
    assert told["model"] == MODEL
    first, second = told["series"]
    assert (first["version"], first["tenant"], first["segment"], first["state"]) == (*V2[1:], "alert")
    assert first["monitors"][0]["effect"] == 0.5
    assert first["monitors"][0]["since"] == NOW - 2 * DAY
    assert second["monitors"][0]["reason"] == "3 of 50 votes since 2 days"
    [reference] = told["references"]
    assert reference["repeated"][0] == {"rows": 100, "share": 0.05, "left_out": True}
    assert reference["restless"] == {"tokens prompt": ["refund", "환불"]}


def test_many_series_are_bounded_and_the_chosen_one_is_shown(serve: Serve, store: Store) -> None:
    found = [status(Series("m", f"v{number:04}"), "ok") for number in range(300)]
    store.write(lambda c: series_states.save(c, found))
    with visit(serve, store) as browser:
        page = browser.get("/models/m", params={"version": "v0299"}).text
    assert page.count('<section class="card">') <= 52
    assert "selected>v0299</option>" in page
    assert "249 more series are not shown" in page


@pytest.mark.parametrize("name", ["nobody", "a/b/c", "x" * 3000])
def test_an_unknown_model_is_not_found(serve: Serve, store: Store, name: str) -> None:
    with visit(serve, store) as browser:
        assert browser.get(f"/models/{name}").status_code == 404
        assert browser.get(f"/api/v1/models/{name}").status_code == 404


def test_checks_that_cannot_be_read_hide_nothing_else(serve: Serve, store: Store) -> None:
    odd = Reference("m", "v", "", "", "calls", NOW - DAY, NOW, "telltale", "", NOW, rows=7, checks={"repeated": 3})
    store.write(lambda c: references.freeze(c, odd))
    with visit(serve, store) as browser:
        page = browser.get("/models/m")
    assert page.status_code == 200
    assert "R-1: calls of" in page.text
