"""The buffer of unsampled calls: bounded in bytes and age, and a call is found when it is asked for."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librt.vecs import append

from exporters.traces.calls.call import Call, CallRef
from exporters.traces.calls.owners import key_mark
from exporters.traces.decode.otlp_protobuf import Group, Source
from exporters.traces.keep.unsampled import GENERATIONS, UnsampledBuffer, UnsampledCall, unpack

BYTES = 80_000


def request(first: int, sizes: list[int], resource_size: int = 0, packed: bool = False) -> list[CallRef]:
    """Calls of one request, whose spans have these sizes; `packed`: it came compressed."""
    body = b"".join(bytes([first % 251, number]) * (size // 2) + b"." * (size % 2) for number, size in enumerate(sizes))
    group = Group(body, Source(body, "", {}, resource_size))
    if packed:
        group.source.body, group.source.encoding = gzip.compress(body), "gzip"
    refs: list[CallRef] = []
    for number in range(len(sizes)):
        group.starts = append(group.starts, sum(sizes[:number]))
        group.ends = append(group.ends, sum(sizes[: number + 1]))
        call = Call()
        call.set_ids((first + number).to_bytes(16), (first + number).to_bytes(8), b"")
        call.tenant = "acme"
        refs.append(CallRef(call, group, number))
    return refs


def wanted(*refs: CallRef) -> dict[bytes, set[str]]:
    return {ref.call.trace_id: {"acme"} for ref in refs}


def spans(found: list[UnsampledCall]) -> list[bytes]:
    return [group.body for _, group in unpack(found)]


def span(ref: CallRef) -> bytes:
    return ref.group.body[ref.group.starts[ref.index] : ref.group.ends[ref.index]]


@given(
    requests=st.lists(st.lists(st.integers(0, 6_000), min_size=1, max_size=5), max_size=40),
    one_of_each=st.booleans(),
    packed=st.booleans(),
    resource_size=st.sampled_from([0, 700]),
)
def test_all_bytes_that_it_keeps_alive_are_within_the_bound(
    requests: list[list[int]], one_of_each: bool, packed: bool, resource_size: int
) -> None:
    buffer, known = UnsampledBuffer(BYTES, 1e9), list[CallRef]()
    for number, sizes in enumerate(requests):
        made = request(100 * number, sizes, resource_size, packed)
        for ref in made[:1] if one_of_each else made:
            buffer.add(ref, 1.0)
            known.append(ref)
    size = buffer.size
    found = [(ref, unsampled) for ref in known for unsampled in buffer.remove(wanted(ref))]
    alive = sum(len(body) for body in {id(kept.source.body): kept.source.body for _, kept in found}.values())
    alive += resource_size * len({id(kept.source.resource) for _, kept in found})
    assert alive <= size <= BYTES + BYTES // GENERATIONS
    assert [ref for ref, _ in found] == known[len(known) - len(found) :], "the newest stay"
    assert spans([kept for _, kept in found]) == [span(ref) for ref, _ in found]


def test_a_call_is_removed_when_it_is_promoted() -> None:
    buffer, made = UnsampledBuffer(BYTES, 60.0), request(1, [100, 200])
    for ref in made:
        ref.call.key_mark = key_mark("acme")
        buffer.add(ref, 1.0)
    [one] = buffer.remove(wanted(made[1]))
    assert (spans([one]), one.key_tenant) == ([span(made[1])], "acme")
    assert spans(buffer.remove(wanted(*made))) == [span(made[0])]


def test_nothing_stays_beyond_its_age() -> None:
    buffer, made = UnsampledBuffer(BYTES, 60.0), request(1, [100])
    buffer.add(made[0], 100.0)
    buffer.expire(150.0)
    assert buffer.size > 0
    buffer.expire(161.0)
    assert (buffer.size, buffer.remove(wanted(made[0]))) == (0, [])


def test_of_a_request_that_is_larger_than_a_part_of_it_single_calls_are_kept() -> None:
    buffer, made = UnsampledBuffer(BYTES, 60.0), request(1, [9_000, 50_000])
    for ref in made:
        buffer.add(ref, 1.0)
    found = buffer.remove(wanted(*made))
    assert [found[0].source.body] == spans(found) == [span(made[0])]


@pytest.mark.parametrize("packed", [False, True])
def test_calls_that_are_added_later_need_no_plain_bytes(packed: bool) -> None:
    small, large = request(1, [900, 800], packed=packed), request(10, [40_000, 30_000, 60_000, 9_000, 9_000])
    buffer, expected = UnsampledBuffer(BYTES, 60.0), [span(ref) for ref in [*small, *large[2:]]]
    for ref in (detached := buffer.detach([*small, *large])):
        buffer.add(ref, 1.0)
    # Of what is too large to be kept whole, as much as there is room for.
    assert sum(len(ref.group.body) for ref in detached) == 60_000 + 9_000 + 9_000 + 30_000
    found = spans(buffer.remove(wanted(*small, *large)))
    assert found == [one for one in expected if len(one) < BYTES // GENERATIONS]
