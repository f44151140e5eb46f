"""Review over real pages: a queue is made, labelled by several people, and says how good the answers are."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support import signed_in

from telltale.conversation import Conversation, text
from telltale.labels import FIRST, SECOND, TIE, Field, Rubric
from telltale.records import Sample
from telltale.store import audit, samples
from telltale.store.review import labels, queues, rubrics
from telltale.store.review.queues import Item, Queue
from telltale.web import people

SCRIPT = "<script>alert('x')</script>"
MODEL = {"model": "chat", "kind": "audit", "most": "50", "count": "1"}


def person(service: Any, name: str, role: str = "reviewer") -> httpx.Client:
    found = signed_in.browser(service.store, service.url, name, role)
    found.headers["Accept"] = "text/html"
    return found


def trace(number: int) -> str:
    return f"{number + 1:032x}"


@pytest.fixture
def calls(make_sample: Callable[..., Sample]) -> Callable[[int], None]:
    def make(count: int) -> None:
        for number in range(count):
            make_sample(trace(number), prompt=f"질문 {number}?", response=f"**Answer** {number} {SCRIPT}")

    return make


def new_queue(client: httpx.Client, **fields: str) -> int:
    made = client.post("/review/new", data={"name": uuid.uuid4().hex, **MODEL, **fields})
    assert made.status_code == 303, made.text
    return int(made.headers["location"].rsplit("/", 1)[1])


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of the label's form."""
    form = page[page.index('class="card stack answers"') :]
    return {name: re.search(rf'name="{name}" value="([0-9a-f]{{32}})"', form)[1] for name in ("token", "key")}  # type: ignore[index]  # a form has both


def label(client: httpx.Client, queue: int, verdict: str = "good", **fields: str) -> httpx.Response:
    page = client.get(f"/review/{queue}/next").text
    sent = {**form_of(page), "answer.verdict": verdict, "seen_ms": "1200", **fields}
    return client.post(f"/review/{queue}/label", data=sent)


def test_a_queue_is_counted_first_and_then_made(service: Any, calls: Callable[[int], None]) -> None:
    calls(12)
    with person(service, "ann") as ann:
        page = ann.get("/review/new", params=MODEL).text
        assert "12 calls fit; 12 would be in the queue" in page
        assert "12 that nobody voted on" in page
        number = new_queue(ann, most="5", overlap="2", name="주간 감사")
        listed = ann.get("/review").text
    assert "주간 감사" in listed
    assert "0 of 10" in listed
    with service.store.read() as connection:
        found = queues.items(connection, queue_id=number)
        assert next(entry.action for entry in audit.entries(connection)) == "review.queue.make"
    assert {(one.needed, one.stratum, one.tenant) for one in found} == {(2, "silent", "shop")}
    # Sampled with a half, drawn five of twelve.
    assert [one.probability for one in found] == [pytest.approx(5 / 12 / 2)] * 5


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model": "nobody"}, "No call fits"),
        ({"name": " "}, "Give the queue a name"),
        ({"since": "yesterday"}, "yesterday"),
        ({"rubric": "none such"}, "No rubric is named"),
    ],
)
def test_a_queue_that_cannot_be_made_says_why(
    service: Any, calls: Callable[[int], None], fields: dict[str, str], told: str
) -> None:
    calls(1)
    with person(service, "ann") as ann:
        answer = ann.post("/review/new", data={"name": "q", **MODEL, **fields})
    assert answer.status_code == 422
    assert told in answer.text


def test_two_people_label_without_seeing_each_other(service: Any, calls: Callable[[int], None]) -> None:
    calls(1)
    with person(service, "ann") as ann, person(service, "bo") as bo, person(service, "dae", "adjudicator") as dae:
        number = new_queue(ann, overlap="2")
        first = ann.get(f"/review/{number}/next").text
        assert "질문 0?" in first
        assert "<strong>Answer</strong> 0" in first
        assert "&lt;script&gt;" in first
        assert "<script>alert" not in first
        assert label(ann, number, "good", comment="읽기 쉽다").status_code == 303
        assert "Nothing is left for you" in ann.get(f"/review/{number}/next").text
        assert label(bo, number, "bad", correction="A better one").status_code == 303
        with service.store.read() as connection:
            (item,) = queues.items(connection, queue_id=number)
        assert item.state == "disputed"
        path = f"/review/items/{item.id}"
        assert "읽기 쉽다" not in bo.get(path).text
        assert ann.post(f"{path}/decide", data={"answer.verdict": "good", "why": "x"}).status_code == 403
        shown = dae.get(path).text
        assert "읽기 쉽다" in shown
        assert "ann" not in shown.split("<main")[1]  # who said what must not sway the adjudicator
        decided = dae.post(f"{path}/decide", data={"answer.verdict": "bad", "why": "It names a wrong year."})
        assert decided.status_code == 303
        told = ann.get(path).text
    assert "bad" in told
    assert "adjudicated by dae" in told
    assert "It names a wrong year." in told
    with service.store.read() as connection:
        assert {one.action for one in audit.entries(connection)} >= {"review.item.decide", "review.queue.make"}


