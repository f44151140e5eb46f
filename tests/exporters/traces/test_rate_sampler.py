"""The sampler: bounded, agreeing within a trace, and with probabilities that make weights unbiased."""

from __future__ import annotations

import math
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.calls.call import Call
from exporters.traces.core.interning import trace_words
from exporters.traces.keep.rate_sampler import IDLE_MINUTES, MAX_STRATA, RateSampler, position
from telltale.records import Layer


def trace(number: int) -> bytes:
    return Random(number).randbytes(16)


def call(trace_id: bytes, model: str = "m", layer: Layer = "client", fingerprint: int = 0) -> Call:
    made = Call()
    made.set_ids(trace_id, bytes(8), b"")
    made.model_requested, made.tenant, made.layer, made.label_fingerprint = model, "t", layer, fingerprint
    return made


def place(trace_id: bytes) -> float:
    return position(*trace_words(trace_id))


@settings(max_examples=30, deadline=None)
@given(rate=st.integers(1, 3000), budget=st.integers(5, 200), seed=st.integers(0, 1000))
def test_the_budget_bounds_what_is_kept(rate: int, budget: int, seed: int) -> None:
    sampler = RateSampler(budget)
    for minute in range(3):
        kept = sum(
            sampler.draw(call(trace(seed * 10**6 + minute * rate + n)), minute * 60.0) is not None for n in range(rate)
        )
        doublings = math.log2(max(2.0, rate / budget))
        assert kept <= budget * (2 + doublings / 2) + 3 * math.sqrt(budget) + 3


def test_weights_add_up_to_the_traffic() -> None:
    """Horvitz-Thompson: the weights' sum estimates the number of calls; over many runs its mean is right."""
    estimates = []
    for run in range(60):
        sampler = RateSampler(50)
        found = (sampler.draw(call(trace(run * 100_000 + n)), n / 50) for n in range(6000))
        estimates.append(sum(1 / probability for probability in found if probability))
    mean = sum(estimates) / len(estimates)
    spread = math.sqrt(sum((value - mean) ** 2 for value in estimates) / (len(estimates) - 1) / len(estimates))
    assert abs(mean - 6000) < 4 * spread


def test_layers_of_a_trace_agree() -> None:
    for number in range(500):
        first = RateSampler(20).draw(call(trace(number)), 0.0)
        second = RateSampler(20).draw(call(trace(number), layer="server"), 0.0)
        assert (first is None) == (second is None)


def test_ids_with_a_common_prefix_or_an_empty_half_are_sampled_evenly() -> None:
    for make in (
        lambda n: b"\x01\xa2\x02" + n.to_bytes(13),
        lambda n: n.to_bytes(16),
        lambda n: n.to_bytes(8) + bytes(8),
        lambda n: (n * 1000).to_bytes(8, "little") + bytes(8),
    ):
        places = [place(make(n)) for n in range(20_000)]
        for quarter in range(4):
            found = sum(quarter <= at * 4 < quarter + 1 for at in places)
            assert abs(found - 5000) < 4 * math.sqrt(20_000 * 0.25 * 0.75)


def test_strata_do_not_share_a_budget() -> None:
    sampler = RateSampler(10)
    for number in range(5000):
        sampler.draw(call(trace(number), "busy"), 0.0)
    assert sampler.draw(call(trace(1), "quiet"), 0.0) == 1.0


def test_invented_models_share_a_budget() -> None:
    sampler = RateSampler(10)
    kept = sum(sampler.draw(call(trace(number), f"m{number}"), 0.0) is not None for number in range(20_000))
    assert kept < MAX_STRATA + 200
    later = (IDLE_MINUTES + 1) * 60.0
    assert sampler.draw(call(trace(1), "new"), later) == 1.0, "room is made of those without calls"


def test_each_bit_of_an_id_moves_half_of_its_place() -> None:
    draw = Random(3)
    for bit in range(128):
        moved = [0] * 24
        for _ in range(400):
            number = draw.getrandbits(128)
            one, other = (int(place(n.to_bytes(16)) * 2**32) for n in (number, number ^ (1 << bit)))
            for high in range(24):
                moved[high] += (one ^ other) >> (31 - high) & 1
        assert all(130 <= count <= 270 for count in moved), (bit, moved)


def test_calls_whose_labels_share_a_fingerprint_keep_their_own_budgets() -> None:
    sampler = RateSampler(10)
    for number in range(500):
        sampler.draw(call(trace(number), "busy", fingerprint=7), 0.0)
        assert sampler.draw(call(trace(number), f"quiet{number}", fingerprint=7), 0.0) == 1.0
