"""Guessing is slow, and whoever guesses keeps out nobody but themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.web.refusals import MAX_SUBJECTS, OTHERS, PERIOD_S, Refusals
from telltale.web.throttle import PER_ADDRESS, PER_DEVICE, PER_NAME, PER_NAME_AND_ADDRESS, Throttle, network_of

NAMES, ADDRESSES, DEVICES = ("kim", "mina"), ("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"), ("d1", "d2")
ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(ADDRESSES),
        st.sampled_from((None, None, None, *DEVICES)),
        st.sampled_from((0.0, 0.0, 0.5, 3.0, 40.0)),
    ),
    max_size=400,
)


def most(limit: tuple[float, float], seconds: float) -> float:
    per_minute, at_once = limit
    return at_once + seconds * per_minute / 60 + 1e-6


@given(ATTEMPTS)
def test_no_more_is_checked_than_each_limit_allows(attempts: list[tuple[str, str, str | None, float]]) -> None:
    throttle, now = Throttle(), 0.0
    strangers: list[tuple[str, str]] = []
    devices: list[str] = []
    for name, address, device, pause in attempts:
        now += pause
        if throttle.acquire(name, address, device, now) == 0:
            if device is None:
                strangers.append((name, network_of(address)))
            else:
                devices.append(device)

    for one in set(strangers):
        assert strangers.count(one) <= most(PER_NAME_AND_ADDRESS, now)
    for name in NAMES:
        assert sum(name == found for found, _ in strangers) <= most(PER_NAME, now)
    for network in map(network_of, ADDRESSES):
        assert sum(network == found for _, found in strangers) <= most(PER_ADDRESS, now)
    for device in DEVICES:
        assert devices.count(device) <= most(PER_DEVICE, now)


@given(ATTEMPTS)
def test_nothing_that_strangers_do_delays_a_known_browser(attempts: list[tuple[str, str, str | None, float]]) -> None:
    throttle, now = Throttle(), 0.0
    for name, address, _, pause in attempts:
        now += pause
        throttle.acquire(name, address, None, now)

    assert throttle.acquire("kim", ADDRESSES[0], "kim's laptop", now) == 0


@given(st.integers(0, 2000), st.floats(0, 10))
def test_one_address_alone_keeps_nobody_elsewhere_out(attempts: int, pause: float) -> None:
    """However hard somebody at one address guesses, kim gets in from another, in a new browser too."""
    throttle, now = Throttle(), 0.0
    for _ in range(attempts):
        now += pause
        throttle.acquire("kim", "10.0.0.1", None, now)

    assert throttle.acquire("kim", "10.0.0.2", None, now) == 0


@given(ATTEMPTS)
def test_whoever_waits_as_told_is_let_in(attempts: list[tuple[str, str, str | None, float]]) -> None:
    throttle, now = Throttle(), 0.0
    for name, address, device, pause in attempts:
        now += pause
        if wait := throttle.acquire(name, address, device, now):
            now += wait + 1e-6
            assert throttle.acquire(name, address, device, now) == 0


def test_guessing_from_many_addresses_meets_the_limit_of_the_name() -> None:
    throttle = Throttle()
    checked = sum(throttle.acquire("kim", f"10.1.{n // 250}.{n % 250}", None, 0.0) == 0 for n in range(1000))

    assert checked == PER_NAME[1]
    assert throttle.acquire("mina", "10.1.0.1", None, 0.0) == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_an_address_counts_as_what_one_customer_is_given(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from((0.0, 1.0, PERIOD_S / 3))), max_size=500))
def test_refusals_are_recorded_from_the_first_and_seldom_after(attempts: list[tuple[int, float]]) -> None:
    refusals, now, began = Refusals(), 0.0, float("-inf")
    seen: dict[int, int] = {}
    recorded: list[int] = []
    for name, pause in attempts:
        now += pause
        if now - began >= PERIOD_S:
            began, seen, recorded = now, {}, []
        first = name not in seen
        seen[name] = seen.get(name, 0) + 1
        found = refusals.note(str(name), now)
        if first and len(seen) <= MAX_SUBJECTS:
            assert found == (str(name), 1)
        if found:
            assert found.subject in (str(name), OTHERS)
            recorded.append(found.times)
        assert len(recorded) <= (MAX_SUBJECTS + 1) * len(attempts).bit_length()


def test_an_hours_flood_leaves_few_entries() -> None:
    refusals = Refusals()
    entries = [found for number in range(100_000) if (found := refusals.note("kim", number * 0.03))]

    assert [entry.times for entry in entries] == [2**power for power in range(17)]
