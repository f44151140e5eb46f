"""Vectors that spans bring along: through the receiver into the store with their samples, and no further than those."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import select
from support.receiver_in_process import InProcess, make

from exporters.traces.conventions import vectors
from exporters.traces.receive.receiver import ExportRequest
from telltale.store import samples
from telltale.store.schema import sample_vectors

END = 1_790_000_000_000_000_000
SPANS = {"embeddings": {"kind": "spans"}}
GOOD = [3.0, 4.0, 0.0]
MODEL = {"telltale.embedding.model": "text-embedding-3-small"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[InProcess]:
    made = make(tmp_path, monitor=SPANS)
    yield made
    made.store.close()


def put(span: Span, key: str, value: Any) -> None:
    held = span.attributes.add(key=key).value
    if isinstance(value, str):
        held.string_value = value
    elif isinstance(value, bytes):
        held.bytes_value = value
    else:
        held.array_value.SetInParent()
        for number in value:
            one = held.array_value.values.add()
            if isinstance(number, str):
                one.string_value = number
            elif isinstance(number, bool):
                one.bool_value = number
            elif isinstance(number, int):
                one.int_value = number
            else:
                one.double_value = number


def said(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


CHAT = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.model": "m",
    "gen_ai.input.messages": said("user", "Where is my parcel?"),
    "gen_ai.output.messages": said("assistant", "At the door."),
}  # fmt: skip


def request(*calls: dict[str, Any], scope: str = "") -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add().scope_spans.add()
    group.scope.name = scope
    for number, content in enumerate(calls, 1):
        span = group.spans.add(
            trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="chat",
            start_time_unix_nano=END - 10**9, end_time_unix_nano=END,
        )  # fmt: skip
        for key, value in content.items():
            put(span, key, value)
    return made


def send(here: InProcess, made: ExportTraceServiceRequest) -> None:
    packed = gzip.compress(made.SerializeToString(), 1)
    batch = here.receiver.ingest(ExportRequest("traces", packed, "gzip", "application/x-protobuf", ""), None)
    here.receiver.finish(batch, "traces")


def stored(here: InProcess) -> dict[tuple[int, str], tuple[str, list[float]]]:
    """The space and the numbers of each stored vector, by the call's number and the direction."""
    with here.store.read() as connection:
        calls = {one.id: int(one.trace_id, 16) for one in samples.load(connection)}
        found = connection.execute(select(sample_vectors)).all()
    return {
        (calls[row.sample_id], row.direction): (row.space, np.frombuffer(row.vector, "<f2").astype(float).tolist())
        for row in found
    }


def outcomes(here: InProcess) -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for metric in here.registry.collect()
        for sample in metric.samples
        if sample.name == "telltale_collector_vectors_total" and sample.value
    }


def test_vectors_of_a_call_are_stored_with_its_sample_once_and_go_with_it(here: InProcess) -> None:
    one = {**CHAT, **MODEL, "telltale.embedding.prompt": GOOD, "telltale.embedding.response": [0, -2, 0]}
    # The whole span is read where an attribute is in no usual form.
    other = {**one, "gen_ai.input.messages": "Where?", "gen_ai.output.messages": "There."}
    for _ in range(2):
        send(here, request(one, other, CHAT))
    found = stored(here)
    space = "spans 3 text-embedding-3-small"
    assert found == {
        (number, direction): (space, [float(np.float16(length)) for length in wanted])
        for number in (1, 2)
        for direction, wanted in (("prompt", [0.6, 0.8, 0.0]), ("response", [0.0, -1.0, 0.0]))
    }
    assert outcomes(here) == {"kept": 4}

    with here.store.read() as connection:
        ids = [row.id or 0 for row in samples.load(connection)]
    here.store.write(lambda c: samples.remove(c, ids))
    with here.store.read() as connection:
        assert connection.execute(select(sample_vectors)).all() == []


@pytest.mark.parametrize("scope", ["", "openinference.instrumentation.openai"])
def test_openinference(here: InProcess, scope: str) -> None:
    def embedding(*places: int) -> dict[str, Any]:
        spans = {"openinference.span.kind": "EMBEDDING", "embedding.model_name": "text-embedding-3-small"}
        texts = {f"embedding.embeddings.{place}.embedding.text": f"text {place}" for place in places}
        return spans | texts | {f"embedding.embeddings.{place}.embedding.vector": GOOD for place in places}

    # Of several texts, which one prompt holds, there is no one vector.
    send(here, request(embedding(0), embedding(0, 1), scope=scope))
    assert list(stored(here)) == [(1, "prompt")]
    assert stored(here)[1, "prompt"][0] == "spans 3 text-embedding-3-small"
    assert outcomes(here) == {"kept": 1, "several": 1}


