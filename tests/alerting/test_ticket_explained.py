"""A ticket tells what explains its alert first, harmless in every form, and to each reader what that one may read."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import Connection
from support import signed_in

from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from alerting.report.markdown import escape, markdown
from alerting.report.plain import plain
from alerting.report.summary import Summary, summarise
from alerting.report.ticket_report import TicketReport, build_report
from telltale.evidence.explanation import Explanation, Measure, Onset, Phrase, Segment, Segments, Theme
from telltale.evidence.scores import Details, WordChange, WordChanges
from telltale.records import Sample, Score
from telltale.settings import Settings
from telltale.store import Store, samples, scores, tickets

NOW = 1_796_050_800.0
HOUR = 3600.0
BEGAN = NOW - HOUR - 600
WEB = "https://telltale.example"
SENTENCE = (
    "Since 30 Nov 13:50 UTC about 11 % of the prompts contain 항공권 or <b>. 84 % of the rise comes from app checkout."
)
EXPLAINED = Explanation(
    SENTENCE,
    Measure("contain 항공권 or <b>", "percent", 0.11, 0.08, 0.14, 0.006, 500, 410, 2000),
    Onset(BEGAN, BEGAN - 900, BEGAN + 300, 0.003, 1000, NOW - 3 * HOUR),
    Segments(
        "concentrated", (Segment("app", "checkout|`x`", 0.84, 0.3, 0.3, 0.0, 0.3, None, 150, 1e-6, True),), 9, ("app",)
    ),
    (Phrase("항공권 환불을 받고 싶어요", 0.4, 0.0),),
    (Theme("항공권, 환불", "new", 0.08, 0.0, ids=(1,)), Theme("card", "gone", 0.0, 0.05, texts=("a lost *card*",))),
)
SCORE = Score(
    "tokens", "words", "prompt", "support", "v2", NOW - HOUR, NOW, 500, "alert", 9.0, 4.0, 0.001, since=NOW - 2 * HOUR,
    details=Details(WordChanges((WordChange("항공권", 9.0, 0.11, 0.006),)), explanation=EXPLAINED),
)  # fmt: skip


def report(store: Store, *found: Score) -> TicketReport:
    asked = Sample(
        "a" * 32, "b" * 16, NOW - 60, "shop", "support", "v2", "client", "chat", "ok", "항공권 <i>", "r", 0.5
    )
    labels = {"alertname": "ModelDriftPersistent", "severity": "ticket", "lane": "retrain", "component": "model"}
    series = {"model": "support", "version": "v2", "monitor": "tokens", "direction": "prompt"}
    alerts = [
        Alert(f"{place:x}", True, labels | series | {"signal": one.signal}, {"summary": "drift"}, NOW - 100)
        for place, one in enumerate(found)
    ]

    def write(connection: Connection) -> int:
        samples.save(connection, [asked], NOW)
        scores.save(connection, found)
        ticket, *_ = decisions.apply_notification(connection, alerts, NOW, HOUR)
        return ticket.id or 0

    number = store.write(write)
    with store.read() as connection:
        ticket = tickets.get(connection, number)
        assert ticket is not None
        return build_report(connection, ticket, Settings(), NOW)


def summary(store: Store, may_read: bool) -> Summary:
    return summarise(report(store, SCORE), NOW, may_read=may_read)


def test_the_explanation_is_the_ticket_s_sentence_and_dates_it(store: Store) -> None:
    told = report(store, SCORE)
    assert summarise(told, NOW, may_read=False).sentence == f"support, version v2: {SENTENCE}"
    assert told.since == BEGAN


def test_a_series_that_says_how_many_show_it_speaks_first_and_the_others_after_it(store: Store) -> None:
    size = replace(EXPLAINED, sentence="the prompts are longer.", measure=replace(EXPLAINED.measure, unit="number"))  # type: ignore[type-var]  # it has a measure
    longer = replace(SCORE, signal="length", effect=99.0, details=replace(SCORE.details, explanation=size))
    told = summarise(report(store, longer, SCORE), NOW, may_read=False)
    assert told.sentence == f"support, version v2: {SENTENCE} (1 more series changed too)"
    assert [fact.text for fact in told.facts if fact.label == "Changed too"] == [
        "tokens of prompts (length): the prompts are longer."
    ]


@pytest.mark.parametrize(("since", "began"), [(NOW - 2 * HOUR, BEGAN), (NOW - 9 * HOUR, NOW - 9 * HOUR)])
def test_the_start_of_a_window_is_no_news_where_the_moment_in_it_is_known(
    store: Store, since: float, began: float
) -> None:
    coarse = replace(SCORE, signal="mix", since=since, details=replace(SCORE.details, explanation=None))
    assert report(store, SCORE, coarse).since == began


def test_every_form_has_every_figure_and_none_is_markup(store: Store) -> None:
    told = summary(store, may_read=True)
    (part,) = told.parts
    as_markdown, as_text = markdown(told, WEB), plain(told, WEB)
    cells = [cell for grid in (*part.figures, *part.grids) for row in grid.rows for cell in row]
    assert {
        "contain 항공권 or <b>",
        "app: checkout|`x`",
        "항공권 환불을 받고 싶어요",
        "84.0 %",
        "11.0 % (8.0 % to 14.0 %)",
    } <= set(cells)
    for text in (part.lead, told.sentence, *cells):
        assert escape(text) in as_markdown, text
        assert text in as_text, text
    for quote in part.typical:
        assert quote.text in as_text
    assert [quote.text for quote in part.typical] == ["항공권 <i>", "a lost *card*"]


def test_what_people_wrote_is_for_reviewers(store: Store) -> None:
    told = summary(store, may_read=False)
    text = plain(told, WEB)
    assert told.parts[0].typical == ()
    for secret in ("싶어요", "a lost", "<i>"):
        assert secret not in text
    assert SENTENCE in text


def test_the_page_and_json_give_each_reader_what_that_one_may_read(store: Store, pages: str) -> None:
    report(store, SCORE)
    for role, reads in (("viewer", False), ("reviewer", True)):
        with signed_in.browser(store, pages, role, role) as reader:
            page, answer = reader.get("/tickets/1"), reader.get("/api/v1/tickets/1")
            assert page.status_code == 200
            assert "contain 항공권 or &lt;b&gt;" in page.text
            assert "or <b>" not in page.text
            for form in (page.text, json.dumps(answer.json(), ensure_ascii=False)):
                assert ("항공권 환불을 받고 싶어요" in form) == reads
                assert ("a lost *card*" in form) == reads
            explanation = answer.json()["series"][0]["explanation"]
            assert explanation["sentence"] == SENTENCE
            assert explanation["onset"]["at"] == BEGAN
            assert ("ids" in explanation["themes"][0]) == reads
    with httpx.Client(base_url=pages) as nobody:
        assert nobody.get("/api/v1/tickets/1").status_code == 401
