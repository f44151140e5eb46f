"""What a ticket says: whom it hits, what was new, why it is not noise, alike as page, Markdown and plain text."""

from __future__ import annotations

import html
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from support import signed_in

from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from alerting.lifecycle.closing import Closing
from alerting.report.deploys import Deploy, first_seen
from alerting.report.impact import estimate, parts_of
from alerting.report.markdown import escape, markdown
from alerting.report.plain import plain
from alerting.report.series import of_model
from alerting.report.summary import Part, Quote, Summary, summarise
from alerting.report.ticket_report import TicketReport, build_report
from telltale.evidence.alerts import TicketAlert
from telltale.evidence.scores import Details, VoteShares, WordChange, WordChanges
from telltale.records import Judged, Sample, Score
from telltale.settings import Settings, Team
from telltale.store import Store, samples, scores, tickets
from telltale.store.calls import Call

NOW = 1_796_029_200.0
WINDOW = Settings().monitor.window
WEB = "https://telltale.example"
HOSTILE = "<b>*Refund* | `now` [x](javascript:1) @all</b>"


def call(at: float, tenant: str = "shop", weight: float = 1.0, **fields: object) -> Call:
    given = {"user": None, "version": "v2", "layer": "client", "status": "ok", "values": ()}
    return Call(observed_at=at, tenant=tenant, weight=weight, **(given | fields))  # type: ignore[arg-type]  # fields of a call


def alert_on(**labels: str) -> TicketAlert:
    return TicketAlert(key="k", lane="ops", name="A", status="firing", starts_at=1.0, received_at=1.0, labels=labels)


def test_impact_is_weighed_counts_one_layer_and_only_the_alerts_parts() -> None:
    found = [
        call(1.0, weight=10.0, user="a", values=("checkout",)),
        call(2.0, weight=30.0, user="b", values=("checkout",), status="error"),
        call(3.0, weight=60.0, tenant="bank", user="c", values=(None,)),
        call(4.0, weight=60.0, version="v1", values=("checkout",)),
        call(5.0, weight=9.0, layer="server", values=("checkout",)),
    ]
    parts = parts_of([alert_on(version="v2", segment="app=checkout")], "v2")
    assert parts == [{"version": "v2", "app": "checkout"}]
    impact = estimate(found, ["app"], parts, 0.0, 9.0, complete=True)
    assert impact is not None
    assert (impact.layer, impact.hit, impact.calls, impact.share) == ("client", 40.0, 160.0, 0.25)
    assert (impact.tenants, impact.all_tenants, impact.users, impact.failed) == (("shop",), 2, 2, 0.75)
    assert estimate([], [], parts, 0.0, 9.0, complete=True) is None


def test_the_part_that_only_the_monitors_know_is_not_guessed() -> None:
    assert parts_of([alert_on(segment="app=other")], "v2") is None
    assert parts_of([alert_on(tenant="other")], "v2") is None
    assert parts_of([alert_on(layer="gateway"), alert_on(layer="gateway")], "") == [{"layer": "gateway"}]


def test_what_the_first_call_has_is_not_new_and_the_nearest_comes_first() -> None:
    found = [
        call(0.0, version="v1", values=("greeting", "6", None, None)),
        call(10.0, version="v2", values=("greeting", "7", None, None)),
        call(50.0, version="v2", values=("greeting", "7", "bot", "1")),
        call(60.0, version="v3", values=("greeting", "6", "bot", "2")),
    ]
    assert first_seen(found, 55.0) == (
        Deploy("agent", "bot 2", 60.0),
        Deploy("version", "v3", 60.0),
        Deploy("prompt", "greeting 7", 10.0),
        Deploy("version", "v2", 10.0),
    )
    assert first_seen([], 55.0) == ()
    # What failed and was served by nothing is no version.
    told = [call(0.0, version="v1", values=(None,) * 4), call(5.0, version="chat", values=(None,) * 4)]
    assert first_seen(told, 55.0, "chat") == ()
    assert first_seen(told, 55.0, "other") == (Deploy("version", "chat", 5.0),)


