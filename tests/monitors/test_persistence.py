"""From windows to alerts: k of n raise it, n quiet ones clear it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitors.judgement import score
from monitors.persistence import derive_state
from monitors.rows import Comparison, Side
from telltale.records import Score, Series


def play(hits: list[bool], need: int = 2, last: int = 3) -> list[str]:
    return [found.state for found in judged(hits, need, last)]


def judged(hits: list[bool], need: int = 2, last: int = 3) -> list[Score]:
    earlier: list[Score] = []
    for number, hit in enumerate(hits):
        nothing = Side((), np.array([]), {})
        window = Comparison(Series("m", "v"), "calls", "prompt", float(number), number + 1.0, nothing, nothing)
        single = score(window, "tokens", "max_t", 100, effect=1.5 if hit else 0.0, threshold=1.0, p_value=0.5)
        earlier.append(derive_state(single, earlier, need, last))
    return earlier


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


def test_since_is_the_start_of_the_first_window_that_showed_it() -> None:
    found = judged([False, True, False, True, True, True, True, False, False, False, True])
    assert [score.since for score in found] == [None, 1.0, None, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, None, 10.0]
