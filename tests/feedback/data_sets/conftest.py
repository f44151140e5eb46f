"""A store with calls and feedback on them, by number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.data_sets import START, trace

from telltale.records import Feedback, Sample
from telltale.settings import Settings
from telltale.store import Store, feedback


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # The store fixture keeps its file where these settings look for it.
    return Settings(data_dir=tmp_path)


@pytest.fixture
def say(store: Store) -> Callable[..., None]:
    """`say(number, kind="thumb", value=1.0, …)`: feedback on the call of that number."""
    numbers = iter(range(10**6))

    def add(call: int, **fields: Any) -> None:
        values = {
            "received_at": START,
            "tenant": "shop",
            "trace_id": trace(call),
            "span_id": None,
            "kind": "thumb",
            "name": "helpful",
            "value": 1.0,
            "source": "user",
            "idempotency_key": f"k-{next(numbers)}",
            "subject": "a",
        } | fields
        if values["kind"] not in ("thumb", "rating"):
            values["value"] = None
        store.write(lambda connection: feedback.append(connection, Feedback(**values), "0" * 64))

    return add


@pytest.fixture
def call(make_sample: Callable[..., Sample]) -> Callable[..., Sample]:
    """`call(number, …)`: the sample of the call of that number, one a second."""

    def make(number: int, **fields: Any) -> Sample:
        values = {"observed_at": START + number, "prompt": f"question {number}", "response": f"answer {number}"}
        return make_sample(trace(number), **(values | fields))

    return make
