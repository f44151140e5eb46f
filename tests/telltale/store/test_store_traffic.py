"""What the monitors read of samples: counts of what arrived, and draws that stand for all calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.records import Sample
from telltale.store import Store, samples, traffic
from telltale.store.traffic import Arrived, Drawn, Part


def sample(number: int, at: float, **changes: object) -> Sample:
    values: dict[str, object] = {
        "trace_id": f"{number:032x}", "span_id": f"{number:016x}", "observed_at": at, "tenant": "t", "model": "m",
        "version": "v1", "layer": "client", "operation": "chat", "status": "ok", "prompt": f"p{number}",
        "response": "r", "inclusion_probability": 1.0,
    }  # fmt: skip
    return Sample(**{**values, **changes})  # type: ignore[arg-type]


def save(store: Store, rows: Sequence[Sample], now: float = 1.0) -> None:
    store.write(lambda c: samples.save(c, rows, now=now))


def draw(store: Store, most: int, seed: int = 0, **part: object) -> Drawn:
    own = Part(**{"model": "m", "version": "v1", "values": {}, **part})  # type: ignore[arg-type]
    with store.read() as connection:
        return traffic.draw(connection, own, 0.0, 1000.0, most, seed)


def numbers(drawn: Drawn) -> list[int]:
    return [int(one.trace_id, 16) for one in drawn.samples]


def arrived(store: Store, names: Sequence[str] = (), after: int = 0, length: float = 10.0) -> list[Arrived]:
    with store.read() as connection:
        return sorted(traffic.arrived(connection, names, after, traffic.last_id(connection), length), key=str)


def test_a_draw_of_fewer_than_all_has_different_rows_for_another_seed_and_the_same_for_the_same(store: Store) -> None:
    save(store, [sample(number, number / 10) for number in range(400)])
    first, again, other = (numbers(draw(store, 50, seed)) for seed in (1, 1, 2))
    assert first == again
    assert len(first) == len(other) == 50
    assert first != other
    assert first == sorted(first), "in the order of time"


def test_what_is_not_too_much_is_read_as_a_whole(store: Store) -> None:
    save(store, [sample(number, number / 10, inclusion_probability=0.25) for number in range(40)])
    drawn = draw(store, 40)
    assert numbers(drawn) == list(range(40))
    assert drawn.weights == [4.0] * 40
    assert drawn.total == 40
    assert [one.prompt for one in drawn.samples[:2]] == ["p0", "p1"]


def test_weights_add_up_to_the_calls_they_stand_for(store: Store) -> None:
    """Three quarters of the rows were kept one in one, a quarter one in fifty."""
    rows = [
        sample(number, number / 10, inclusion_probability=0.02 if number % 4 == 0 else 1.0) for number in range(800)
    ]
    save(store, rows)
    calls = 200 * 50 + 600
    drawn = draw(store, 100)
    assert len(drawn.samples) == 100
    assert sum(drawn.weights) == pytest.approx(calls)
    shares = []
    for seed in range(40):
        drawn = draw(store, 100, seed * 7919)
        rare = sum(w for one, w in zip(drawn.samples, drawn.weights, strict=True) if one.inclusion_probability == 1.0)
        shares.append(rare / sum(drawn.weights))
    assert sum(shares) / len(shares) == pytest.approx(600 / calls, abs=0.012), "shares are of traffic, not of rows"


def test_each_row_is_drawn_equally_often(store: Store) -> None:
    save(store, [sample(number, number / 10) for number in range(100)])
    drawn = Counter(number for seed in range(300) for number in numbers(draw(store, 20, seed * 104_729)))
    assert sum(drawn.values()) == 6000
    # 60 are expected of each; a quarter of that is four standard deviations of chance.
    assert min(drawn[number] for number in range(100)) >= 30
    assert max(drawn.values()) <= 90


@given(
    st.lists(st.floats(1.0, 1e6), min_size=1, max_size=40).flatmap(
        lambda weights: st.tuples(st.just(weights), st.floats(0.0, 1e9).map(lambda more: sum(weights) + more))
    )
)
def test_a_spread_adds_up_and_takes_nothing_from_a_row(drawn: tuple[list[float], float]) -> None:
    weights, calls = drawn
    found = traffic.spread(weights, calls)
    assert sum(found) == pytest.approx(calls)
    assert all(after >= before * (1 - 1e-9) for before, after in zip(weights, found, strict=True))


class Case(NamedTuple):
    part: dict[str, object]
    expected: list[int]


@pytest.mark.parametrize(
    "case",
    [
        Case({}, [0, 1, 2, 3, 4, 5]),
        Case({"values": {"app": "a"}}, [0, 1]),
        Case({"values": {"user.tier": "gold"}}, [1, 3]),
        Case({"values": {"app": "b", "user.tier": "gold"}}, [3]),
        Case({"excluded": [{"app": "a"}]}, [2, 3, 4, 5]),
        Case({"excluded": [{"app": "a", "user.tier": "gold"}, {"app": "b"}]}, [0, 4, 5]),
        Case({"excluded": [{"user.tier": "gold"}]}, [0, 2, 4, 5]),
        Case({"version": "v2"}, [6]),
        Case({"model": "other"}, [7]),
    ],
    ids=str,
)
def test_a_part_is_what_its_values_say_without_what_is_excluded(store: Store, case: Case) -> None:
    gold = {"user.tier": "gold"}
    rows = [
        sample(0, 1.0, app="a"), sample(1, 2.0, app="a", attributes=gold), sample(2, 3.0, app="b"),
        sample(3, 4.0, app="b", attributes=gold), sample(4, 5.0, attributes={"other": "x"}), sample(5, 6.0),
        sample(6, 7.0, version="v2"), sample(7, 8.0, model="other"),
        sample(8, 9.0, inclusion_probability=None, promoted_by="feedback"), sample(9, 1000.0),
    ]  # fmt: skip
    save(store, rows)
    assert numbers(draw(store, 100, **case.part)) == case.expected
    few = draw(store, 1, **case.part)
    assert (len(few.samples), few.total) == (1, len(case.expected))
    assert few.weights == [float(len(case.expected))]


def test_what_arrived_is_counted_by_attributes_and_stretch(store: Store) -> None:
    gold = {"user.tier": "gold"}
    rows = [
        sample(0, 9.9, app="a", attributes=gold), sample(1, 10.0, app="a", attributes=gold), sample(2, 19.9, app="a"),
        sample(3, 15.0, version="v2", app="a"), sample(4, 15.0, inclusion_probability=None, promoted_by="error"),
    ]  # fmt: skip
    save(store, rows)
    assert arrived(store) == [
        Arrived("m", "v1", (), 0, 1, 1), Arrived("m", "v1", (), 1, 2, 2), Arrived("m", "v2", (), 1, 1, 1),
    ]  # fmt: skip
    assert arrived(store, ("app", "user.tier")) == [
        Arrived("m", "v1", ("a", "gold"), 0, 1, 1), Arrived("m", "v1", ("a", "gold"), 1, 1, 1),
        Arrived("m", "v1", ("a", None), 1, 1, 1), Arrived("m", "v2", ("a", None), 1, 1, 1),
    ]  # fmt: skip
    with store.read() as connection:
        last = traffic.last_id(connection)
    assert arrived(store, after=last) == []
    save(store, [sample(5, 25.0)])
    assert arrived(store, after=last) == [Arrived("m", "v1", (), 2, 1, 1)]


def test_a_stretch_is_as_long_as_it_is_said_to_be(store: Store) -> None:
    """Also where times are large and lengths are not whole."""
    at = 1_790_000_000.0
    save(store, [sample(0, at), sample(1, at + 3599.999), sample(2, at + 3600.0)])
    assert [(one.bin, one.rows) for one in arrived(store, length=3600.0)] == [
        (int(second // 3600.0), rows) for second, rows in ((at, 1), (at + 3600.0, 2))
    ]
    assert {one.bin for one in arrived(store, length=0.5)} == {
        int(second // 0.5) for second in (at, at + 3599.999, at + 3600.0)
    }


def test_ids_are_found_by_when_they_were_stored(store: Store) -> None:
    for now in (10.0, 20.0, 20.0, 30.0):
        number = store.write(samples.count)
        save(store, [sample(number, 1.0)], now=now)
    with store.read() as connection:
        found = [traffic.first_id_since(connection, at) for at in (0.0, 10.0, 10.5, 20.0, 25.0, 30.0, 31.0)]
        last = traffic.last_id(connection)
    assert found == [1, 1, 2, 2, 4, 4, 5]
    assert last == 4


def test_ids_are_found_where_older_ones_are_gone(store: Store) -> None:
    for number in range(6):
        save(store, [sample(number, float(number))], now=10.0 * number)
    store.write(lambda c: samples.prune(c, before=3.0))
    with store.read() as connection:
        assert [traffic.first_id_since(connection, at) for at in (0.0, 40.0, 60.0)] == [1, 5, 7]


def test_an_empty_store_has_nothing(store: Store) -> None:
    with store.read() as connection:
        assert traffic.last_id(connection) == 0
        assert traffic.first_id_since(connection, 5.0) == 1
        assert traffic.arrived(connection, ("app",), 0, 0, 10.0) == []
    assert draw(store, 10) == Drawn([], [], [], 0)


def test_a_draw_of_more_than_a_statement_takes_is_read_in_portions(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "AT_ONCE", 7)
    save(store, [sample(number, number / 10) for number in range(100)])
    assert numbers(draw(store, 100)) == list(range(100))
