"""Negative feedback on a ticket's page: the votes that still count, each with the response it was about."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from support import signed_in

from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from telltale.evidence.scores import Details, Examples
from telltale.records import Feedback, Sample, Score
from telltale.store import Store, feedback, samples, scores

CALL = Sample("", "a" * 16, 0.0, "shop", "support", "support-2", "client", "chat", "ok", "question", "", 1.0)
VOTE = Feedback(0.0, "shop", "", None, "thumb", "helpful", 0.0, "user", "")
NOW = time.time()


def trace(number: int) -> str:
    return f"{number:032x}"


@pytest.fixture
def show(store: Store, pages: str) -> Callable[..., str]:
    """`show(calls, events)`: the page of a ticket whose window of votes has these calls as its examples."""

    def page(calls: list[Sample], events: list[Feedback]) -> str:
        calls = [call._replace(observed_at=NOW - 500 + number) for number, call in enumerate(calls)]
        store.write(lambda c: samples.save(c, calls, NOW))
        for number, event in enumerate(events):
            stored = replace(event, received_at=NOW - 400 + number, idempotency_key=f"k{number}")
            store.write(lambda c, stored=stored: feedback.append(c, stored, "0" * 64))  # type: ignore[misc]
        with store.read() as connection:
            ids = [call.id or 0 for call in samples.load(connection)]
        judged = Score(
            *("feedback", "negative_ratio", "feedback", "support", "support-2", NOW - 600, NOW - 300, 80, "alert"),  # type: ignore[arg-type]  # a direction and a state
            *(0.3, 0.1, 0.001),
            details=Details(examples=Examples(tuple(ids))),
        )
        store.write(lambda c: scores.save(c, [judged]))
        labels = {"alertname": "NegativeFeedbackHigh", "severity": "ticket", "lane": "retrain"}
        alert = Alert("f" * 16, True, labels | {"model": "support", "version": "support-2"}, {}, NOW - 500)
        (ticket,) = store.write(lambda c: decisions.apply_notification(c, [alert], NOW - 200, 3600.0))
        with signed_in.browser(store, pages) as browser:
            response = browser.get(f"/tickets/{ticket.id}")
        assert response.status_code == 200
        return response.text

    return page


def test_retracted_or_replaced_votes_are_not_shown(show: Callable[..., str]) -> None:
    calls = [CALL._replace(trace_id=trace(n), response=f"response {n}") for n in (1, 2, 3)]
    taken_back = replace(VOTE, trace_id=trace(1), comment="was a mistake")
    changed = replace(VOTE, trace_id=trace(2), comment="too hasty")
    page = show(
        calls,
        [
            taken_back,
            replace(taken_back, kind="retract", value=None, comment=None),
            changed,
            replace(changed, value=1.0, comment=None),
            replace(VOTE, trace_id=trace(3), comment="wrong city"),
        ],
    )
    assert "wrong city" in page
    assert "response 3" in page
    for gone in ("was a mistake", "too hasty", "response 1", "response 2"):
        assert gone not in page, gone


def test_a_judges_rating_is_no_negative_feedback(show: Callable[..., str]) -> None:
    judged = replace(VOTE, trace_id=trace(1), kind="rating", value=0.1, source="judge", comment="the judge's words")
    page = show(
        [CALL._replace(trace_id=trace(n), response=f"response {n}") for n in (1, 2)],
        [judged, replace(VOTE, trace_id=trace(2), comment="a person's words")],
    )
    assert "a person&#39;s words" in page
    assert "judge&#39;s words" not in page
    assert "response 1" not in page


def test_a_vote_stands_beside_the_response_that_the_person_saw(show: Callable[..., str]) -> None:
    calls = [
        CALL._replace(trace_id=trace(1), response="as the client saw it"),
        CALL._replace(trace_id=trace(1), span_id="b" * 16, layer="server", response="as the server sent it"),
        CALL._replace(trace_id=trace(2), response="the named call"),
        CALL._replace(trace_id=trace(2), span_id="c" * 16, response="the call after it"),
    ]
    page = show(calls, [replace(VOTE, trace_id=trace(1)), replace(VOTE, trace_id=trace(2), span_id="a" * 16)])
    assert "as the client saw it" in page
    assert "the named call" in page
    assert "as the server sent it" not in page
    assert "the call after it" not in page


def test_a_comment_stands_with_the_vote_of_the_same_person_on_the_same_call_only(show: Callable[..., str]) -> None:
    vote = replace(VOTE, trace_id=trace(1), subject="a")
    page = show(
        [CALL._replace(trace_id=trace(1), response="response 1")],
        [
            vote,
            replace(vote, kind="comment", value=None, comment="why it was bad"),
            replace(vote, kind="comment", value=None, subject="b", comment="another person"),
            replace(vote, kind="comment", value=None, tenant="bank", comment="another tenant"),
            replace(vote, tenant="bank", comment="a vote of another tenant"),
        ],
    )
    assert "thumb down" in page
    assert "why it was bad" in page
    assert "another person" not in page
    assert "another tenant" not in page
    assert "a vote of another tenant" not in page
