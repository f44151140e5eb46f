"""API keys: the forms they are sent in, how long a lookup is cached, and how much is cached."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from telltale import auth
from telltale.auth import LIFETIME_S, MAX_SECRET, ApiKeys
from telltale.store import Store, access, open_store


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"pk-lf-1:{password}".encode()).decode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield made
    made.close()


def add(store: Store, expires_at: float | None = None) -> str:
    made: str = store.write(
        lambda c: access.add_key(c, name="app", tenant="shop", scopes=["otlp:write"], now=0.0, expires_at=expires_at)
    )
    return made


class Clock:
    now = 10.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("authorization", "secret"),
    [
        ("Bearer tt_1_a", "tt_1_a"),
        ("bearer  tt_1_a ", "tt_1_a"),
        ("tt_1_a", "tt_1_a"),
        (basic("tt_1_a"), "tt_1_a"),
        (basic("tt_1:a"), "tt_1:a"),
        ("", None),
        ("Bearer", None),
        ("Bearer sk-1234", None),
        (basic("sk-lf-1"), None),
        ("Basic tt_1_a", None),
        ("Basic !", None),
        ("Basic " + base64.b64encode(b"\xff:tt_1").decode(), None),
        ("Digest tt_1_a", None),
    ],
)
def test_the_forms_in_which_a_key_comes(authorization: str, secret: str | None) -> None:
    assert auth.secret(authorization) == secret


def test_a_revoked_key_stops_within_its_lifetime(store: Store) -> None:
    clock, secret = Clock(), add(store)
    keys = ApiKeys(store, clock)
    found = keys.find(secret)
    assert found is not None
    assert (found.tenant, found.scopes) == ("shop", ("otlp:write",))
    store.write(lambda c: access.revoke_key(c, found.key_id, now=10.0))
    clock.now += LIFETIME_S - 0.01
    assert keys.find(secret) == found, "the store is not asked for each request"
    clock.now += 0.01
    assert keys.recent(secret) is None
    assert keys.find(secret) is None


def test_a_key_expires_at_its_moment_though_it_was_read_before(store: Store) -> None:
    clock, secret = Clock(), add(store, expires_at=10.5)
    keys = ApiKeys(store, clock)
    assert keys.find(secret) is not None
    clock.now = 10.5
    lookup = keys.recent(secret)
    assert lookup is not None
    assert lookup.key is None


def test_what_the_store_does_not_know_is_not_asked_again_at_once(store: Store) -> None:
    keys = ApiKeys(store, Clock())
    assert keys.recent("tt_00000000_no") is None
    assert keys.find("tt_00000000_no") is None
    lookup = keys.recent("tt_00000000_no")
    assert lookup is not None
    assert lookup.key is None


@pytest.mark.parametrize("secret", ["tt_0\0bad", "tt_0é", "tt_" + "0" * MAX_SECRET])
def test_what_no_key_looks_like_is_neither_asked_about_nor_kept(store: Store, secret: str) -> None:
    keys = ApiKeys(store, Clock())
    store.close()
    assert keys.find(secret) is None


def test_a_clock_set_back_makes_no_key_last(store: Store) -> None:
    clock, secret = Clock(), add(store)
    keys = ApiKeys(store, clock)
    keys.find(secret)
    clock.now = 5.0
    assert keys.recent(secret) is None


def test_only_so_many_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MAX_CACHED", 2)
    keys = ApiKeys(store, Clock())
    for number in (1, 2, 1, 3):
        keys.look_up(f"tt_{number}")
    assert [keys.recent(f"tt_{number}") is not None for number in (1, 2, 3)] == [True, False, True]
