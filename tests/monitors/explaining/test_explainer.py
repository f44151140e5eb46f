"""Explanations of a run: only of what shows a change, within a bounded time, and never at the cost of a score."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from monitors import explainer as module
from monitors import references
from monitors.activity import Activity
from monitors.explainer import Explainer
from monitors.judging import Judgement
from monitors.mark import Mark
from monitors.monitor import Monitor, Terms
from monitors.refusal_rate import RefusalRate
from monitors.rows import Comparison, Rows
from monitors.run import Run
from monitors.vectors import Vectors
from telltale.records import Score, Series
from telltale.settings import Monitor as Settings
from telltale.store import Store, open_store

SERIES = Series("m", "v")
START, HOUR = 1_796_050_800.0, 3600.0
SECRET = "what nobody may read"


class Failing(RefusalRate):
    """Its marks fail, with a message that holds what people wrote."""

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        raise ValueError(SECRET)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def rows(count: int, refused: int, start: float) -> Rows:
    texts = tuple("I'm sorry, but I can't help with that." if place < refused else "Sure." for place in range(count))
    return Rows(
        ids=tuple(range(count)),
        times=tuple(start + place for place in range(count)),
        groups=tuple(map(str, range(count))),
        weights=(1.0,) * count,
        texts={"response": texts},
        attributes=({},) * count,
    )


def score(effect: float) -> Score:
    return Score(
        "refusals", "share", "response", "m", "v", START, START + HOUR, 100, "suspect", effect, 4.0, since=START
    )


def explained(store: Store, monitor: Monitor, *judged: Score) -> list[Score]:
    """The scores as they are stored after a run has had its time for explanations."""
    reference = references.freeze(
        SERIES, "calls", rows(200, 2, START - 9 * HOUR), START - 9 * HOUR, START - 8 * HOUR, START,
        monitors=[monitor], least=20, id=1,
    )  # fmt: skip
    made = {monitor: Judgement(scores=list(judged))}
    run = Run(START + HOUR, START + HOUR, {}, {})
    own = Explainer(store, Settings(), Vectors(store, None, 0.0))
    own.begin()
    own.explain(
        Activity((), 10, HOUR, 0.0), SERIES, "calls", rows(100, 30, START), reference, made, {monitor: []},
        {monitor.name: 20}, run,
    )  # fmt: skip
    return made[monitor].scores


def test_what_shows_a_change_is_explained_and_what_is_quiet_is_not(store: Store) -> None:
    loud, quiet = explained(store, RefusalRate.of(Terms(20, 0.01)), score(9.0), score(3.0))
    told = loud.details.explanation
    assert told is not None
    assert "about 30 % of the responses" in told.sentence
    assert "refuse to answer" in told.sentence
    assert quiet.details.explanation is None


def test_a_score_that_cannot_be_explained_stays_and_what_people_wrote_is_in_no_log(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert explained(store, Failing.of(Terms(20, 0.01)), score(9.0)) == [score(9.0)]
    assert "an explanation of refusals" in caplog.text
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text


def test_a_run_whose_time_is_over_explains_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PER_RUN_S", 0.0)
    assert explained(store, RefusalRate.of(Terms(20, 0.01)), score(9.0)) == [score(9.0)]
