"""What calls said: it comes back as it was, what many said is stored once, and what is deleted is nowhere."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select

from telltale.conversation import Conversation, Message, text, texts
from telltale.records import Sample
from telltale.store import Store, open_store, samples
from telltale.store.contents import blocks
from telltale.store.schema import content_blocks, content_pieces

SYSTEM = "You book hotels. Speak formally."
TOOLS = [{"name": "book", "description": "Books a room.", "schema": {"type": "object"}}]


def message(role: str, said: str) -> Message:
    return {"role": role, "parts": [text(said)]}


def sample(number: int, said: Conversation, tenant: str = "shop", **fields: Any) -> Sample:
    return Sample(
        trace_id=f"{number:032x}", span_id=f"{number:016x}", observed_at=float(number), tenant=tenant, model="m",
        version="m-1", layer="client", operation="chat", status="ok", prompt=texts.prompt(said),
        response=texts.response(said), inclusion_probability=1.0, conversation=said, **fields,
    )  # fmt: skip


def chat(turns: int, system: str = SYSTEM, mark: str = "") -> list[Conversation]:
    """The calls of one conversation: each has all that was said before."""
    said: list[Message] = []
    calls = []
    for turn in range(turns):
        said = [*said, message("user", f"question {turn} {mark}")]
        answer = message("assistant", f"answer {turn} {mark}")
        calls.append(Conversation([text(system)], said, [answer], list(TOOLS)))  # type: ignore[arg-type]  # a plain dict
        said = [*said, answer]
    return calls


def save(store: Store, rows: list[Sample]) -> int:
    return store.write(lambda connection: samples.save(connection, rows, now=0.0))


def load(store: Store, whole: bool = True) -> list[Sample]:
    with store.read() as connection:
        return samples.load(connection, whole=whole)


def contents(store: Store) -> bytes:
    """Everything that the blocks hold."""
    with store.read() as connection:
        bodies = connection.scalars(select(content_blocks.c.body)).all()
    return b"\n".join(line for body in bodies for line in blocks._contents(body).values())


def count_of(store: Store, table: Any) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def remove(store: Store, numbers: list[int]) -> None:
    ids = [row.id or 0 for row in load(store) if int(row.trace_id, 16) in numbers]
    assert store.write(lambda connection: samples.remove(connection, ids)) == len(numbers)


def test_a_conversation_comes_back_whole(store: Store) -> None:
    said = Conversation(
        [text(SYSTEM)],
        [
            message("user", "Which hotels are in Busan?"),
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "find", "arguments": {"n": 2}}]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": [{"hotel": "바다"}]}]},
        ],
        [message("assistant", "Sea Inn."), {**message("assistant", "Hill Inn."), "finish_reason": "stop"}],
        [{"name": "find"}],
        [{"id": "d1", "content": "Sea Inn is in Busan."}],
        omitted=3,
    )
    row = sample(
        1, said, app="trips", environment="prod", user="ab" * 16, agent_name="guide", agent_version="2",
        prompt_name="hotels", prompt_version="7", parameters={"temperature": 0.2, "seed": 7},
        attributes={"plan": "pro"}, redactions={"email": 2},
    )  # fmt: skip
    assert save(store, [row]) == 1
    [found] = load(store)
    assert found._replace(id=None) == row
    [brief] = load(store, whole=False)
    assert (brief.prompt, brief.response, brief.conversation) == (row.prompt, row.response, None)
    assert brief.prompt == "Which hotels are in Busan?"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=5,
)
PARTS = st.lists(
    st.builds(lambda said: {"type": "text", "content": said}, st.text(st.characters(exclude_categories=["Cs"])))
    | st.builds(lambda value: {"type": "tool_call", "name": "t", "arguments": value}, JSON),
    max_size=3,
)
MESSAGES = st.lists(
    st.builds(
        lambda role, parts: {"role": role, "parts": parts}, st.sampled_from(["user", "assistant", "tool", "x"]), PARTS
    ),
    max_size=6,
)
SAID = st.builds(Conversation, PARTS, MESSAGES, MESSAGES, st.just([]), st.lists(JSON, max_size=2), st.integers(0, 3))


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('contents') / 's.db'}")
    yield opened
    opened.close()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(SAID, st.sampled_from(["a", "b"])), max_size=6), st.lists(st.integers(0, 5)), st.data())
def test_whatever_is_said_in_whatever_batches_comes_back_and_goes_for_good(
    shared_store: Store, calls: list[tuple[Conversation, str]], gone: list[int], data: st.DataObject
) -> None:
    rows = [sample(number, said, tenant) for number, (said, tenant) in enumerate(calls)]
    cut = data.draw(st.integers(0, len(rows)))
    for batch in (rows[:cut], rows[cut:]):
        save(shared_store, batch)
    found = {int(row.trace_id, 16): row for row in load(shared_store)}
    brief = {int(row.trace_id, 16): row for row in load(shared_store, whole=False)}
    for number, row in enumerate(rows):
        assert found[number]._replace(id=None) == row
        assert (brief[number].prompt, brief[number].response) == (row.prompt, row.response)
    dead = sorted({number for number in gone if number < len(rows)})
    remove(shared_store, dead)
    left = {int(row.trace_id, 16): row._replace(id=None) for row in load(shared_store)}
    assert left == {number: row for number, row in enumerate(rows) if number not in dead}
    remove(shared_store, sorted(left))
    assert (count_of(shared_store, content_blocks), count_of(shared_store, content_pieces)) == (0, 0)


def test_what_calls_repeat_is_stored_once(store: Store) -> None:
    for number, said in enumerate(chat(20)):
        save(store, [sample(number, said)])
    stored = contents(store)
    assert stored.count(SYSTEM.encode()) == 1
    # Once as the newest turn of its own call, once as the history of those that follow.
    assert stored.count(b"question 3 ") == 2
    assert [row.conversation for row in load(store)] == chat(20)


def test_no_tenant_uses_what_another_said(store: Store) -> None:
    calls = chat(3)
    save(store, [sample(number, said, "shop") for number, said in enumerate(calls)])
    save(store, [sample(10 + number, said, "bank") for number, said in enumerate(calls)])
    assert contents(store).count(SYSTEM.encode()) == 2
    with store.read() as connection:
        rows = connection.execute(select(content_pieces.c.content_id)).all()
    remove(store, [0, 1, 2])
    assert count_of(store, content_pieces) == len(rows) / 2
    assert [row.conversation for row in load(store)] == calls


def test_what_is_deleted_is_nowhere_and_the_rest_is_whole(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    mine, others = chat(5, mark="KANARI"), chat(5, mark="other")
    pairs = list(zip(mine, others, strict=True))
    for number, (one, other) in enumerate(pairs):
        save(store, [sample(number, one), sample(100 + number, other)])
    remove(store, [0, 1, 2, 3])
    # The last call of the conversation still has what was said before it.
    assert [row.conversation for row in load(store)] == [mine[-1], *others]
    remove(store, [4])
    assert b"KANARI" not in contents(store)
    assert [row.conversation for row in load(store)] == others
    remove(store, [100, 101, 102, 103, 104])
    assert (count_of(store, content_blocks), count_of(store, content_pieces)) == (0, 0)
    store.close()


def test_a_repeated_call_leaves_no_content_behind(store: Store) -> None:
    rows = [sample(number, said) for number, said in enumerate(chat(4))]
    assert save(store, rows[:3]) == 3
    before = contents(store)
    assert save(store, rows) == 1
    remove(store, [3])
    assert sorted(contents(store).split(b"\n")) == sorted(before.split(b"\n"))
    assert [row.conversation for row in load(store)] == chat(3)


def test_blocks_that_are_merged_hold_the_same(store: Store) -> None:
    draw = random.Random(1)
    said = [call for _ in range(4) for call in chat(4, mark=f"{draw.random()}")]
    for number, call in enumerate(said):
        save(store, [sample(number, call)])
    remove(store, [5, 6])
    with store.read() as connection:
        ids = [block_id for block_id, _ in blocks.sizes(connection, 0, 1000)]
    store.write(lambda connection: blocks.merge(connection, ids[:7]))
    store.write(lambda connection: blocks.merge(connection, ids[7:]))
    assert count_of(store, content_blocks) == 2
    expected = [call for number, call in enumerate(said) if number not in (5, 6)]
    assert [row.conversation for row in load(store)] == expected
    save(store, [sample(90, said[0], "bank")])
    remove(store, [1, 15])
    assert [row.conversation for row in load(store)] == [
        *(c for c in expected if c not in (said[1], said[15])),
        said[0],
    ]


def test_writers_that_meet_share_pieces_and_lose_nothing(url: str) -> None:
    """Several collectors keep calls of the same conversations, while one deletes and merges."""
    stores = [open_store(url, queue_rows=1000) for _ in range(3)]
    conversations = [chat(6, mark=str(number)) for number in range(5)]
    stop = threading.Event()

    def keep(number: int) -> None:
        for turn in range(6):
            for place, calls in enumerate(conversations):
                key = 1000 * number + 10 * place + turn
                save(stores[number], [sample(key, calls[turn])])

    def look_after() -> None:
        while not stop.is_set():
            with stores[2].read() as connection:
                ids = [block_id for block_id, _ in blocks.sizes(connection, 0, 20)]
                gone = samples.oldest(connection, 2)
                told = samples.load(connection, whole=True)
            # A reader sees one state of everything.
            assert all(row.conversation in conversations[int(row.observed_at) % 1000 // 10] for row in told)
            for start in range(0, len(ids) - 5, 5):
                stores[2].write(lambda connection, some=ids[start : start + 5]: blocks.merge(connection, some))
            if len(told) > 20:
                stores[2].write(lambda connection, some=gone: samples.remove(connection, some))

    with ThreadPoolExecutor(3) as pool:
        caring = pool.submit(look_after)
        for done in [pool.submit(keep, number) for number in range(2)]:
            done.result()
        stop.set()
        caring.result()
    left = load(stores[0])
    assert left
    for row in left:
        assert row.conversation == conversations[int(row.observed_at) % 1000 // 10][int(row.observed_at) % 10]
    ids = [row.id or 0 for row in left]
    assert stores[0].write(lambda connection: samples.remove(connection, ids)) == len(left)
    assert (count_of(stores[0], content_blocks), count_of(stores[0], content_pieces)) == (0, 0)
    for store in stores:
        store.close()


def test_a_long_conversation_is_read_with_few_statements(store: Store) -> None:
    calls = chat(40)
    for number, said in enumerate(calls):
        save(store, [sample(number, said)])
    with store.read() as connection:
        ids = [block_id for block_id, _ in blocks.sizes(connection, 0, 1000)]
    store.write(lambda connection: blocks.merge(connection, ids))
    statements: list[str] = []
    with store.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        [last] = samples.load(connection, since=39.0, whole=True)
    assert last.conversation == calls[-1]
    assert len(statements) < 10


def test_blocks_with_another_between_them_are_not_merged(store: Store) -> None:
    calls = chat(3)
    for number, said in enumerate(calls):
        save(store, [sample(number, said)])
    with store.read() as connection:
        ids = [block_id for block_id, _ in blocks.sizes(connection, 0, 1000)]
    store.write(lambda connection: blocks.merge(connection, [ids[0], ids[2]]))
    assert [row.conversation for row in load(store)] == calls


def test_a_reader_sees_one_state_whatever_is_deleted_meanwhile(store: Store) -> None:
    calls = chat(3)
    for number, said in enumerate(calls):
        save(store, [sample(number, said)])
    with store.read() as connection:
        assert len(samples.load(connection)) == 3
        store.write(lambda connection: samples.remove(connection, samples.oldest(connection)))
        assert [row.conversation for row in samples.load(connection, whole=True)] == calls
    assert load(store) == []


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [nested(400), 2**200, float("inf"), {"a\nb": "c\nd\0"}], ids=lambda _: "")
def test_odd_values_do_not_hide_what_stands_beside_them(store: Store, value: Any) -> None:
    asked = message("user", "Which hotels?")
    odd = {"role": "assistant", "parts": [{"type": "tool_call", "name": "find", "arguments": value}]}
    calls = [Conversation(messages=[asked], choices=[odd]), Conversation(messages=[asked, odd, asked])]
    save(store, [sample(number, said) for number, said in enumerate([*calls, *chat(1)])])
    assert [row.conversation for row in load(store)] == [*calls, *chat(1)]


def test_half_a_surrogate_is_kept_as_what_it_is_not(store: Store) -> None:
    said = Conversation(messages=[message("user", "half \ud800 of it")])
    assert save(store, [sample(1, said)._replace(prompt="")]) == 1
    [row] = load(store)
    assert row.prompt == "half ? of it"


def test_a_sample_whose_content_is_lost_is_left_out_and_not_empty(store: Store) -> None:
    calls = chat(5)
    for number, said in enumerate(calls):
        save(store, [sample(number, said)])
    with store.read() as connection:
        ids = [block_id for block_id, _ in blocks.sizes(connection, 0, 10)]
    lost = content_blocks.c.id == ids[-1]
    store.write(lambda connection: connection.execute(delete(content_blocks).where(lost)))
    with store.read() as connection:
        pages = list(samples.walk(connection, model="m", page=1))
        assert [row.trace_id for row in samples.load(connection)] == [row.trace_id for page in pages for row in page]
    assert [len(page) for page in pages] == [1, 1, 1, 1]
