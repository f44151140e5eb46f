"""Who gets in when a port is full, and how many connections that is."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.serving.connections import MAX_CONNECTIONS, Room, peer_of


def make(limit: int) -> tuple[Room[str], list[str]]:
    closed: list[str] = []
    return Room(limit, closed.append), closed


def test_the_one_that_waited_longest_makes_room() -> None:
    room, closed = make(3)
    for name in ("first", "second", "third"):
        room.enter(name, "peer")
    room.work("first")
    room.enter("fourth", "peer")
    assert closed == ["second"]
    room.wait("first")
    room.enter("fifth", "peer")
    room.enter("sixth", "peer")
    room.enter("seventh", "peer")
    assert closed == ["second", "third", "fourth", "first"]


def test_whoever_holds_most_loses_first() -> None:
    room, closed = make(4)
    room.enter("scraper", "one")
    for name in "abc":
        room.enter(name, "attacker")
    for name in "defghij":
        room.enter(name, "attacker")
    assert closed == list("abcdefg")
    room.enter("new", "another")
    assert closed == list("abcdefgh")


def test_where_all_work_a_new_peer_still_gets_in() -> None:
    room, closed = make(2)
    for name in "ab":
        room.enter(name, "attacker")
        room.work(name)
    room.enter("new", "another")
    assert closed == ["a"]


def test_bytes_are_shared_likewise() -> None:
    room, closed = make(100)
    room.enter("small", "one", 10)
    room.enter("large", "two", 80)
    room.enter("more", "one", 20)
    assert closed == ["large"]
    room.enter("huge", "three", 1000)
    assert set(closed) == {"large", "small", "more"}, "the last one is served, however large it is"


def test_without_a_member_there_is_nobody_to_close() -> None:
    room, closed = make(2)
    assert not room.make_room()
    room.enter("a", "peer")
    assert room.make_room()
    assert closed == ["a"]


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from(["enter", "work", "wait", "leave"]), st.integers(0, 7), st.integers(0, 2))),
)
def test_the_books_are_right_whatever_happens(limit: int, steps: list[tuple[str, int, int]]) -> None:
    inside: set[int] = set()
    room: Room[int] = Room(limit, inside.discard)
    for what, member, peer in steps:
        if what == "enter":
            room.enter(member, str(peer))
            inside.add(member)
        else:
            getattr(room, what)(member)
            inside -= {member} if what == "leave" else set()
        assert len(room) == room.held == len(inside) <= limit
    for member in list(inside):
        room.leave(member)
    assert not room._by_peer and not room._waiting and not room._working, "a peer that left is forgotten"  # noqa: PT018


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("192.0.2.1", 1), ("192.0.2.1", 2), True),
        (("192.0.2.1", 1), ("192.0.2.2", 1), False),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::ffff:1", 1, 0, 0), True),
        (("2001:db8::1", 1, 0, 0), ("2001:db8:0:1::1", 1, 0, 0), False),
        (("::ffff:192.0.2.1", 1, 0, 0), ("::ffff:192.0.2.2", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 2), ("fe80::2", 1, 0, 2), True),
    ],
)
def test_a_peer_is_an_address_or_a_network(one: object, other: object, same: bool) -> None:
    assert (peer_of(one) == peer_of(other)) is same


@pytest.mark.parametrize(
    ("soft", "hard", "ports", "expected"),
    [(256, 256, 1, 128), (64, 256, 1, 128), (256, 256, 3, 42), (16, 16, 1, 8), (64, 10_000, 1, MAX_CONNECTIONS)],
)
def test_the_number_follows_from_the_open_files(soft: int, hard: int, ports: int, expected: int) -> None:
    code = f"from telltale.serving.connections import most_connections; print(most_connections({ports}))"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); {code}"
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("this machine allows fewer files")
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=True)
    assert int(done.stdout) == expected