def score(end: float, effect: float, state: Judged, **fields: object) -> Score:
    words = WordChanges((WordChange(HOSTILE, 9.0, 0.4, 0.02), WordChange("환불", 5.0, 0.2, 0.1)))
    given: dict[str, object] = {"version": "v2", "details": Details(words), "p_value": 0.001, "threshold": 4.0}
    series = {"monitor": "tokens", "signal": "words", "direction": "prompt", "model": "support"}
    rest = {"window_start": end - WINDOW, "window_end": end, "samples": 300, "state": state, "effect": effect}
    return Score(**(series | rest | given | fields))  # type: ignore[arg-type]  # fields of a score


def report(store: Store, found: list[Score], *alerts: Alert, settings: Settings | None = None) -> TicketReport:
    """The report of the ticket that these alerts open, over a store with these scores and some calls."""
    shown = ("support", "v2", "client", "chat", "ok", "p", "r", 0.5)
    rows = [
        Sample(f"{i:032x}", "b" * 16, NOW - 30_000 + 600 * i, ("shop", "bank")[i % 2], *shown, user=f"{i % 3:032x}")  # type: ignore[arg-type]  # a layer and a status
        for i in range(50)
    ]
    rows[0] = rows[0]._replace(version="v1")

    def write(connection: object) -> int:
        samples.save(connection, rows, NOW)  # type: ignore[arg-type]
        scores.save(connection, found)  # type: ignore[arg-type]
        ticket, *_ = decisions.apply_notification(connection, list(alerts), NOW, 3600.0)  # type: ignore[arg-type]
        return ticket.id or 0

    number = store.write(write)
    with store.read() as connection:
        ticket = tickets.get(connection, number)
        assert ticket is not None
        return build_report(connection, ticket, settings or Settings(), NOW)


def drift(**labels: str) -> Alert:
    series = {"monitor": "tokens", "signal": "words", "direction": "prompt", "component": "model"}
    base = {"alertname": "ModelDriftPersistent", "severity": "ticket", "lane": "retrain", "model": "support"}
    fingerprint = f"{zlib.crc32(repr(sorted(labels.items())).encode()):x}"
    return Alert(fingerprint, True, base | series | {"version": "v2"} | labels, {"summary": HOSTILE}, NOW - 100)


@pytest.mark.parametrize(("labels", "tenant"), [({}, "bank"), ({"tenant": "shop"}, "shop")])
def test_the_command_names_a_tenant_where_a_set_of_all_is_refused(
    store: Store, labels: dict[str, str], tenant: str
) -> None:
    """Half of the calls are shop's and half bank's, and a set holds those of one."""
    told = report(store, [score(NOW, 9.0, "alert", **labels)], drift(**labels))
    assert told.export_command.startswith(f"telltale export --ticket T-1 --tenant {tenant} --format kto -o ")


def test_reasons_are_windows_over_their_threshold_and_since_is_the_first_that_was_suspect(store: Store) -> None:
    states: list[tuple[float, Judged]] = [(1, "ok"), (5, "suspect"), (6, "suspect"), (9, "alert"), (3, "alert")]
    found = [score(NOW - WINDOW * (5 - i), effect, state) for i, (effect, state) in enumerate(states)]
    low = [replace(one, signal="length", effect=3.0) for one in found[3:]]
    told = report(store, found + low, drift(), drift(signal="length"))
    assert [(one.judged.signal, one.judged.effect) for one in told.convincing] == [("words", 9.0)]
    assert {one.judged.signal for one in told.alarming} == {"words", "length"}
    assert told.since == found[1].window_start
    (row,) = summarise(told, NOW, may_read=True).reasons.rows
    assert row[:3] == ("tokens of prompts (words)", "9", "4")


def test_windows_far_from_the_beginning_and_the_end_are_not_read(store: Store) -> None:
    near = [score(NOW - WINDOW * i, 9.0, "alert") for i in range(3)]
    far = [score(NOW - WINDOW * 200, 99.0, "alert"), score(NOW + WINDOW * 200, 99.0, "alert")]
    other = [replace(one, segment="app=x", effect=99.0) for one in near]
    told = report(store, near + far + other, drift())
    assert [[one.effect for one in series.history] for series in told.series] == [[9.0] * 3]


