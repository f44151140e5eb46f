"""Token buckets and their bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telltale.web.limits import Buckets, Seen


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_key_gets_more_than_burst_and_rate(rate: float, burst: int, pauses: list[float]) -> None:
    buckets = Buckets(rate, burst)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        taken += buckets.acquire("key", now) == 0

    assert taken <= burst + rate * now + 1e-6


@given(st.floats(0.1, 100), st.integers(1, 5))
def test_whoever_waits_for_retry_after_is_let_through(rate: float, burst: int) -> None:
    buckets = Buckets(rate, burst)
    while not (wait := buckets.acquire("key", 0.0)):
        pass

    assert buckets.acquire("key", wait * 1.000001) == 0


def test_keys_do_not_share_and_old_ones_are_forgotten() -> None:
    buckets = Buckets(1, 1, capacity=2)

    assert [buckets.acquire(key, 0.0) == 0 for key in ("a", "b", "a")] == [True, True, False]
    buckets.acquire("c", 0.0)
    buckets.acquire("d", 0.0)
    assert buckets.acquire("a", 0.0) == 0


def test_something_is_due_once_in_its_time() -> None:
    seen = Seen(60, capacity=2)

    assert [seen.is_due("a", now) for now in (0, 59, 60, 61)] == [True, False, True, False]
    assert seen.is_due("b", 61)
    assert seen.is_due("c", 61)
    assert seen.is_due("a", 62)
