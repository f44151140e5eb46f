"""The rate of false alarms, as the monitors' own references tell it; and one window that is enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import monitors
from monitors import references as making
from monitors import unchanged
from monitors.monitor import Terms
from monitors.null_rates import DAY_S, NullRates
from monitors.persistence import derive_state
from monitors.rows import Comparison, Rows
from monitors.tokens import Tokens
from monitors.unchanged import DRAWS, Tally
from telltale.cli.demo import texts
from telltale.metrics import Metrics
from telltale.records import Score, Series
from telltale.settings import Settings
from telltale.store import Store, open_store, references
from telltale.store.references import Reference


class Restless(Tokens):
    """Finds a change everywhere."""

    def judge(self, comparison: Comparison) -> list[Score]:
        return [replace(one, effect=9.0, threshold=4.0) for one in super().judge(comparison)]


def reference() -> Reference:
    """Of conversations of six prompts on one thing."""
    random, prompts, names = Random(7), list[str](), list[str]()
    for number in range(120):
        topic = random.choice(texts.SUPPORT)
        one = replace(topic, things=(random.choice(topic.things),), deeds=(random.choice(topic.deeds),))
        prompts += [texts.prompt([one], random) for _ in range(6)]
        names += [str(number)] * 6
    count = len(prompts)
    rows = Rows(
        ids=tuple(range(count)), times=tuple(map(float, range(count))), groups=tuple(names), weights=(1.0,) * count,
        texts={"prompt": tuple(prompts), "response": (None,) * count},
    )  # fmt: skip
    return making.freeze(
        Series("m", "v"), "calls", rows, 0.0, 720.0, 720.0, monitors=[Tokens(Terms(50, 0.01))], least=50
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def test_parts_of_a_reference_are_rarely_taken_for_changed_and_a_faulty_monitor_shows() -> None:
    found = unchanged.judge(reference(), [Tokens(Terms(50, 0.01))], 200, 3)
    assert found.windows["tokens"] == DRAWS
    assert (found.ratio("tokens") or 0.0) <= 0.1
    assert found.windows[unchanged.FAMILY] == DRAWS
    assert found.ratio("descriptors") is None
    assert unchanged.judge(reference(), [Restless(Terms(50, 0.01))], 200, 3).ratio("tokens") == 1.0
    both = unchanged.judge(reference(), [Tokens(Terms(50, 0.01)), Restless(Terms(50, 0.01))], 200, 3)
    assert (both.windows[unchanged.FAMILY], both.alarms[unchanged.FAMILY]) == (DRAWS, DRAWS), "one alarm is one"


def test_a_reference_of_few_groups_is_not_judged() -> None:
    assert unchanged.judge(replace(reference(), features=None), [Tokens(Terms(50, 0.01))], 200, 3).windows.total() == 0


def test_each_reference_is_looked_at_once_a_day_and_a_fault_ends_nothing(store: Store) -> None:
    kept = [
        store.write(lambda c, name=name: references.freeze(c, replace(reference(), model=name)))  # type: ignore[misc]
        for name in ("a", "b")
    ]
    looked: list[int] = []
    tally = Tally()
    tally.windows["tokens"], tally.alarms["tokens"] = 10, 1

    def judge(number: int) -> Tally:
        looked.append(number)
        if number == kept[1].id:
            raise ZeroDivisionError
        return tally

    registry = CollectorRegistry()
    rates = NullRates(store, judge, Metrics(registry))
    for second in range(5):
        rates.step(1e6 + second)
    assert sorted(looked) == [kept[0].id, kept[1].id]
    rates.step(1e6 + DAY_S + 10)
    assert len(looked) == 3
    page = generate_latest(registry).decode()
    assert 'telltale_monitor_null_alarm_ratio{monitor="tokens"} 0.1' in page
    # What was never judged has no rate.
    assert 'telltale_monitor_null_alarm_ratio{monitor="feedback"}' not in page


def test_the_command_prints_each_monitor_with_what_it_is_allowed(store: Store) -> None:
    shown: list[float] = []
    assert monitors.calibrate(Settings(), store, None, lambda what, share: shown.append(share)) == ["no references yet"]
    store.write(lambda c: references.freeze(c, reference()))
    lines = monitors.calibrate(Settings(), store, "m", lambda what, share: shown.append(share))
    tokens = next(line for line in lines if line.startswith("tokens"))
    assert tokens.split()[1:4] == ["10", "0", "0.00%"]
    assert lines[-1].split()[:6] == ["any", "of", "them", "10", "0", "0.00%"]
    assert lines[-1].endswith("5.00%")
    assert shown == [0.0]


def score(effect: float, threshold: float = 4.0) -> Score:
    return Score(
        monitor="tokens", signal="max_t", direction="prompt", model="m", version="v", window_start=0.0,
        window_end=10.0, samples=50, state="ok", effect=effect, threshold=threshold, p_value=0.005,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("effect", "threshold", "state"), [(8.0, 4.0, "alert"), (7.9, 4.0, "suspect"), (4.0, 4.0, "ok"), (0.0, 0.0, "ok")]
)
def test_one_window_is_enough_for_a_change_of_twice_the_threshold(effect: float, threshold: float, state: str) -> None:
    found = derive_state(score(effect, threshold), [], 3, 4)
    assert found.state == state
    assert found.details.persistence is not None
    assert found.details.persistence.at_once == (state == "alert")
