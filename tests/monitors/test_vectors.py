"""Vectors are made once, as long as a run may take, and what is missing is said; a window without them is not lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from support.reports import no_report

from monitors import embedders
from monitors.embedders import NoVectors
from monitors.rows import Rows
from monitors.runs import Runs
from monitors.vectors import AT_ONCE, Vectors
from telltale.cli.demo import texts
from telltale.records import Sample
from telltale.settings import Monitor as MonitorSettings
from telltale.store import Store, open_store, samples, scores, series_states


class Lengths:
    """A vector for each text that depends on its words alone; counts the texts, and fails where it is told to."""

    space = "words by hash"

    def __init__(self) -> None:
        self.made: list[str] = []
        self.fails = False

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.fails:
            raise NoVectors("nobody there")
        self.made += texts
        found = np.zeros((len(texts), 32), np.float32)
        for place, text in enumerate(texts):
            for word in set(text.lower().split()):
                found[place, hashlib.sha256(word.encode()).digest()[0] % 32] += 1
        return found

    def close(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def rows(count: int) -> Rows:
    prompts = tuple(f"prompt {number}" for number in range(count))
    return Rows(ids=tuple(range(1, count + 1)), texts={"prompt": (*prompts[:-1], None), "response": (None,) * count})


def fill(store: Store, begin: float, seconds: int, *, new: float = 0.0, seed: int = 0) -> None:
    random, found = Random(seed + int(begin)), []
    for number in range(seconds * 12):
        topics = texts.NEW_PRODUCT if random.random() < new else texts.SUPPORT
        trace, at = f"{random.getrandbits(128):032x}", begin + number / 12
        prompt = texts.prompt(topics, random)
        found.append(Sample(trace, "b" * 16, at, "t", "m", "v1", "client", "chat", "ok", prompt, "ok.", 1.0))
    store.write(lambda c: samples.save(c, found, now=begin))


def test_each_text_is_placed_once_also_by_the_next_process(store: Store) -> None:
    fill(store, 0.0, 5)
    with store.read() as connection:
        ids = [one.id or 0 for one in samples.load(connection)]
    many = Rows(ids=tuple(ids), texts={"prompt": tuple(f"text {number % 50}" for number in ids)})
    first, second = Lengths(), Lengths()

    for embedder in (first, second):
        made = Vectors(store, embedder, 60.0)
        made.begin()
        assert made.make(many) == ""
        assert made.make(many) == ""
        assert made.added(many).vectors["prompt"].shape == (60, 32)

    assert len(first.made) == 50
    assert second.made == []


def test_a_run_whose_time_is_over_says_what_is_missing_and_the_next_goes_on(store: Store) -> None:
    embedder = Lengths()
    made = Vectors(store, embedder, 60.0)
    # No run has begun: there is no time.
    assert made.make(rows(100)) == "0 of 99 prompts have vectors"
    made.begin()
    embedder.fails = True
    assert made.make(rows(100)) == "no vectors: nobody there"
    embedder.fails = False
    assert made.make(rows(100)) == ""
    assert len(embedder.made) == 99
    assert made.added(rows(100)).vectors["prompt"][-1].tolist() == [0.0] * 32
    assert AT_ONCE < 99


def test_a_window_waits_for_its_vectors_and_the_other_monitors_do_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Lengths()
    monkeypatch.setattr(embedders, "chosen", lambda settings: embedder)
    settings = MonitorSettings(
        window=10.0, min_rows=40, reference_rows=120, reference_span=0.0, min_votes=15, reference_votes=40, alpha=0.01,
    )  # fmt: skip
    fill(store, 0.0, 20)
    fill(store, 20.0, 10, new=0.5)
    runs = Runs(store, settings, no_report, 1e9)
    try:
        embedder.fails = True
        runs.run(35.0)
        with store.read() as connection:
            judged = {score.monitor for score in scores.load(connection)}
            waiting = {one.reason for one in series_states.load(connection) if one.monitor == "topics"}
        assert "tokens" in judged
        assert "topics" not in judged
        assert waiting == {"no vectors: nobody there"}
        assert not runs.failed

        embedder.fails = False
        runs.run(35.5)
        with store.read() as connection:
            found = [score for score in scores.load(connection) if score.monitor == "topics"]
        newest = {score.signal: score.state for score in found if score.direction == "prompt"}
        assert "suspect" in newest.values(), newest
        made = len(embedder.made)
        runs.run(36.0)
        assert len(embedder.made) == made
    finally:
        runs.close()


class Changing(Lengths):
    """Answers vectors of another length from some moment on."""

    length = 32

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return super().embed(texts)[:, : self.length]


def test_vectors_of_another_length_are_said_and_stop_no_other_monitor(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Changing()
    monkeypatch.setattr(embedders, "chosen", lambda settings: embedder)
    settings = MonitorSettings(
        window=10.0, min_rows=40, reference_rows=120, reference_span=0.0, min_votes=15, reference_votes=40, alpha=0.01,
    )  # fmt: skip
    fill(store, 0.0, 40)
    runs = Runs(store, settings, no_report, 1e9)
    try:
        runs.run(25.0)
        embedder.length = 16
        runs.run(55.0)
        with store.read() as connection:
            ends = {score.window_end for score in scores.load(connection) if score.monitor == "tokens"}
            waiting = {one.reason for one in series_states.load(connection) if one.monitor == "topics"}
        assert not runs.failed
        assert max(ends) == 40.0
        assert any("no vectors: they have 16 numbers, and those made before 32" in (why or "") for why in waiting)
    finally:
        runs.close()


def test_what_a_window_needs_is_not_forgotten_for_what_it_needs_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitors.vectors.MOST_KEPT", 50)
    made = Vectors(store, Lengths(), 60.0)
    made.begin()
    early, more = rows(30), rows(45)
    assert made.make(early) == ""
    later = replace(more, texts={"prompt": tuple(f"other {n}" for n in range(45))})
    assert made.make(later) == ""
    both = replace(more, texts={"prompt": (*later.texts["prompt"][:20], *more.texts["prompt"][20:])})
    assert made.make(both) == ""
    assert len(made.added(both).vectors["prompt"]) == 45

    many = rows(80)
    assert made.make(many) == ""
    assert len(made.added(many).vectors["prompt"]) == 80


def test_vectors_longer_than_a_short_float_takes_keep_their_direction(store: Store) -> None:
    class Long(Lengths):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.tile(np.array([3e6, 4e6], np.float32), (len(texts), 1))

    made = Vectors(store, Long(), 60.0)
    made.begin()
    assert made.make(rows(3)) == ""
    assert made.added(rows(3)).vectors["prompt"][0].tolist() == pytest.approx([0.6, 0.8], abs=1e-3)
