"""The bound on what all connections hold: who is closed for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.traces.receive.backlog import FREE, Backlog


class Holder:
    is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


def test_who_holds_the_most_for_the_longest_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    backlog = Backlog(1_000_000)
    new_page, old, small, newest = (Holder() for _ in range(4))
    backlog.hold(old, 300_000, 0.0)
    backlog.hold(small, 3_000, 0.0)
    backlog.hold(new_page, 400_000, 9.9)
    backlog.hold(newest, 300_000, 10.0)
    assert [holder.is_aborted for holder in (new_page, old, small, newest)] == [False, True, False, False]
    assert "1 closed" in caplog.text


def test_what_is_sent_counts_no_more() -> None:
    backlog = Backlog(1_000_000)
    holders = [Holder() for _ in range(100)]
    for _ in range(50):
        for holder in holders[:3]:
            backlog.hold(holder, 300_000, 0.0)
        for holder in holders[:3]:
            backlog.hold(holder, 0, 0.0)
    # A little of many is not looked at.
    for holder in holders:
        backlog.hold(holder, FREE, 0.0)
    assert not any(holder.is_aborted for holder in holders)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400_000), st.floats(0, 100)), max_size=80))
def test_the_sum_stays_below_the_limit(steps: list[tuple[int, int, float]]) -> None:
    backlog = Backlog(1_000_000)
    holders = [Holder() for _ in range(10)]
    held: dict[Holder, int] = {}
    for number, size, now in steps:
        backlog.hold(holders[number], size, now)
        held[holders[number]] = size
        for holder in holders:
            if holder.is_aborted:
                holder.is_aborted = False
                held[holder] = 0
        assert sum(held.values()) <= 1_000_000 + FREE * len(holders)