def test_a_label_is_stored_once_and_may_be_changed(service: Any, calls: Callable[[int], None]) -> None:
    calls(1)
    with person(service, "ann") as ann:
        number = new_queue(ann)
        sent = {**form_of(ann.get(f"/review/{number}/next").text), "answer.verdict": "good"}
        as_program = {"Accept": "application/json"}
        codes = [ann.post(f"/review/{number}/label", data=sent, headers=as_program).status_code for _ in range(3)]
        assert codes == [201, 200, 200]
        other = ann.post(f"/review/{number}/label", data={**sent, "answer.verdict": "bad"}, headers=as_program)
        assert other.status_code == 409
        again = ann.post(f"/review/{number}/label", data={**sent, "answer.verdict": "bad", "key": "0" * 32})
        assert again.status_code == 303
        listed = ann.get(f"/review/{number}/mine").text
    assert "bad" in listed
    assert "(changed)" in listed


def test_what_cannot_be_a_label_is_refused_in_words(service: Any, calls: Callable[[int], None]) -> None:
    calls(2)
    with person(service, "ann") as ann, person(service, "bo") as bo:
        number = new_queue(ann)
        sent = form_of(ann.get(f"/review/{number}/next").text)

        def answer(client: httpx.Client, **fields: str) -> httpx.Response:
            headers = {"Accept": "application/json"}
            return client.post(f"/review/{number}/label", data={**sent, **fields}, headers=headers)

        assert answer(ann).status_code == 422
        assert "choose one of good, bad" in answer(ann).json()["detail"]
        assert "none of good, bad" in answer(ann, **{"answer.verdict": "<b>"}).json()["detail"]
        assert "no field of answer quality" in answer(ann, **{"answer.tone": "x"}).json()["detail"]
        assert answer(ann, token="x", **{"answer.verdict": "good"}).status_code == 422
        assert answer(bo, **{"answer.verdict": "good"}).status_code == 409


def test_an_item_whose_words_were_deleted_is_passed_over(service: Any, calls: Callable[[int], None]) -> None:
    calls(2)
    with person(service, "ann") as ann:
        number = new_queue(ann)
        sent = form_of(ann.get(f"/review/{number}/next").text)
        with service.store.read() as connection:
            (first, *_) = queues.items(connection, queue_id=number)
            ids = [one.id or 0 for one in samples.load(connection, trace_ids=[first.trace_id])]
        service.store.write(lambda c: samples.remove(c, ids))
        page = ann.get(f"/review/{number}/next").text
        assert form_of(page)["token"] != sent["token"]
        assert "1 can no longer be labelled" in ann.get(f"/review/{number}").text
        assert "was deleted" in ann.get(f"/review/items/{first.id}").text


def test_who_skips_gets_another_and_somebody_else_gets_that(service: Any, calls: Callable[[int], None]) -> None:
    calls(2)
    with person(service, "ann") as ann, person(service, "bo") as bo:
        number = new_queue(ann)
        token = form_of(ann.get(f"/review/{number}/next").text)["token"]
        assert ann.post(f"/review/{number}/skip", data={"token": token, "reason": "not my language"}).status_code == 303
        assert form_of(ann.get(f"/review/{number}/next").text)["token"] != token
        assert label(bo, number).status_code == 303


