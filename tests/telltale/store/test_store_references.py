"""References: one is current for each series and basis, old ones are kept, requests wait until they are made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telltale.store import Store, references
from telltale.store.references import Reference


def reference(**changes: object) -> Reference:
    values: dict[str, object] = {
        "model": "m", "version": "v1", "tenant": "", "segment": "", "basis": "calls", "begins_at": 1.0, "ends_at": 9.0,
        "made_by": "telltale", "why": "the first healthy span", "frozen_at": 10.0, "rows": 2, "content": b"\x00rows",
        "features": b"\x01features", "checks": {"repeated": [{"example": "일", "rows": 3}]},
    }  # fmt: skip
    return Reference(**{**values, **changes})  # type: ignore[arg-type]


def freeze(store: Store, one: Reference) -> Reference:
    return store.write(lambda c: references.freeze(c, one))


def ask(store: Store, **changes: object) -> Reference:
    wanted = reference(frozen_at=None, rows=0, content=b"", features=None, checks={}, made_by="mina", **changes)
    return store.write(lambda c: references.ask(c, wanted))


def small(one: Reference) -> Reference:
    """As it is listed: without its contents."""
    return replace(one, content=b"", features=None)


def test_a_new_reference_replaces_the_old_one_and_keeps_it(store: Store) -> None:
    old = freeze(store, reference())
    new = freeze(store, reference(content=b"other rows", frozen_at=20.0))
    with store.read() as connection:
        assert references.current(connection) == [small(new)]
        assert references.load(connection, new.id or 0) == new
        assert references.load(connection, old.id or 0) == replace(old, is_current=False)
        assert [one.id for one in references.history(connection, "m")] == [new.id, old.id]
        assert references.history(connection, "other") == []
    assert old.sha256 != new.sha256
    assert len(new.sha256) == 64


def test_series_and_bases_have_references_of_their_own(store: Store) -> None:
    changes = [{"basis": "votes"}, {"version": "v2"}, {"tenant": "a"}, {"segment": "app=b"}, {"model": "n"}]
    found = [freeze(store, reference(**change)) for change in ({}, *changes)]
    freeze(store, reference(version="v2"))
    with store.read() as connection:
        current = references.current(connection)
    assert len(current) == len(found)
    assert {one.id for one in found if one.version != "v2"} < {one.id for one in current}


def test_a_request_waits_until_it_is_made(store: Store) -> None:
    first, asked = freeze(store, reference()), ask(store)
    with store.read() as connection:
        assert references.asked(connection) == [asked]
        assert references.current(connection) == [small(first)], "nothing is made yet"
    made = freeze(store, reference(id=asked.id, made_by="mina", frozen_at=30.0))
    with store.read() as connection:
        assert references.asked(connection) == []
        assert references.current(connection) == [small(made)]
        assert len(references.history(connection, "m")) == 2
    assert made.id == asked.id


def test_requests_are_made_in_the_order_in_which_they_came(store: Store) -> None:
    ids = [ask(store, version=f"v{number}").id for number in (3, 1, 2)]
    with store.read() as connection:
        assert [one.id for one in references.asked(connection)] == ids


def test_a_refused_request_says_why_and_leaves_the_current_one(store: Store) -> None:
    first, asked = freeze(store, reference()), ask(store)
    store.write(lambda c: references.refuse(c, asked, "12 rows in that time, 200 needed", 40.0))
    with store.read() as connection:
        refused = references.load(connection, asked.id or 0)
        assert references.asked(connection) == []
        assert references.current(connection) == [small(first)]
    assert (refused.checks, refused.frozen_at) == ({"refused": "12 rows in that time, 200 needed"}, 40.0)
    assert not refused.is_current


def test_features_of_a_newer_monitor_are_added(store: Store) -> None:
    kept = freeze(store, reference())
    store.write(lambda c: references.put_features(c, kept.id or 0, b"more"))
    with store.read() as connection:
        assert references.load(connection, kept.id or 0) == replace(kept, features=b"more")


def test_an_id_that_nobody_has_is_an_error(store: Store) -> None:
    with store.read() as connection, pytest.raises(KeyError):
        references.load(connection, 7)


def test_the_history_is_bounded(store: Store) -> None:
    for number in range(5):
        freeze(store, reference(content=bytes([number])))
    with store.read() as connection:
        assert len(references.history(connection, "m", limit=3)) == 3
