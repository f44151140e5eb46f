"""Clocks that are ahead for a while: the monitors judge again once they are right, and call nothing well before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support.reports import no_report

from monitors.runs import Runs
from telltale.records import Sample
from telltale.settings import Monitor as MonitorSettings
from telltale.store import Store, open_store, samples, series_states

KEPT = 1e9
DAY_S = 86400.0
BEGIN = 10 * DAY_S
WINDOW_S = 10.0
SETTINGS = MonitorSettings(
    window=WINDOW_S, min_rows=40, reference_rows=120, reference_span=0.0, min_votes=15, reference_votes=40,
    alpha=0.001, persistence=(2, 3),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def fill(store: Store, begin: float, seconds: int, *, bad: bool = False) -> None:
    random = Random(begin)
    words = ["fine", "soon", "today", "five", "euros", "days"]
    rows = []
    for number in range(seconds * 12):
        said = " ".join(random.choices([*words, "volcano", "lava"] if bad else words, k=9))
        trace = f"{random.getrandbits(128):032x}"
        at = begin + number / 12
        rows.append(Sample(trace, "b" * 16, at, "t", "m", "v1", "client", "chat", "ok", f"{trace} {said}", said, 1.0))
    store.write(lambda c: samples.save(c, rows, now=begin))


def state_now(store: Store) -> set[str]:
    with store.read() as connection:
        return {one.state for one in series_states.load(connection) if one.monitor == "tokens"}


def live(store: Store, runs: Runs, begin: float, seconds: int, *, bad: bool = False, offset: float = 0.0) -> None:
    """Traffic and runs, both by the clock, which is that far ahead."""
    for at in range(0, seconds, 10):
        fill(store, begin + offset + at, 10, bad=bad)
        runs.run(begin + offset + at + 10 + 2.5)


@pytest.fixture
def runs(store: Store) -> Iterator[Runs]:
    made = Runs(store, SETTINGS, no_report, KEPT)
    live(store, made, BEGIN, 60)
    assert state_now(store) == {"ok"}
    yield made
    made.close()


@pytest.mark.parametrize("again", [False, True])
def test_a_day_ahead_with_the_traffic_and_back_blinds_nobody(store: Store, runs: Runs, again: bool) -> None:
    live(store, runs, BEGIN + 60, 40, offset=DAY_S)
    now = BEGIN + 100
    if again:
        runs = Runs(store, SETTINGS, no_report, KEPT)
    runs.run(now)
    assert "ok" not in state_now(store)
    live(store, runs, now, 60, bad=True)
    assert state_now(store) & {"alert"}


def test_a_day_ahead_of_the_traffic_and_back_blinds_nobody(store: Store, runs: Runs) -> None:
    now = BEGIN + 60
    for at in range(0, 40, 10):
        fill(store, now + at, 10)
        runs.run(now + at + 12.5 + DAY_S)
    live(store, runs, now + 40, 60, bad=True)
    assert state_now(store) & {"alert"}


def test_an_hour_back_is_judged_again_within_its_windows(store: Store, runs: Runs) -> None:
    live(store, runs, BEGIN + 60 - 3600, 60, bad=True)
    assert state_now(store) & {"alert"}


def test_what_a_sender_writes_a_day_ahead_blinds_nobody(store: Store, runs: Runs) -> None:
    fill(store, BEGIN + 60 + DAY_S, 10)
    live(store, runs, BEGIN + 60, 60, bad=True)
    assert state_now(store) & {"alert"}