def test_two_answers_are_compared_in_an_order_that_tells_nothing(
    service: Any, make_sample: Callable[..., Sample]
) -> None:
    make_sample(trace(0), response="왼쪽 답", span_id="1" * 16)
    make_sample(trace(1), response="오른쪽 답", span_id="2" * 16)
    asked = Rubric("which", 1, (Field("better", "Which is better?", "comparison", (FIRST, TIE, SECOND)),))

    def make(connection: Any) -> int:
        rubric = rubrics.publish(connection, asked, actor="t", now=1.0)
        number = queues.make(connection, Queue("pairs", rubric.id or 0, 9, 600.0, 1.0, "t"))
        queues.add(
            connection,
            [Item(number, "shop", "chat", "chat-2", trace(0), "1" * 16, trace(1), "2" * 16, needed=9)],
        )
        return number

    number, orders = service.store.write(make), set()
    for name in ("ann", "bo", "cho", "dae", "eun", "fu", "gil", "han"):
        with person(service, name) as client:
            page = client.get(f"/review/{number}/next").text
            is_first = page.index("왼쪽 답") < page.index("오른쪽 답")
            orders.add(is_first)
            # Everybody prefers the same answer, wherever they see it.
            sent = {**form_of(page), "answer.better": FIRST if is_first else SECOND}
            assert client.post(f"/review/{number}/label", data=sent).status_code == 303
    assert orders == {True, False}
    with service.store.read() as connection:
        (item,) = queues.items(connection, queue_id=number)
        said = labels.current(connection, [item.id or 0])
    assert [one.answers for one in said] == [{"better": FIRST}] * 8


def test_an_audit_says_how_good_the_answers_are(service: Any, calls: Callable[[int], None]) -> None:
    calls(40)
    with person(service, "ann") as ann:
        number = new_queue(ann)
        assert "is not known" in ann.get(f"/review/{number}").text
        for place in range(40):
            assert label(ann, number, "bad" if place % 10 == 0 else "good").status_code == 303
        page, home = ann.get(f"/review/{number}").text, ann.get("/").text
        metrics = ann.get("/metrics").text
    assert "40 audited" in home
    assert 'telltale_quality_ratio{model="chat",version="chat-2"} 0.9' in metrics
    assert 'telltale_quality_labels{model="chat",version="chat-2"} 40.0' in metrics
    assert 'telltale_review_items{state="decided"} 40.0' in metrics
    assert "90.0 %" in page
    assert "of 40 audited" in page
    assert "no item has two people" in page.lower()


def test_an_audit_of_one_tenant_is_none_of_the_model(service: Any, calls: Callable[[int], None]) -> None:
    calls(30)
    with person(service, "ann") as ann:
        number = new_queue(ann, tenant="shop")
        for _ in range(30):
            assert label(ann, number).status_code == 303
        page, home = ann.get(f"/review/{number}").text, ann.get("/").text
        metrics = ann.get("/metrics").text
    assert "of 30 audited" in page
    assert "not audited" in home
    assert "telltale_quality_ratio{" not in metrics


def test_a_whole_conversation_is_shown(service: Any, make_sample: Callable[..., Sample]) -> None:
    said = Conversation(
        system=[text("Answer in Korean.")],
        messages=[{"role": role, "parts": [text(f"{role} {n}")]} for n in range(3) for role in ("user", "assistant")],
        choices=[{"role": "assistant", "parts": [text("마지막 답")]}],
    )
    make_sample(trace(0), conversation=said, prompt="user 2", response="마지막 답")
    with person(service, "ann") as ann:
        page = ann.get(f"/review/{new_queue(ann)}/next").text
    for words in ("Answer in Korean.", "user 0", "assistant 2", "마지막 답"):
        assert words in page


def test_viewers_and_strangers_see_nothing(service: Any, calls: Callable[[int], None]) -> None:
    calls(1)
    with person(service, "ann") as ann:
        number = new_queue(ann)
    with person(service, "vi", "viewer") as viewer, service.client("") as stranger:
        for path in ("/review", "/review/new", f"/review/{number}", f"/review/{number}/next", "/review/items/1"):
            assert viewer.get(path).status_code == 403
            assert stranger.get(path, headers={"Accept": "application/json"}).status_code == 401
    with person(service, "bo") as bo:
        for path in ("/review/99", "/review/99/next", "/review/items/99", "/review/99/mine"):
            assert bo.get(path).status_code == 404


def test_what_judges_and_people_disagree_on_is_a_queue(service: Any, calls: Callable[[int], None]) -> None:
    calls(4)

    def say(number: int, source: str, value: str) -> None:
        body = {"trace_id": trace(number), "kind": "thumb", "value": value}
        sent = {**body, "source": source, "name": "helpful" if source == "user" else "judge-1"}
        with service.client() as client:
            answer = client.post("/api/v1/feedback", json=sent, headers={"Idempotency-Key": uuid.uuid4().hex})
        assert answer.status_code == 201

    for number, person_says, judge_says in ((0, "up", "down"), (1, "down", "down"), (2, "down", "up"), (3, "up", "up")):
        say(number, "user", person_says)
        say(number, "judge", judge_says)
    with person(service, "ann") as ann:
        found = {kind: new_queue(ann, kind=kind) for kind in ("disliked", "judged", "disagreed")}
        for kind, expected in (("disliked", {1, 2}), ("judged", {0, 1}), ("disagreed", {0, 2})):
            with service.store.read() as connection:
                items = queues.items(connection, queue_id=found[kind])
            assert {int(one.trace_id, 16) - 1 for one in items} == expected
            assert {one.probability for one in items} == {None}  # chosen: it says nothing of the rest
        label(ann, found["judged"], "bad")
        told = ann.get(f"/review/{found['judged']}").text.split("Automatic judges against people")[1]
        assert re.search(r'judge-1</th><td class="num">1</td><td class="num">not enough data', told)
        audited = ann.get("/review/new", params=MODEL).text
    assert "2 that somebody voted down, 2 that were voted up" in audited


