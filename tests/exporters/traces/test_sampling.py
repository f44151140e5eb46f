"""The sampler: bounded, agreeing within a trace, and with probabilities that make weights unbiased."""

from __future__ import annotations

import math
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.sampling import Sampler, position


def trace(number: int) -> str:
    return f"{Random(number).getrandbits(128):032x}"


@settings(max_examples=30, deadline=None)
@given(rate=st.integers(1, 3000), budget=st.integers(5, 200), seed=st.integers(0, 1000))
def test_the_budget_bounds_what_is_kept(rate: int, budget: int, seed: int) -> None:
    sampler = Sampler(budget)
    for minute in range(3):
        kept = sum(
            sampler.keep(("m",), trace(seed * 10**6 + minute * rate + n), minute * 60.0) is not None
            for n in range(rate)
        )
        doublings = math.log2(max(2.0, rate / budget))
        assert kept <= budget * (2 + doublings / 2) + 3 * math.sqrt(budget) + 3


def test_weights_add_up_to_the_traffic() -> None:
    """Horvitz-Thompson: the weights' sum estimates the number of calls; over many runs its mean is right."""
    estimates = []
    for run in range(60):
        sampler = Sampler(50)
        found = (sampler.keep(("m",), trace(run * 100_000 + n), n / 50) for n in range(6000))
        estimates.append(sum(1 / probability for probability in found if probability))
    mean = sum(estimates) / len(estimates)
    spread = math.sqrt(sum((value - mean) ** 2 for value in estimates) / (len(estimates) - 1) / len(estimates))
    assert abs(mean - 6000) < 4 * spread


def test_layers_of_a_trace_agree() -> None:
    for number in range(500):
        first = Sampler(20).keep(("m", "client"), trace(number), 0.0)
        second = Sampler(20).keep(("m", "server"), trace(number), 0.0)
        assert (first is None) == (second is None)


def test_ids_with_a_common_prefix_or_an_empty_half_are_sampled_evenly() -> None:
    for make in (lambda n: f"01a202{n:026x}", lambda n: f"{n:016x}".zfill(32), lambda n: f"{n:016x}" + "0" * 16):
        below = sum(position(make(n)) < 0.25 for n in range(20_000))
        assert abs(below - 5000) < 4 * math.sqrt(20_000 * 0.25 * 0.75)


def test_strata_do_not_share_a_budget() -> None:
    sampler = Sampler(10)
    for number in range(5000):
        sampler.keep(("busy",), trace(number), 0.0)
    assert sampler.keep(("quiet",), trace(1), 0.0) == 1.0