def test_a_ticket_of_very_many_parts_shows_the_most_urgent_and_says_how_many_more(store: Store) -> None:
    tenants = [f"tenant-{i}" for i in range(35)]
    found = [score(NOW, 10.0 + i, "alert", tenant=tenant) for i, tenant in enumerate(tenants)]
    told = report(store, found, *(drift(tenant=tenant) for tenant in tenants))
    assert (len(told.series), told.more_series, told.series[0].judged.tenant) == (30, 5, "tenant-34")
    assert "5 more series are not shown" in summarise(told, NOW, may_read=True).hidden


def test_a_duplicate_of_another_model_changes_neither_the_title_nor_the_evidence(store: Store) -> None:
    report(store, [score(NOW, 9.0, "alert")], drift(tenant="bank"), drift(model="aaa", version="v9"))
    with store.read() as connection:
        one, other = sorted(tickets.load(connection), key=lambda ticket: ticket.model, reverse=True)
    closing = Closing("duplicate", "the same release", one.id)
    store.write(lambda connection: decisions.close_by_hand(connection, other, closing, "rita", NOW))
    with store.read() as connection:
        joined = tickets.get(connection, one.id or 0)
        assert joined is not None
        again = build_report(connection, joined, Settings(), NOW)
    assert len(joined.alerts) == 2
    assert joined.title == one.title == "support: drift (v2)"
    assert again.alarming == []
    assert parts_of(of_model(joined), "v2") == [{"version": "v2", "tenant": "bank"}]


def facts(summary: Summary) -> dict[str, str]:
    return {fact.label: fact.text for fact in summary.facts}


def test_the_first_screen_answers_what_a_person_at_night_asks(store: Store) -> None:
    votes = VoteShares(0.34, 0.27, 0.41, 0.08, 640)
    said = score(NOW, 0.3, "ok", monitor="feedback", signal="negative_ratio", direction="feedback", threshold=0.4)
    found = [score(NOW, 9.0, "alert", tenant="shop"), replace(said, details=Details(votes), samples=1)]
    settings = Settings(teams=(Team(name="지원팀", tenants=("shop",)),))
    summary = summarise(report(store, found, drift(tenant="shop"), settings=settings), NOW, may_read=True)
    told = facts(summary)
    assert summary.sentence.startswith("What is asked of support, version v2, tenant shop has changed: more <b>")
    assert told["Severity"] == "ticket"
    assert told["Owner"] == "지원팀"
    assert told["Assigned to"] == "nobody; not acknowledged"
    assert told["First action"].startswith("A broken release: roll back.")
    assert re.fullmatch(
        r"50\.0 % of the model's calls \(about \d+\) since .* UTC; 1 of 2 tenants \(shop\); at least \d users?",
        told["Impact"],
    )
    assert told["Feedback at the time"] == "34.0 % of 1 vote negative (27.0 % to 41.0 %); 8.0 % of 640 votes before"
    assert told["Deploys"].startswith("version v2 first seen ")


def test_what_is_not_known_is_named_so(store: Store) -> None:
    gone = drift(model="", version="", alertname="Unheard", lane="ops")
    told = facts(summarise(report(store, [], gone), NOW, may_read=True))
    assert told["Impact"] == "not known: the alert names no model"
    assert told["Owner"] == "no team is named for it"
    assert told["First action"].startswith("not known")
    silent = facts(summarise(report(store, [], drift(model="unheard")), NOW, may_read=True))
    assert silent["Impact"].startswith("not known: no calls")
    assert silent["Deploys"].startswith("not known")
    assert silent["Feedback at the time"].startswith("not known")


def test_who_may_not_read_gets_no_texts(store: Store) -> None:
    summary = summarise(report(store, [score(NOW, 9.0, "alert")], drift()), NOW, may_read=False)
    assert all(not part.quotes for part in summary.parts)
    assert "shown to reviewers" in summary.hidden


