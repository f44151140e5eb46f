"""Labels of review queues in data sets: once people agree, or an adjudicator decided; and never before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.data_sets import START, lines, trace

from feedback.export import main, repeat
from telltale.labels import DEFAULT, FIRST, SECOND, TIE, Field, Rubric
from telltale.settings import Settings
from telltale.store import Store
from telltale.store.review import labels, leases, queues, rubrics
from telltale.store.review.labels import Label
from telltale.store.review.queues import Item, Queue

SPAN = "00f067aa0ba902b7"


@pytest.fixture
def review(store: Store) -> Any:
    """`review(calls, overlap, rubric)`: a queue of these calls; of pairs of calls for a comparison."""
    names = iter(range(100))

    def make(calls: list[Any], overlap: int = 1, rubric: Rubric = DEFAULT) -> int:
        def write(connection: Any) -> int:
            known = rubrics.publish(connection, rubric, actor="t", now=START)
            queue = Queue(f"q{next(names)}", known.id or 0, overlap, 1e6, START, "t")
            number = queues.make(connection, queue)
            queues.add(connection, (_item(number, call, overlap) for call in calls))
            return number

        return store.write(write)

    return make


def _item(number: int, call: Any, overlap: int) -> Item:
    first, second = call if isinstance(call, tuple) else (call, None)
    other = ("", "") if second is None else (trace(second), SPAN)
    return Item(number, "shop", "chat", "chat-2", trace(first), SPAN, *other, needed=overlap)


@pytest.fixture
def label(store: Store) -> Any:
    """`label(queue, reviewer, answer, …)`: the next item of the queue for that person."""

    def write(queue: int, reviewer: str, answer: str, rubric: Rubric = DEFAULT, correction: str = "") -> int:
        def submit(connection: Any) -> int:
            lease = leases.take(connection, queue, reviewer, START + 50)
            assert lease is not None
            made = Label(
                lease.item_id, reviewer, {rubric.fields[0].name: answer}, f"{queue}-{lease.item_id}", START + 50,
                correction=correction,
            )  # fmt: skip
            labels.submit(connection, made, lease.token, rubric)
            return lease.item_id

        return store.write(submit)

    return write


@pytest.fixture
def export(settings: Settings, tmp_path: Path) -> Any:
    def rows(format: Any, name: str = "") -> list[dict[str, Any]]:
        output = tmp_path / f"{name or format}-{len([*tmp_path.iterdir()])}.jsonl"
        return lines(output) if main(settings, model="chat", format=format, output=output) == 0 else []

    return rows


def said(row: dict[str, Any], name: str = "prompt") -> str:
    return str(row[name][-1]["content"])


def test_what_reviewers_agree_on_is_a_row_and_what_they_dispute_is_none(
    call: Any, review: Any, label: Any, export: Any, store: Store
) -> None:
    for number in range(4):
        call(number)
    queue = review([0, 1, 2, 3], overlap=2)
    for first, second in (("good", "good"), ("bad", "bad"), ("good", "bad"), ("good", "")):
        label(queue, "ann", first)
        if second:
            disputed = label(queue, "bo", second)
    assert [(said(row), row["label"]) for row in export("kto")] == [("question 0", True), ("question 1", False)]
    with store.read() as connection:
        (found,) = queues.items(connection, queue_id=queue, state="disputed")
    assert found.id == disputed
    decided = {"by": "dae", "why": "it is right", "now": START + 60}
    store.write(lambda c: labels.adjudicate(c, disputed, {"verdict": "good"}, DEFAULT, **decided))
    assert [said(row) for row in export("kto")] == ["question 0", "question 1", "question 2"]


def test_corrections_of_labels_are_pairs(call: Any, review: Any, label: Any, export: Any) -> None:
    call(0)
    label(review([0]), "ann", "bad", correction="더 나은 답")
    (row,) = export("dpo")
    assert (said(row, "chosen"), said(row, "rejected")) == ("더 나은 답", "answer 0")


def test_the_better_of_two_answers_is_chosen_and_a_tie_is_no_pair(
    call: Any, review: Any, label: Any, export: Any
) -> None:
    asked = Rubric("which", 1, (Field("better", "Which is better?", "comparison", (FIRST, TIE, SECOND)),))
    for number, text in enumerate(("왼쪽", "오른쪽", "a", "b")):
        call(number, prompt="Where?" if number < 2 else "When?", response=text)
    queue = review([(0, 1), (2, 3)], rubric=asked)
    label(queue, "ann", SECOND, asked)
    label(queue, "ann", TIE, asked)
    (row,) = export("dpo")
    assert (said(row), said(row, "chosen"), said(row, "rejected")) == ("Where?", "오른쪽", "왼쪽")


def test_a_data_set_is_repeated_as_it_was(
    call: Any, review: Any, label: Any, settings: Settings, store: Store, tmp_path: Path
) -> None:
    for number in range(3):
        call(number)
    queue = review([0, 1, 2], overlap=2)
    first = label(queue, "ann", "good")
    label(queue, "bo", "good")
    output, again = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    assert main(settings, model="chat", format="kto", output=output) == 0
    # People go on: one more item, and a second thought on the first.
    label(queue, "ann", "bad")
    label(queue, "bo", "bad")
    lease = _lease(store, first, "bo")
    changed = Label(first, "bo", {"verdict": "bad"}, "again", START + 70)
    store.write(lambda c: labels.submit(c, changed, lease, DEFAULT))
    manifest = next(path for path in tmp_path.iterdir() if path.name.startswith("one") and "manifest" in path.name)
    assert repeat(settings, manifest, again) == 0
    assert again.read_bytes() == output.read_bytes()
    told = json.loads(manifest.read_text())["agreement"]["answer quality 1: verdict"]
    assert (told["items"], told["raw"], told["verdict"]) == (1, 1.0, "not_enough_data")


def _lease(store: Store, item: int, reviewer: str) -> str:
    with store.read() as connection:
        found = leases.of(connection, item, reviewer)
    assert found is not None
    return found.token


def test_what_somebody_disputes_is_no_row_until_it_is_decided(
    call: Any, review: Any, label: Any, export: Any, store: Store
) -> None:
    call(0)
    item = label(review([0]), "ann", "good")
    assert [row["label"] for row in export("kto")] == [True]
    store.write(lambda c: labels.dispute(c, item, by="ann", why="the year is wrong", now=START + 60))
    assert export("kto") == []
    decided = {"by": "dae", "why": "it is", "now": START + 70}
    store.write(lambda c: labels.adjudicate(c, item, {"verdict": "bad"}, DEFAULT, **decided))
    assert [row["label"] for row in export("kto")] == [False]


def test_how_somebody_labels_a_known_answer_says_nothing_of_the_answer(
    call: Any, label: Any, export: Any, store: Store
) -> None:
    call(0)

    def make(connection: Any) -> int:
        known = rubrics.publish(connection, DEFAULT, actor="t", now=START)
        number = queues.make(connection, Queue("gold", known.id or 0, 1, 1e6, START, "t"))
        queues.add(connection, [replace(_item(number, 0, 1), gold={"verdict": "good"})])
        return number

    label(store.write(make), "ann", "bad")
    assert export("kto") == []
