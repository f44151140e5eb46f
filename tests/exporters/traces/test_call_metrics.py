"""Calls into series: the cached lookup of a label set finds the same series as the full one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporters.traces.calls.call import Call
from exporters.traces.conventions.fields import CACHE_WRITE_INPUT, CACHED_INPUT, INPUT, OUTPUT
from exporters.traces.keep.metrics import OTHER, CallMetrics, price
from telltale.settings import Price

LABELS = st.fixed_dictionaries({
    "operation": st.sampled_from(["chat", "embeddings"]), "provider": st.sampled_from(["openai", None]),
    "model_requested": st.sampled_from(["m", "n", None]), "model_served": st.sampled_from(["m-2", None]),
    "tenant": st.sampled_from(["acme", "globex"]), "layer": st.sampled_from(["client", "server"]),
    "error_type": st.sampled_from([None, "timeout"]), "status": st.sampled_from(["ok", "error"]),
})  # fmt: skip


def call(labels: dict[str, str | None], fingerprint: int) -> Call:
    made = Call()
    for name, value in labels.items():
        setattr(made, name, value)
    made.label_fingerprint = fingerprint
    made.set_tokens(INPUT, 3)
    return made


def page(measure: CallMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(measure.registry.page(False))
        for sample in family.samples
    }


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, st.integers(0, 2)), max_size=30), st.integers(1, 40))
def test_a_hash_that_many_labels_share_changes_nothing(
    read_calls: list[tuple[dict[str, str | None], int]], max_series: int
) -> None:
    hashed, looked_up = CallMetrics((), max_series), CallMetrics((), max_series)
    for labels, fingerprint in read_calls:
        hashed.add(call(labels, fingerprint))
        looked_up.add(call(labels, 0))
    assert page(hashed) == page(looked_up)


def test_tokens_out_of_a_cache_and_into_one_cost_what_their_own_price_says() -> None:
    with_prices = Price(model="m", input=3.0, output=15.0, cached_input=0.3, cache_write_input=3.75)
    without = Price(model="n", input=3.0, output=15.0)
    measure = CallMetrics((with_prices, without), 10)
    for model in ("m", "n"):
        one = call({"model_requested": model}, 0)
        for kind, count in ((INPUT, 1000), (CACHED_INPUT, 600), (CACHE_WRITE_INPUT, 300), (OUTPUT, 10)):
            one.set_tokens(kind, count)
        measure.add(one)
    costs = {
        dict(labels)["model"]: value
        for (name, labels), value in page(measure).items()
        if name == "telltale_cost_usd_total"
    }
    assert costs == {
        "m": pytest.approx((100 * 3.0 + 600 * 0.3 + 300 * 3.75 + 10 * 15.0) / 1e6),
        "n": pytest.approx((1000 * 3.0 + 10 * 15.0) / 1e6),
    }


def test_embeddings_cost_their_input() -> None:
    measure = CallMetrics((Price(model="e", input=2.0, output=0.0),), 10)
    for model in ("e", "nobody-knows"):
        one = call({"operation": "embeddings", "model_requested": model}, 0)
        one.set_tokens(INPUT, 1_000_000)
        measure.add(one)
    one = call({"operation": "chat", "model_requested": "e"}, 0)
    one.set_tokens(INPUT, 1_000_000)
    measure.add(one)
    costs = [value for (name, _), value in page(measure).items() if name == "telltale_cost_usd_total"]
    unpriced = [value for (name, _), value in page(measure).items() if name == "telltale_unpriced_calls_total"]
    assert (costs, unpriced) == ([2.0], [1.0, 1.0])


@pytest.mark.parametrize(
    "models", [("cheap", "dear", "unknown"), ("dear", "unknown", "cheap"), ("unknown", "dear", "cheap")]
)
def test_folded_calls_cost_what_their_own_model_does(models: tuple[str, ...]) -> None:
    prices = (Price(model="cheap", input=1.0, output=0.0), Price(model="dear", input=100.0, output=0.0))
    measure = CallMetrics(prices, 0)
    for model in models:
        one = call({"model_requested": model}, 7)
        one.set_tokens(INPUT, 1_000_000)
        one.set_tokens(OUTPUT, 0)
        measure.add(one)
    found = {name: value for (name, _), value in page(measure).items()}
    assert (found["telltale_cost_usd_total"], found["telltale_unpriced_calls_total"]) == (101.0, 1.0)


def test_calls_without_any_time_say_nothing_of_the_lag() -> None:
    measure = CallMetrics((), 10)
    one = call({}, 0)
    one.duration_s = None
    measure.count([one], 1e9)
    found = page(measure)
    assert found["telltale_collector_lag_seconds_count", frozenset()] == 0
    one.start_unix_s = 1e9 - 2.0
    measure.count([one], 1e9)
    assert page(measure)["telltale_collector_lag_seconds_sum", frozenset()] == 2.0


def test_each_call_beyond_the_bound_is_counted_as_folded() -> None:
    measure = CallMetrics((), 1)
    labels: dict[str, str | None] = {"tenant": "acme", "model_requested": "m"}
    for number in range(5):
        measure.add(call(labels | {"model_requested": f"m{min(number, 1)}"}, 7))
    found = page(measure)
    assert found["telltale_collector_folded_total", frozenset()] == 4
    assert sum(
        value for (name, about), value in found.items()
        if name == "telltale_requests_total" and ("tenant", OTHER) in about
    ) == 4  # fmt: skip


def test_the_closest_price_counts_whatever_the_order_of_the_table() -> None:
    rows = [
        Price(model="*", input=9.0, output=0.0),
        Price(model="gpt-4o*", input=2.5, output=0.0),
        Price(model="gpt-4o-mini*", input=0.2, output=0.0, since="2026-01-01"),
        Price(model="gpt-4o-mini", input=0.15, output=0.0),
        Price(model="gpt-4o-mini", input=0.1, output=0.0, since="2026-06-01"),
        Price(model="gpt-4o-mini-2024", input=0.12, output=0.0),
    ]
    expected = {
        ("gpt-4o-mini", None): 0.1,
        ("gpt-4o-mini", "gpt-4o-mini-2024"): 0.12,
        ("gpt-4o-mini", "gpt-4o-2024"): 0.1,
        ("auto", "gpt-4o-mini-2025"): 0.2,
        ("gpt-4o", "gpt-4o-2024"): 2.5,
        ("o1", None): 9.0,
    }
    for seed in range(20):
        table = tuple(Random(seed).sample(rows, len(rows)))
        for (requested, served), price_of_input in expected.items():
            one = call({"model_requested": requested, "model_served": served}, 0)
            one.start_unix_s = 1_790_000_000.0
            found = price(one, table)
            assert found is not None
            assert found.input == price_of_input, (requested, served)


def test_tokens_of_any_kind_without_a_price_are_counted() -> None:
    measure = CallMetrics((Price(model="m", input=1.0, output=1.0),), 10)
    for model, kind in (("n", OUTPUT), ("n", CACHED_INPUT), ("m", OUTPUT), ("n", INPUT)):
        one = call({"model_requested": model}, 0)
        one.set_tokens(INPUT, None)
        one.set_tokens(kind, 5)
        measure.add(one)
    nothing = call({"model_requested": "n"}, 0)
    nothing.set_tokens(INPUT, None)
    measure.add(nothing)
    unpriced = {
        dict(labels)["model"]: value
        for (name, labels), value in page(measure).items()
        if name == "telltale_unpriced_calls_total"
    }
    assert unpriced == {"n": 3.0, "m": 1.0}
