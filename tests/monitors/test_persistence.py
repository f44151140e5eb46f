"""From windows to alerts: k of n raise it, n quiet ones clear it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitors.judgement import score
from monitors.persistence import derive_state
from telltale.records import Score, Window


def play(hits: list[bool], need: int = 2, last: int = 3) -> list[str]:
    earlier: list[Score] = []
    for number, hit in enumerate(hits):
        window = Window("m", "v", "prompt", float(number), number + 1.0)
        single = score(window, "tokens", "max_t", 100, effect=2.0 if hit else 0.0, threshold=1.0, p_value=0.5)
        earlier.append(derive_state(single, earlier, need, last))
    return [found.state for found in earlier]


def test_one_window_is_suspect_and_two_of_three_are_an_alert() -> None:
    assert play([False, True, False, True]) == ["ok", "suspect", "ok", "alert"]


def test_an_alert_clears_after_as_many_quiet_windows() -> None:
    assert play([True, True, False, False, False, False]) == ["suspect", "alert", "alert", "alert", "ok", "ok"]


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4), st.integers(0, 3))
def test_no_alert_without_enough_hits_in_the_last_windows(hits: list[bool], need: int, more: int) -> None:
    last = need + more
    for index, state in enumerate(play(hits, need, last)):
        recent = hits[max(0, index - last + 1) : index + 1]
        if sum(recent) >= need:
            assert state == "alert"
        if not any(recent):
            assert state == "ok"


def test_a_window_without_data_says_so() -> None:
    empty = score(Window("m", "v", "prompt", 0.0, 1.0), "tokens", "max_t", 3)
    assert derive_state(empty, [], 2, 3).state == "insufficient_data"
