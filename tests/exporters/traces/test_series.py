"""Our metrics pages, checked with prometheus_client's parsers and against its own numbers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from exporters.traces.core.series import Registry
from telltale.metrics import Metrics

CALLS = st.lists(st.tuples(st.text(max_size=6), st.floats(0, 200)), max_size=30)


# Its time depends on the machine's load.
@settings(deadline=None)
@given(observed=CALLS)
def test_the_same_samples_as_prometheus_client(observed: list[tuple[str, float]]) -> None:
    ours, theirs = Registry(), CollectorRegistry()
    metrics = Metrics(theirs)
    counter = metrics.counter("telltale_requests_total")
    histogram = metrics.histogram("gen_ai_client_operation_duration_seconds")
    for word, value in observed:
        ours.counter("telltale_requests_total", word, "m", "client", "chat", "ok", "").value += value
        counter.labels(word, "m", "client", "chat", "ok", "").inc(value)
        labels = ("chat", "openai", word, "m-2", "acme", "client", "")
        ours.histogram("gen_ai_client_operation_duration_seconds", *labels).observe(value, 1, 2)
        histogram.labels(*labels).observe(value)
    assert _samples(parse(ours.page(False))) == _samples(parse(generate_latest(theirs).decode()))
    assert _samples(parse_openmetrics(ours.page(True) + "# EOF\n")) == _samples(parse(ours.page(False)))


def _samples(families: object) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families  # type: ignore[attr-defined]  # both parsers, one shape
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_an_exemplar_points_to_the_trace_of_its_bucket() -> None:
    registry = Registry()
    labels = ("chat", "openai", "m", "m-2", "acme", "client", "")
    registry.histogram("gen_ai_client_operation_duration_seconds", *labels).observe(0.3, 0x2322212019181716, 0x0A)
    samples = [sample for family in parse_openmetrics(registry.page(True) + "# EOF\n") for sample in family.samples]
    [exemplar] = [sample for sample in samples if sample.exemplar]
    assert (exemplar.labels["le"], exemplar.exemplar.labels) == (
        "0.32",
        {"trace_id": "16171819202122230a00000000000000"},
    )