def texts(summary: Summary) -> Iterator[str]:
    yield from (summary.title, summary.sentence)
    for fact in summary.facts:
        yield from (fact.label, fact.text)
    for grid in (summary.reasons, summary.timeline, *(grid for part in summary.parts for grid in part.grids)):
        yield grid.title
        for row in grid.rows:
            yield from row


def test_page_markdown_and_plain_text_say_the_same(store: Store, pages: str) -> None:
    summary = summarise(report(store, [score(NOW, 9.0, "alert")], drift()), NOW, may_read=True)
    as_markdown, as_text = markdown(summary, WEB), plain(summary, WEB)
    for text in texts(summary):
        assert escape(text) in as_markdown, text
        assert " ".join(text.split()) in as_text, text
    assert "/runbooks/ModelDriftPersistent>)" in as_markdown
    assert f"{WEB}/runbooks/ModelDriftPersistent" in as_text

    with signed_in.browser(store, pages) as reader:
        page = html.unescape(reader.get("/tickets/1").text)
        served = {ending: reader.get(f"/tickets/1.{ending}") for ending in ("md", "txt")}
        with store.read() as connection:
            ticket = tickets.get(connection, 1)
            assert ticket is not None
            now_told = summarise(build_report(connection, ticket, Settings(), time.time()), time.time(), may_read=True)
    for text in (now_told.sentence, *(fact.text for fact in now_told.facts if "ago)" not in fact.text)):
        assert text in page, text
    assert served["md"].headers["content-type"] == "text/markdown; charset=utf-8"
    assert served["txt"].headers["content-type"] == "text/plain; charset=utf-8"
    assert escape(now_told.sentence) in served["md"].text
    assert now_told.sentence in served["txt"].text


@pytest.mark.parametrize(
    "text", ["[x](javascript:1)", "a | b", "`code`", "<b>", "*bold* _em_", "line\nbreak", "~~no~~"]
)
def test_no_text_is_markup_in_markdown(text: str) -> None:
    assert not re.search(r"(?<!\\)[`*_\[\]<>|~\n]", escape(text))


def test_plain_text_moves_no_terminal(store: Store) -> None:
    hostile = "drift \x1b]0;owned\x07 \x9b2J \u202egnp.exe"
    told = summarise(report(store, [], drift()), NOW, may_read=True)
    told = replace(told, sentence=hostile, parts=(Part("p", "ok", (), (Quote("q", f"a\tb\r\n{hostile}"),)),))

    text = plain(told, WEB)
    assert not set(text) & set("\x1b\x07\x9b\u202e\r")
    assert "  | a\tb\n" in text


def test_the_list_is_filtered_by_its_address_and_find_leads_to_the_ticket(store: Store, pages: str) -> None:
    report(store, [], drift(tenant="shop"))
    with signed_in.browser(store, pages) as reader:
        for query, is_there in (
            ("", True),
            ("q=supp&severity=ticket&model=support&tenant=shop&acknowledged=no&assignee=-", True),
            ("acknowledged=yes", False),
            ("show=closed", False),
            ("owner=nobody-at-all", False),
            ("sort=severity&order=asc&page=1&q=T-1", True),
        ):
            assert ('href="/tickets/1"' in reader.get(f"/tickets?{query}").text) == is_there, query
            rows = reader.get(f"/api/v1/tickets?{query}").json()["tickets"]
            assert bool(rows) == is_there, query
        assert reader.get("/tickets?sort=password").status_code == 422
        assert reader.get("/tickets?page=0").status_code == 422
        for query, target in (
            ("alertname=ModelDriftPersistent&model=support&tenant=shop", "/tickets/1"),
            ("alertname=ModelDriftPersistent&tenant=bank", "/tickets?show=all&q=ModelDriftPersistent+bank"),
            ("", "/tickets?show=all"),
        ):
            answer = reader.get(f"/tickets/find?{query}")
            assert (answer.status_code, answer.headers["location"]) == (303, target)
        assert reader.get("/tickets/find?" + "&".join(f"l{i}=x" for i in range(31))).status_code == 422
    with httpx.Client(base_url=pages) as nobody:
        for path in ("/tickets/find?model=support", "/tickets/1.md", "/tickets/1.txt"):
            assert nobody.get(path).status_code == 401
