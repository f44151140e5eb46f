"""What waits in memory: within its bytes and its age, and found when it is asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporters.traces.call import Call
from exporters.traces.ring import GENERATIONS, Held, Ring
from exporters.traces.wire import Group

BYTES = 80_000


def request(first: int, sizes: list[int]) -> list[Held]:
    """Calls of one request, whose spans have these sizes."""
    group = Group(b"x" * sum(sizes), "", {})
    held: list[Held] = []
    for number in range(len(sizes)):
        group.starts.append(sum(sizes[:number]))
        group.ends.append(sum(sizes[: number + 1]))
        held.append((Call((first + number).to_bytes(16), (first + number).to_bytes(8)), group, number))
    return held


def kept(ring: Ring, known: list[Held]) -> list[Held]:
    return [found for held in known for found in ring.take({held[0].trace_id})]


@given(
    requests=st.lists(st.lists(st.integers(0, 6_000), min_size=1, max_size=5), max_size=40),
    one_of_each=st.booleans(),
)
def test_all_bytes_that_it_keeps_alive_are_within_the_bound(requests: list[list[int]], one_of_each: bool) -> None:
    ring, known = Ring(BYTES, 1e9), list[Held]()
    for number, sizes in enumerate(requests):
        made = request(100 * number, sizes)
        for held in made[:1] if one_of_each else made:
            ring.add(held, 1.0)
            known.append(held)
    size, found = ring.size, kept(ring, known)
    alive = sum(len(body) for body in {id(group.body): group.body for _, group, _ in found}.values())
    assert alive <= size <= BYTES + BYTES // GENERATIONS
    assert [held[0] for held in found] == [held[0] for held in known][len(known) - len(found) :], "the newest stay"


def test_a_call_leaves_when_it_is_taken() -> None:
    ring, made = Ring(BYTES, 60.0), request(1, [100, 200])
    for held in made:
        ring.add(held, 1.0)
    assert ring.take({made[1][0].trace_id}) == [made[1]]
    assert ring.take({held[0].trace_id for held in made}) == [made[0]]


def test_nothing_stays_beyond_its_age() -> None:
    ring, made = Ring(BYTES, 60.0), request(1, [100])
    ring.add(made[0], 100.0)
    ring.expire(150.0)
    assert ring.size > 0
    ring.expire(161.0)
    assert (ring.size, ring.take({made[0][0].trace_id})) == (0, [])


def test_of_a_request_that_is_larger_than_a_part_of_it_single_calls_are_kept() -> None:
    ring, made = Ring(BYTES, 60.0), request(1, [9_000, 50_000])
    for held in made:
        ring.add(held, 1.0)
    [(call, group, index)] = ring.take({held[0].trace_id for held in made})
    assert call is made[0][0]
    assert group.body[group.starts[index] : group.ends[index]] == b"x" * 9_000
    assert len(group.body) == 9_000