def test_known_answers_are_mixed_in_and_tell_who_labels_well(service: Any, calls: Callable[[int], None]) -> None:
    calls(20)
    with person(service, "ann") as ann, person(service, "bo") as bo, person(service, "cho") as cho:
        first = new_queue(ann, overlap="2", most="14")
        for client in (ann, bo):
            for _ in range(14):
                label(client, first, "good")
        # Of fourteen known calls at most ten are in the second queue anyway.
        second = new_queue(ann, gold="4", most="10")
        with service.store.read() as connection:
            items = queues.items(connection, queue_id=second)
        gold = [one for one in items if one.gold]
        assert all(dict(one.gold or {}) == {"verdict": "good"} and one.probability is None for one in gold)
        for _ in range(len(items)):
            label(cho, second, "bad")
        page = cho.get(f"/review/{second}").text
    assert (len(items), len(gold)) == (14, 4)
    row = page.split("Against known answers")[1]
    assert re.search(rf'cho</th><td class="num">{len(gold)}</td><td class="num">0</td>', row)


def test_who_is_disabled_leaves_their_items_to_others(service: Any, calls: Callable[[int], None]) -> None:
    calls(1)
    with person(service, "ann") as ann, person(service, "bo") as bo:
        number = new_queue(ann)
        form_of(ann.get(f"/review/{number}/next").text)
        assert "Nothing is left" in bo.get(f"/review/{number}/next").text
        people.disable(service.store, name="ann", actor="test", now=time.time())
        assert label(bo, number).status_code == 303
        assert ann.get(f"/review/{number}/next", headers={"Accept": "application/json"}).status_code == 401


def test_two_versions_are_compared_on_the_same_prompts(service: Any, make_sample: Callable[..., Sample]) -> None:
    for number in range(6):
        make_sample(trace(number), version="v1", prompt=f"질문 {number % 4}", response=f"old {number}")
        make_sample(trace(100 + number), version="v2", prompt=f"질문 {number}", response=f"new {number}")
    make_sample(trace(200), version="v1", prompt="same", response="an answer")
    make_sample(trace(201), version="v2", prompt="same", response=" an  answer")
    make_sample(trace(202), version="v1", prompt="질문 5", response="of another", tenant="bank")
    compared = {"model": "chat", "kind": "compare", "version": "v1", "other": "v2", "count": "1"}
    with person(service, "ann") as ann:
        assert "4 pairs of answers fit" in ann.get("/review/new", params=compared).text
        refused = ann.post("/review/new", data={"name": "q", **compared, "other": "v1"})
        assert "Name the two versions" in refused.text
        number = new_queue(ann, **compared)
        page = ann.get(f"/review/{number}/next").text
        assert "First answer" in page
        assert "Second answer" in page
        audit_of_two = ann.post("/review/new", data={"name": "q", **MODEL, "rubric": "which answer"})
    assert "cannot be asked of one answer" in audit_of_two.text
    with service.store.read() as connection:
        items = queues.items(connection, queue_id=number)
    assert {(one.version, one.tenant) for one in items} == {("v1", "shop")}
    assert len({one.trace_id for one in items}) == len({one.other_trace_id for one in items}) == 4


def test_a_closed_queue_gives_out_nothing_until_it_is_open_again(service: Any, calls: Callable[[int], None]) -> None:
    calls(1)
    with person(service, "ann") as ann:
        number = new_queue(ann)
        assert ann.post(f"/review/{number}/close").status_code == 303
        assert "nothing of it is given out" in ann.get(f"/review/{number}/next").text
        assert "Open the queue again" in ann.get(f"/review/{number}").text
        assert ann.post(f"/review/{number}/open").status_code == 303
        assert label(ann, number).status_code == 303
    with service.store.read() as connection:
        assert [one.action for one in audit.entries(connection)][:2] == ["review.queue.open", "review.queue.close"]
