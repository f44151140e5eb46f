"""What is found in rows before they become a reference: bursts of one prompt are left out and named."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors import checks, near_identical, references
from monitors.monitor import Terms
from monitors.rows import Rows
from monitors.tokens import Tokens
from telltale.cli.demo import texts
from telltale.records import Series

SERIES = Series("m", "v1")


def rows(prompts: list[tuple[float, str]], *, seed: int = 1) -> Rows:
    """Rows of calls that asked this at these times."""
    random, ordered = Random(seed), sorted(prompts)
    return Rows(
        ids=tuple(range(1, len(ordered) + 1)),
        times=tuple(at for at, _ in ordered),
        groups=tuple(f"call-{number}" for number in range(len(ordered))),
        weights=(1.0,) * len(ordered),
        texts={
            "prompt": tuple(prompt for _, prompt in ordered),
            "response": tuple(texts.response(texts.SUPPORT, random) for _ in ordered),
        },
    )


def people(count: int, seed: int = 2) -> list[tuple[float, str]]:
    """What people ask, over a day. No two ask the same."""
    random = Random(seed)
    words = ["".join(random.choices("abdefgiklmnoprstu", k=random.randint(3, 9))) for _ in range(900)]
    return [(86400.0 * random.random(), " ".join(random.choices(words, k=random.randint(6, 20)))) for _ in range(count)]


def bot(number: int) -> str:
    return f"Load test {number}: please write a haiku about the {number} apples of user-{number * 7} and nothing else."


def freeze(found: Rows) -> references.Reference:
    return references.freeze(
        SERIES, "calls", found, 0.0, 86400.0, 90000.0, monitors=[], least=200, why="the first healthy span"
    )


def test_a_hundred_rows_of_a_bot_among_two_thousand_are_found_named_and_left_out() -> None:
    random = Random(3)
    burst = [(40000.0 + 1800 * random.random(), bot(number)) for number in range(100)]
    made = freeze(rows(people(1900) + burst))
    assert made.rows == 1900
    [found] = made.checks["repeated"]  # type: ignore[misc]  # a list of one
    assert (found["rows"], found["share"], found["left_out"]) == (100, 0.05, True)
    assert found["example"].startswith("Load test ")
    kept = references.rows(made).texts["prompt"]
    assert len(kept) == 1900
    assert not any(prompt and prompt.startswith("Load test") for prompt in kept)


def test_a_burst_of_more_than_half_of_all_rows_is_one_too() -> None:
    random = Random(6)
    made = freeze(rows(people(800) + [(40000.0 + 1800 * random.random(), bot(number)) for number in range(1200)]))
    [found] = made.checks["repeated"]  # type: ignore[misc]  # a list of one
    assert (found["rows"], found["left_out"], made.rows) == (1200, True, 800)


def test_a_service_that_is_asked_one_thing_alone_has_no_burst() -> None:
    made = freeze(rows([(40000.0 + number, bot(number)) for number in range(300)]))
    [found] = made.checks["repeated"]  # type: ignore[misc]  # a list of one
    assert (found["rows"], found["left_out"], made.rows) == (300, False, 300)


def test_what_is_asked_all_the_time_is_named_and_kept() -> None:
    random = Random(4)
    steady = [(86400.0 * random.random(), "Good morning, what is on my calendar today?") for _ in range(100)]
    made = freeze(rows(people(1900) + steady))
    assert made.rows == 2000
    [found] = made.checks["repeated"]  # type: ignore[misc]  # a list of one
    assert (found["rows"], found["left_out"]) == (100, False)


def test_traffic_in_which_nothing_repeats_has_nothing_to_tell() -> None:
    made = freeze(rows(people(2000)))
    assert (made.rows, made.checks) == (2000, {})


def test_several_bursts_are_told_the_largest_first() -> None:
    random = Random(5)
    burst = [(10000.0 + 600 * random.random(), bot(number)) for number in range(60)]
    korean = [(70000.0 + 600 * random.random(), f"주문 {n}번의 배송 상태를 지금 확인해 주세요") for n in range(90)]
    made = freeze(rows(people(1850) + burst + korean))
    told = made.checks["repeated"]
    assert [(one["rows"], one["left_out"]) for one in told] == [(90, True), (60, True)]  # type: ignore[attr-defined]  # a list
    assert made.rows == 1850


def test_a_long_prompt_is_told_by_its_beginning() -> None:
    burst = [(40000.0 + number, "drop everything " * 400) for number in range(100)]
    [found] = freeze(rows(people(900) + burst)).checks["repeated"]  # type: ignore[misc]  # a list of one
    assert len(found["example"]) == checks.EXAMPLE


def test_rows_without_prompts_are_no_burst() -> None:
    empty = Rows((1, 2), (1.0, 2.0), ("a", "b"), (1.0, 1.0), {"prompt": (None, None), "response": ("x", "y")})
    assert checks.repeated(empty) == []
    assert checks.repeated(Rows()) == []


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("ping 1", "ping 2", True),
        (bot(1), bot(99), True),
        (bot(1), "What is the capital of France, and why?", False),
        ("", "", True),
        ("주문 12번 배송 상태", "주문 99번 배송 상태", True),
    ],
)
def test_what_is_nearly_identical(one: str, other: str, alike: bool) -> None:
    assert (near_identical.clusters([one, other]) == [0, 0]) == alike


@given(st.lists(st.text(max_size=60), max_size=30))
def test_a_cluster_begins_with_its_first_text(found: list[str]) -> None:
    first = near_identical.clusters(found)
    assert all(begin <= place and first[begin] == begin for place, begin in enumerate(first))
    for place, text in enumerate(found):
        assert first[place] == first[found.index(text)], "the same text is in the same cluster"


def test_what_monitors_compare_is_described_without_the_burst() -> None:
    burst = [(40000.0 + number, "drop everything and answer zebra") for number in range(100)]
    found = rows(people(900) + burst)
    monitor = Tokens.of(Terms(least=200, alpha=0.01))
    made = references.freeze(SERIES, "calls", found, 0.0, 86400.0, 90000.0, monitors=[monitor], least=200)
    known = references.learned(made, monitor, "prompt")
    assert known is not None
    assert len(known.side) == 900
    assert "zebra" not in known.side.features["words"]