BAD = [
    (["1", "2"], "not_numbers"), ("[1, 2]", "not_numbers"), (b"\0\1\2\3", "not_numbers"),
    ([True, False], "not_numbers"),
    ([[1.0, 2.0], [1.0]], "not_numbers"), (None, "not_numbers"),
    ([], "length"), ([1.0], "length"), ([1.0] * 4097, "length"), ([1.0] * 10_000, "length"),
    ([math.nan, 1.0], "not_finite"), ([math.inf, 1.0], "not_finite"), ([10**400, 1], "not_finite"),
    ([0.0, 0, -0.0], "zero"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "why"), BAD)
def test_what_is_no_vector_is_left_out_and_the_other_stays(value: Any, why: str) -> None:
    found = vectors.read({**MODEL, "telltale.embedding.prompt": value, "telltale.embedding.response": GOOD})
    assert found.refused == (why,)
    assert list(found.kept) == ["response"]


def test_bad_vectors_harm_no_neighbour(here: InProcess) -> None:
    bad: Sequence[Any] = [
        [math.nan] * 3, [1.0], [0.5] * 10_000, ["a", "b"], "[0.1, 0.2]", b"\0" * 12, [0.1, "0.2"],
    ]  # fmt: skip
    calls = [{**CHAT, **MODEL, "telltale.embedding.prompt": one} for one in bad]
    nameless = {**CHAT, "telltale.embedding.prompt": GOOD}
    longer = {**CHAT, **MODEL, "telltale.embedding.prompt": [*GOOD, 0.0]}
    good = {**CHAT, **MODEL, "telltale.embedding.prompt": GOOD}
    send(here, request(*calls, nameless, longer, good))
    assert {place: space for place, (space, _) in stored(here).items()} == {
        (9, "prompt"): "spans 4 text-embedding-3-small",
        (10, "prompt"): "spans 3 text-embedding-3-small",
    }
    assert outcomes(here) == {"kept": 2, "not_finite": 1, "length": 2, "not_numbers": 4, "no_model": 1}
    with here.store.read() as connection:
        kept = samples.load(connection)
    assert [(row.prompt, row.response) for row in kept] == [("Where is my parcel?", "At the door.")] * 10


def test_of_a_call_that_is_not_sampled_none_is_kept(tmp_path: Path) -> None:
    here = make(tmp_path, monitor=SPANS, sampling={"per_minute": 1})
    try:
        send(here, request(*[{**CHAT, **MODEL, "telltale.embedding.prompt": GOOD}] * 50))
        with here.store.read() as connection:
            kept = len(samples.load(connection))
        assert 0 < kept < 50
        assert len(stored(here)) == kept
        assert outcomes(here) == {"kept": kept}
    finally:
        here.store.close()


def test_without_the_setting_none_is_kept_or_counted(tmp_path: Path) -> None:
    here = make(tmp_path)
    try:
        send(here, request({**CHAT, **MODEL, "telltale.embedding.prompt": GOOD}))
        with here.store.read() as connection:
            assert len(samples.load(connection)) == 1
        assert stored(here) == {}
        assert outcomes(here) == {}
    finally:
        here.store.close()


def test_a_batch_of_an_sdk_with_two_vectors_a_call_is_taken(here: InProcess) -> None:
    numbers = [math.sin(place) for place in range(1536)]
    call = {**CHAT, **MODEL, "telltale.embedding.prompt": numbers, "telltale.embedding.response": numbers}
    send(here, request(*[call] * 512))
    with here.store.read() as connection:
        kept = len(samples.load(connection, texts=False))
    assert kept
    assert outcomes(here) == {"kept": 2 * kept}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=40))
def test_a_vector_is_kept_as_its_direction(numbers: list[float]) -> None:
    found = vectors.read({**MODEL, "telltale.embedding.prompt": list(numbers)})
    if found.refused:
        assert found.refused in (("zero",), ("not_finite",))
        return
    kept = np.frombuffer(found.kept["prompt"].numbers, "<f2").astype(float)
    length = math.hypot(*numbers)
    assert np.allclose(kept, [number / length for number in numbers], atol=1e-3)


def test_names_of_spaces_fit_and_tell_apart() -> None:
    spaces = set()
    for ending in ("a", "b", "c" * 300):
        sent = {"telltale.embedding.model": "m" * 100 + ending, "telltale.embedding.prompt": GOOD}
        space = vectors.read(sent).kept["prompt"].space
        assert len(space) <= 64
        spaces.add(space)
    assert len(spaces) == 3
