"""Connections' turns: short ones, and first those of connections that have taken little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from exporters.traces.receive.turns import LIGHT_S, Service, Turns


class Working:
    """Has so many slices of work, each of so many seconds; notes its turns."""

    def __init__(self, name: str, slices: int, seconds: float, order: list[str]) -> None:
        self.service = Service()
        self.left = slices
        self.is_aborted = False
        self._name, self._seconds, self._order = name, seconds, order

    def turn(self) -> bool:
        self._order.append(self._name)
        until = time.perf_counter() + self._seconds
        while time.perf_counter() < until:
            pass
        self.left -= 1
        return self.left > 0

    def abort(self) -> None:
        self.is_aborted = True


def drive(test: Callable[[Turns, list[str]], None], until: Callable[[], bool]) -> list[str]:
    order: list[str] = []

    async def run() -> None:
        test(Turns(), order)
        deadline = time.monotonic() + 20
        while not until():
            assert time.monotonic() < deadline
            await asyncio.sleep(0)

    asyncio.run(run())
    return order


def test_whoever_is_alone_has_its_turn_at_once() -> None:
    def alone(turns: Turns, order: list[str]) -> None:
        assert turns.ask(Working("a", 1, 0.0, order))
        assert order == ["a"]

    drive(alone, lambda: True)


def test_one_that_has_taken_little_waits_for_few_of_those_that_have_taken_much() -> None:
    """Fifty have work for a second each; one comes with little."""
    working: list[Working] = []

    def crowd(turns: Turns, order: list[str]) -> None:
        working.extend(Working("much", 5, 2 * LIGHT_S, order) for _ in range(50))
        for member in working:
            turns.ask(member)
        asyncio.get_running_loop().call_later(0.15, come, turns, order)

    def come(turns: Turns, order: list[str]) -> None:
        order.append("comes")
        working.append(Working("little", 1, 0.0, order))
        assert not turns.ask(working[-1])

    order = drive(crowd, lambda: all(not member.left for member in working) and len(working) == 51)
    waited = order.index("little") - order.index("comes") - 1
    assert waited <= 55
    # Those that have taken much have their turns, too.
    assert order.count("much") == 250


def test_between_turns_the_loop_does_other_things() -> None:
    order: list[str] = []
    busy = Working("turn", 5, 0.0, order)

    async def run() -> None:
        Turns().ask(busy)
        while busy.left:
            order.append("other")
            await asyncio.sleep(0)

    asyncio.run(run())
    assert order[:5] == ["turn", "other", "turn", "other", "turn"]


def test_a_fault_in_one_turn_ends_that_connection_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Working):
        def turn(self) -> bool:
            raise ZeroDivisionError

    working: list[Working] = []

    def faulty(turns: Turns, order: list[str]) -> None:
        working.extend((Working("a", 3, LIGHT_S, order), Faulty("b", 1, 0.0, order), Working("c", 1, 0.0, order)))
        for member in working:
            turns.ask(member)

    order = drive(faulty, lambda: not working[0].left and not working[2].left)
    assert sorted(order) == ["a", "a", "a", "c"]
    assert [member.is_aborted for member in working] == [False, True, False]
    assert "a connection failed" in caplog.text
