"""Versions come and go: what had no rows for long makes room for what comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.activity import Activity
from monitors.series import SeriesTable
from telltale.records import Sample, Series
from telltale.settings import Split
from telltale.store import Store, open_store, samples

BY = [Split(by=("tenant",), most=2)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def save(store: Store, version: str, at: float, tenant: str = "t") -> None:
    number = store.write(samples.count)
    row = Sample(f"{number:032x}", "b" * 16, at, tenant, "m", version, "client", "chat", "ok", "p", "r", 1.0)
    store.write(lambda c: samples.save(c, [row], now=at))


def test_a_version_without_rows_for_long_is_forgotten_and_makes_room(store: Store) -> None:
    activity = Activity((), 2, 10.0, 0.0)
    for version, at in (("v1", 5.0), ("v2", 100.0), ("v3", 105.0)):
        save(store, version, at)
    with store.read() as connection:
        activity.read(connection, 110.0)
    assert [one.version for one in activity.table] == ["v1", "v2"], "there was no room for v3"
    activity.forget(1e6, 30.0)
    assert [one.version for one in activity.table] == ["v2"]
    save(store, "v3", 115.0)
    with store.read() as connection:
        activity.read(connection, 120.0)
    assert [one.version for one in activity.table] == ["v2", "v3"]
    assert dict(activity.counts("calls", Series("m", "v3"))) == {11: 1}
    activity.forget(1e6, -1e6)
    assert list(activity.table) == []


def test_a_tenant_that_is_forgotten_makes_room_for_another_one() -> None:
    table = SeriesTable(BY, 100)
    for tenant in "abc":
        table.of("m", "v", (tenant,))
    rest = Series("m", "v", "other")
    assert rest in table
    table.keep({one for one in table if one.tenant != "a"})
    assert table.part(rest).excluded == [{"tenant": "b"}]
    assert Series("m", "v", "d") in table.of("m", "v", ("d",))
    assert table.part(rest).excluded == [{"tenant": "b"}, {"tenant": "d"}]
    assert rest in table.of("m", "v", ("e",))


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef")), max_size=40), st.sets(st.integers(0, 20)))
def test_what_is_kept_is_what_it_was(told: list[tuple[str, str]], places: set[int]) -> None:
    table = SeriesTable(BY, 12)
    for version, tenant in told:
        table.of("m", version, (tenant,))
    kept = {one for place, one in enumerate(table) if place in places}
    before = {one: table.part(one).values for one in kept}
    table.keep(kept)
    assert set(table) == kept
    assert {one: table.part(one).values for one in kept} == before
    for version, tenant in told:
        assert table.of("m", version, (tenant,)), "every row has a series again"
