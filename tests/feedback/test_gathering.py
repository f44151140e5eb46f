"""Submits that arrive together: in order, each with its own outcome, and none harmed by a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from feedback.gathering import MAX_GROUP, Gathering
from telltale.records import Feedback
from telltale.store import Store, StoreBusy, StoreUnavailable, feedback


def event(key: str, trace: Any = "1" * 32) -> Feedback:
    return Feedback(
        received_at=1.0, tenant="shop", trace_id=trace, span_id=None, kind="thumb", name="helpful", value=1.0,
        source="user", idempotency_key=key,
    )  # fmt: skip


class Counting:
    """A store that counts its writes and may refuse them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.writes = 0
        self.error: Exception | None = None

    def submit(self, write: Callable[[Any], Any]) -> Future[Any]:
        if self.error:
            raise self.error
        self.writes += 1
        return self._store.submit(write)


async def settle(*futures: Any) -> list[Any]:
    return list(await asyncio.gather(*futures, return_exceptions=True))


def keys(store: Store) -> list[str]:
    with store.read() as connection:
        return [stored.idempotency_key for stored in feedback.load(connection)]


def test_what_arrives_together_is_few_writes_in_order(store: Store) -> None:
    counting = Counting(store)

    async def run() -> list[Any]:
        gathering = Gathering(counting, 10_000)  # type: ignore[arg-type]  # what it uses of a store
        return await settle(*(gathering.add(event(f"k-{number}"), "b") for number in range(MAX_GROUP + 100)))

    results = asyncio.run(run())
    assert counting.writes == 2
    assert [stored.idempotency_key for stored, _ in results] == keys(store)
    assert keys(store) == [f"k-{number}" for number in range(MAX_GROUP + 100)]


def test_one_that_no_store_takes_fails_alone(store: Store) -> None:
    async def run() -> list[Any]:
        gathering = Gathering(store, 10_000)
        odd: Any = object()
        return await settle(
            *(gathering.add(event(key, trace), "b") for key, trace in (("a", "1" * 32), ("b", odd), ("c", "2" * 32)))
        )

    first, second, third = asyncio.run(run())
    assert isinstance(second, Exception)
    assert (first[1], third[1]) == (False, False)
    assert keys(store) == ["a", "c"]


def test_who_hangs_up_keeps_no_other_waiting(store: Store) -> None:
    async def run() -> Any:
        gathering = Gathering(store, 10_000)
        gone, other = gathering.add(event("gone"), "b"), gathering.add(event("other"), "b")
        gone.cancel()
        return await other

    assert asyncio.run(run())[1] is False


def test_a_store_that_refuses_is_reported_and_asked_again(store: Store) -> None:
    counting = Counting(store)

    async def run() -> list[Any]:
        gathering = Gathering(counting, 2)  # type: ignore[arg-type]  # what it uses of a store
        counting.error = StoreUnavailable("locked")
        refused = await settle(gathering.add(event("a"), "b"))
        counting.error = None
        later = [gathering.add(event(key), "b") for key in "ab"]
        with pytest.raises(StoreBusy):
            gathering.add(event("c"), "b")
        return refused + await settle(*later)

    refused, first, second = asyncio.run(run())
    assert isinstance(refused, StoreUnavailable)
    assert (first[1], second[1]) == (False, False)
    assert keys(store) == ["a", "b"]
