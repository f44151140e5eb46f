"""Vectors that calls brought along are judged; what has none is said, and those of two models are never compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.receiver_in_process import make
from support.reports import no_report

from exporters.traces.receive.receiver import ExportRequest
from monitors.runs import Runs
from telltale.records import Direction, Sample, Vector
from telltale.settings import Monitor as MonitorSettings
from telltale.store import Store, open_store, samples, scores, series_states
from telltale.store.series_states import SeriesStatus

DIMENSIONS = 8
SETTINGS = MonitorSettings.model_validate({
    "window": 10.0, "min_rows": 40, "reference_rows": 120, "reference_span": 0.0, "min_votes": 15,
    "reference_votes": 40, "alpha": 0.01, "embeddings": {"kind": "spans"},
})  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def numbers(random: Random, about: int) -> list[float]:
    """A vector near the axis of what a text is about."""
    return [float(place == about) + random.gauss(0.0, 0.1) for place in range(DIMENSIONS)]


def packed(random: Random, about: int, model: str) -> Vector:
    made = np.array(numbers(random, about), np.float32)
    return Vector(f"spans {DIMENSIONS} {model}", (made / np.linalg.norm(made)).astype("<f2").tobytes())


def fill(store: Store, begin: float, *, new: float = 0.0, without: float = 0.0, model: str = "e") -> None:
    """Ten seconds of calls whose words say nothing: `new` is the share about something else."""
    random, found = Random(int(begin)), []
    for number in range(120):
        about = 7 if random.random() < new else random.randrange(3)
        given: dict[Direction, Vector] = {}
        if random.random() >= without:
            given["prompt"] = packed(random, about, model)
        trace, at = f"{random.getrandbits(128):032x}", begin + number / 12
        prompt = f"prompt {number}"
        one = Sample(trace, "b" * 16, at, "t", "m", "v1", "client", "chat", "ok", prompt, "ok.", 1.0)
        found.append(one._replace(vectors=given))
    store.write(lambda c: samples.save(c, found, now=begin))


def judged(store: Store, now: float) -> dict[str, list[SeriesStatus]]:
    """The states of `topics` by direction, after a run."""
    runs = Runs(store, SETTINGS, no_report, 1e9)
    try:
        runs.run(now)
        assert not runs.failed
    finally:
        runs.close()
    with store.read() as connection:
        found = [one for one in series_states.load(connection) if one.monitor == "topics"]
    return {name: [one for one in found if one.direction == name] for name in ("prompt", "response")}


def states(found: list[SeriesStatus]) -> set[str]:
    return {one.state for one in found}


def reasons(found: list[SeriesStatus]) -> set[str]:
    return {one.reason or "" for one in found}


def test_from_a_span_through_the_receiver_to_what_a_window_is_about(tmp_path: Path) -> None:
    here = make(tmp_path, monitor={"embeddings": {"kind": "spans"}}, sampling={"per_minute": 100_000})
    random, base = Random(1), 1_790_000_000
    try:
        for number in range(480):
            # The last ten seconds of four times ten: half of the prompts are about something new, in the same words.
            about = 7 if number >= 360 and random.random() < 0.5 else random.randrange(3)
            request = ExportTraceServiceRequest()
            end = base * 10**9 + number * 10**9 // 12
            span = request.resource_spans.add().scope_spans.add().spans.add(
                trace_id=random.randbytes(16), span_id=random.randbytes(8), name="chat",
                start_time_unix_nano=end - 10**8, end_time_unix_nano=end,
            )  # fmt: skip
            for key, text in {
                "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.model": "v1",
                "gen_ai.input.messages": json.dumps([{"role": "user", "content": f"prompt {number % 120}"}]),
                "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": "ok."}]),
                "telltale.embedding.model": "e",
            }.items():  # fmt: skip
                span.attributes.add(key=key).value.string_value = text
            values = span.attributes.add(key="telltale.embedding.prompt").value.array_value.values
            for one in numbers(random, about):
                values.add().double_value = one
            body = request.SerializeToString()
            batch = here.receiver.ingest(ExportRequest("traces", body, "", "application/x-protobuf", ""), None)
            here.receiver.finish(batch, "traces")
        before = judged(here.store, base + 32.0)
        assert states(before["prompt"]) == {"ok"}, before["prompt"]
        after = judged(here.store, base + 45.0)
        assert "suspect" in states(after["prompt"]), after["prompt"]
        # Nobody sent vectors of responses: nothing is said about those, and why.
        assert states(after["response"]) == {"not_enough_data"}
        assert reasons(after["response"]) == {"0 of 120 responses came with vectors of one model, 90% needed"}
    finally:
        here.store.close()


def test_texts_without_a_vector_are_named_with_their_share_and_later_windows_are_judged(store: Store) -> None:
    for begin, without in ((0.0, 0.05), (10.0, 0.05), (20.0, 0.4), (30.0, 0.05)):
        fill(store, begin, without=without)
    found = judged(store, 32.0)["prompt"]
    assert states(found) == {"not_enough_data"}
    assert all(
        reason.endswith("of 120 prompts came with vectors of one model, 90% needed") for reason in reasons(found)
    )
    assert states(judged(store, 42.0)["prompt"]) == {"ok"}


def test_vectors_of_another_model_are_no_drift_but_cannot_be_compared(store: Store) -> None:
    for begin in (0.0, 10.0, 20.0):
        fill(store, begin)
    fill(store, 30.0, model="f")
    assert states(judged(store, 32.0)["prompt"]) == {"ok"}
    found = judged(store, 42.0)["prompt"]
    assert states(found) == {"not_enough_data"}
    assert reasons(found) == {"vectors of two models: spans 8 f here, spans 8 e in the reference"}
    with store.read() as connection:
        assert max(score.window_end for score in scores.load(connection) if score.monitor == "topics") == 30.0


def test_a_reference_without_vectors_is_named_and_stops_no_other_monitor(store: Store) -> None:
    for begin, without in ((0.0, 1.0), (10.0, 1.0), (20.0, 0.0)):
        fill(store, begin, without=without)
    found = judged(store, 32.0)["prompt"]
    assert states(found) == {"not_enough_data"}
    assert reasons(found) == {"the reference has 0 prompts with vectors, 40 needed"}
    with store.read() as connection:
        assert "tokens" in {score.monitor for score in scores.load(connection)}
