"""What goes wrong while people label: another tab, an erased call, a second thought. Nothing lost, nothing unseen."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import signed_in

from feedback.labelling.changes import changes
from telltale.conversation import Conversation, text
from telltale.labels import DEFAULT, FIRST, SECOND, TIE, Field, Rubric
from telltale.records import Sample
from telltale.store import samples
from telltale.store.review import labels, queues, rubrics
from telltale.store.review.labels import Label
from telltale.store.review.queues import Item, Queue

SPAN = "00f067aa0ba902b7"
HIDDEN = re.compile(r'name="(token|key|replaces)" value="([0-9a-f]*)"')


def person(service: Any, name: str, role: str = "reviewer") -> httpx.Client:
    found = signed_in.browser(service.store, service.url, name, role)
    found.headers["Accept"] = "text/html"
    return found


@pytest.fixture
def queue(service: Any, make_sample: Callable[..., Sample]) -> Callable[..., int]:
    def make(calls: int = 1, overlap: int = 1, response: str = "The capital is Lyon.") -> int:
        for number in range(calls):
            make_sample(f"{number + 1:032x}", prompt=f"질문 {number}?", response=response)

        def write(connection: Any) -> int:
            rubric = rubrics.publish(connection, DEFAULT, actor="t", now=time.time())
            made = Queue(uuid.uuid4().hex, rubric.id or 0, overlap, 600.0, time.time(), "t")
            number = queues.make(connection, made)
            new = (Item(number, "shop", "chat", "chat-2", f"{n + 1:032x}", SPAN, needed=overlap) for n in range(calls))
            queues.add(connection, new)
            return number

        found: int = service.store.write(write)
        return found

    return make


def form(page: str) -> dict[str, str]:
    part = page[page.index('class="card stack') :]
    return dict(reversed(HIDDEN.findall(part[: part.index("</form>")])))


def send(client: httpx.Client, queue: int, page: str, verdict: str = "good", **fields: str) -> httpx.Response:
    headers = {"Accept": "application/json"}
    sent = {**form(page), "answer.verdict": verdict, **fields}
    return client.post(f"/review/{queue}/label", data=sent, headers=headers)


def said(service: Any, queue: int) -> list[Label]:
    with service.store.read() as connection:
        found = queues.items(connection, queue_id=queue)
        return labels.current(connection, [one.id or 0 for one in found])


def test_a_second_tab_does_not_write_over_the_first_unseen(service: Any, queue: Callable[..., int]) -> None:
    number = queue()
    with person(service, "ann") as ann:
        first, second = (ann.get(f"/review/{number}/next").text for _ in range(2))
        assert send(ann, number, first, "good").status_code == 201
        refused = send(ann, number, second, "bad")
        assert refused.status_code == 409
        assert "another tab" in refused.json()["detail"]
        back = send(ann, number, first, "bad")
    assert back.status_code == 409
    assert "What I labelled" in back.json()["detail"]
    assert [one.answers for one in said(service, number)] == [{"verdict": "good"}]


def test_a_second_thought_keeps_the_words_of_the_first(service: Any, queue: Callable[..., int]) -> None:
    number = queue()
    with person(service, "ann") as ann:
        page = ann.get(f"/review/{number}/next").text
        # The form begins with the model's answer.
        assert "The capital is Lyon.</textarea>" in page
        better = {"comment": "wrong city", "correction": "The capital is Paris."}
        assert send(ann, number, page, "bad", **better).status_code == 201
        opened = ann.get(f"/review/{number}/last")
        assert opened.status_code == 303
        page = ann.get(opened.headers["location"]).text
        assert "wrong city</textarea>" in page
        assert "The capital is Paris.</textarea>" in page
        assert "<del>Lyon</del><ins>Paris</ins>" in page
        assert send(ann, number, page, "good", **better).status_code == 201
        # Another page of the same label is out of date now.
        assert send(ann, number, page, "bad", key="0" * 32).status_code == 409
    (label,) = said(service, number)
    assert (label.revision, label.comment, label.correction) == (2, "wrong city", "The capital is Paris.")


def test_the_model_s_own_answer_is_no_correction(service: Any, queue: Callable[..., int]) -> None:
    number = queue(response="One\ntwo.")
    with person(service, "ann") as ann:
        page = ann.get(f"/review/{number}/next").text
        assert send(ann, number, page, correction="One\r\ntwo.").status_code == 201
    assert [one.correction for one in said(service, number)] == [""]


def test_words_about_an_erased_call_are_not_kept(service: Any, queue: Callable[..., int]) -> None:
    number = queue()
    with person(service, "ann") as ann:
        page = ann.get(f"/review/{number}/next").text
        service.store.write(lambda c: samples.remove(c, [1]))
        refused = send(ann, number, page, correction="The capital is Paris, Anna.")
        assert refused.status_code == 409
        assert "deleted" in refused.json()["detail"]
        assert "Nothing is left" in ann.get(f"/review/{number}/next").text
    assert said(service, number) == []
    with service.store.read() as connection:
        assert [one.state for one in queues.items(connection, queue_id=number)] == ["gone"]


def test_a_queue_whose_calls_are_gone_is_passed_over_at_once(
    service: Any, queue: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    number, writes = queue(100), []
    service.store.write(lambda c: samples.remove(c, list(range(1, 100))))
    write = service.store.write
    monkeypatch.setattr(service.store, "write", lambda change: writes.append(change) or write(change))
    with person(service, "ann") as ann:
        assert "질문 99?" in ann.get(f"/review/{number}/next").text
    assert len(writes) < 10


def test_a_dispute_is_of_who_saw_the_item_and_goes_to_an_adjudicator(service: Any, queue: Callable[..., int]) -> None:
    number = queue(2)
    with person(service, "ann") as ann, person(service, "bo") as bo, person(service, "dae", "adjudicator") as dae:
        page = ann.get(f"/review/{number}/next").text
        assert "Ask an adjudicator" in page
        assert bo.post("/review/items/1/dispute", data={"why": "x"}).status_code == 409
        asked = ann.post("/review/items/1/dispute", data={"why": "두 답 모두 맞다\0", "on": str(number)})
        assert asked.headers["location"] == f"/review/{number}/next"
        assert form(ann.get(f"/review/{number}/next").text)["token"] != form(page)["token"]
        verdict = {"answer.verdict": "good", "why": "It answers.", "correction": "The capital is Paris."}
        decided = dae.post("/review/items/1/decide", data=verdict)
        assert decided.status_code == 303
        assert "It answers." in dae.get("/review/items/1").text
        # What is gone has nothing to decide on.
        service.store.write(lambda c: queues.mark_gone(c, 2))
        assert ann.post("/review/items/2/dispute", data={"why": "x"}).status_code == 409
    with service.store.read() as connection:
        assert [one.state for one in queues.items(connection, queue_id=number)] == ["decided", "gone"]
        ((_, found),) = labels.until(connection, ["1".zfill(32)], labels.last_id(connection))
    # The dispute, and what an adjudicator writes on the page, are kept as well.
    assert [(one.correction, one.is_verdict) for one in found] == [("", True), ("The capital is Paris.", True)]


def test_a_closed_queue_says_so_and_takes_what_is_open(service: Any, queue: Callable[..., int]) -> None:
    number = queue(2)
    with person(service, "ann") as ann:
        page = ann.get(f"/review/{number}/next").text
        ann.post(f"/review/{number}/close")
        assert send(ann, number, page).status_code == 201
        assert "was closed" in ann.get(f"/review/{number}/next").text


@given(st.text("ab \n다", max_size=80), st.text("ab \n다", max_size=80))
def test_a_diff_is_both_texts(before: str, after: str) -> None:
    pieces = changes(before, after)
    assert "".join(one.text for one in pieces if one.kind != "new") == before
    assert "".join(one.text for one in pieces if one.kind != "gone") == after


def test_each_person_s_part_says_what_is_left_for_them(service: Any, queue: Callable[..., int]) -> None:
    number = queue(4, overlap=2)
    with person(service, "ann") as ann, person(service, "bo") as bo:
        send(ann, number, ann.get(f"/review/{number}/next").text)
        page = ann.get(f"/review/{number}/next").text
        ann.post(f"/review/{number}/skip", data={"token": form(page)["token"], "reason": "other"})
        ann.get(f"/review/{number}/next")
        send(bo, number, bo.get(f"/review/{number}/next").text)
        told = ann.get(f"/review/{number}").text
    rows = re.findall(r'<th scope="row" class="words">(\w+).*?</th>(.*?)</tr>', told)
    # Labelled, skipped, in hand, left: ann's first is full by now, bo has three to come.
    counts = {name: re.findall(r">(\d+)<", cells) for name, cells in rows}
    assert counts == {"ann": ["1", "1", "1", "1"], "bo": ["1", "0", "0", "3"]}


def test_a_long_conversation_is_all_there(
    service: Any, make_sample: Callable[..., Sample], queue: Callable[..., int]
) -> None:
    said = Conversation(
        messages=[{"role": "user" if n % 2 == 0 else "Response", "parts": [text(f"turn {n}.")]} for n in range(60)],
        choices=[{"role": "assistant", "parts": [text("The end.")]}],
    )
    number = queue(0)
    make_sample("a" * 32, conversation=said, prompt="turn 59.", response="The end.")
    service.store.write(lambda c: queues.add(c, [Item(number, "shop", "chat", "chat-2", "a" * 32, SPAN)]))
    with person(service, "ann") as ann:
        page = ann.get(f"/review/{number}/next").text
    assert [n for n in range(60) if f"turn {n}." not in page] == []
    assert "52 earlier turns" in page


def test_a_comparison_does_not_name_the_models(service: Any, make_sample: Callable[..., Sample]) -> None:
    make_sample("a" * 32, model="model-one")
    make_sample("b" * 32, model="model-two")
    asked = Rubric("which", 1, (Field("better", "Which is better?", "comparison", (FIRST, TIE, SECOND)),))

    def make(connection: Any) -> int:
        rubric = rubrics.publish(connection, asked, actor="t", now=1.0)
        number = queues.make(connection, Queue("pairs", rubric.id or 0, 1, 600.0, 1.0, "t"))
        queues.add(connection, [Item(number, "shop", "model-one", "chat-2", "a" * 32, SPAN, "b" * 32, SPAN)])
        return number

    number = service.store.write(make)
    with person(service, "ann") as ann:
        for path in (f"/review/{number}/next", "/review/items/1"):
            assert "model-" not in ann.get(path).text.split("<main")[1]


def test_the_list_of_feedback_marks_what_is_reviewed_and_by_me(service: Any, queue: Callable[..., int]) -> None:
    number = queue(1, overlap=2)
    body = {"trace_id": "1".zfill(32), "span_id": SPAN, "kind": "thumb", "value": "down", "name": "helpful"}
    with service.client() as client:
        client.post("/api/v1/feedback", json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
    with person(service, "ann") as ann, person(service, "bo") as bo:
        send(ann, number, ann.get(f"/review/{number}/next").text)
        assert "you labelled it" in ann.get("/feedback").text
        # Who has yet to label it sees nothing of it.
        assert "/review/items/" not in bo.get("/feedback").text
        send(bo, number, bo.get(f"/review/{number}/next").text)
        with person(service, "cho") as cho:
            told = cho.get("/feedback").text
    assert "<strong>good</strong> (unanimous)" in told
    assert "you labelled it" not in told


def test_a_queue_for_named_people_is_theirs_alone(service: Any, make_sample: Callable[..., Sample]) -> None:
    make_sample("a" * 32)
    asked = {"name": "hers", "model": "chat"}
    with person(service, "ann") as ann, person(service, "bo") as bo, person(service, "vi", "viewer"):
        for people, told in (("nobody", "is no reviewer"), ("vi", "is no reviewer"), ("a\0b", "is no reviewer")):
            refused = ann.post("/review/new", data={**asked, "people": people})
            assert refused.status_code == 422
            assert told in refused.text
        few = ann.post("/review/new", data={**asked, "people": "bo", "overlap": "2"})
        assert "only 1 may label" in few.text
        made = ann.post("/review/new", data={**asked, "people": "bo, "}).headers["location"]
        assert "This queue is for bo." in ann.get(f"{made}/next").text
        page = ann.get(made).text
        assert re.search(r"bo</th>.*?Left for them\">1<", page)
        assert "Where is my parcel?" in bo.get(f"{made}/next").text
