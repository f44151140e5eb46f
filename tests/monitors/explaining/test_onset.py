"""When a change began: found within its interval at the stated rate, and not known where nothing began."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.explaining.onset import onset
from telltale.evidence.explanation import Onset, Unit

ROWS = 400
REPEATS = 60


def found(
    seed: int, begins: int, before: float, after: float, largest: int, unit: Unit = "percent", rises: bool = True
) -> tuple[Onset | None, float]:
    """What is found in rows of conversations of up to `largest` that mostly agree, and when it began in truth."""
    random = np.random.default_rng([seed, begins, largest])
    values: list[float] = []
    groups: list[str] = []

    def one(level: float) -> float:
        return float(random.random() < level) if unit == "percent" else float(random.lognormal(level, 1.0))

    while len(values) < ROWS:
        level = after if len(values) >= begins else before
        said, conversation = one(level), f"c{len(groups)}"
        for _ in range(int(random.integers(1, largest + 1))):
            values.append(said if random.random() < 0.8 else one(level))
            groups.append(conversation)
    times = np.sort(random.uniform(0, 3600, ROWS)).tolist()
    told = onset(np.array(values[:ROWS]), times, groups[:ROWS], np.ones(ROWS), unit, rises, seed)
    return told, times[min(begins, ROWS - 1)]


@pytest.mark.parametrize(
    ("begins", "before", "after", "largest", "unit"),
    [(200, 0.01, 0.2, 1, "percent"), (280, 0.05, 0.45, 4, "percent"), (130, 1.0, 2.0, 3, "number")],
)
def test_the_beginning_lies_in_its_interval_as_often_as_is_said(
    begins: int, before: float, after: float, largest: int, unit: Unit
) -> None:
    told = [found(seed, begins, before, after, largest, unit) for seed in range(1000, 1000 + REPEATS)]
    known = [(one, truth) for one, truth in told if one is not None]
    assert len(known) >= 0.85 * REPEATS
    inside = sum(one.earliest <= truth <= one.latest for one, truth in known)
    # Of 60 with 95 % each, fewer than 52 are there once in 500 times.
    assert inside >= 0.865 * len(known)
    assert float(np.median([one.latest - one.earliest for one, _ in known])) < 1200


@pytest.mark.parametrize(("level", "largest", "unit"), [(0.05, 1, "percent"), (0.1, 5, "percent"), (1.0, 4, "number")])
def test_where_nothing_began_no_time_is_made_up(level: float, largest: int, unit: Unit) -> None:
    told = [found(seed, ROWS, level, level, largest, unit)[0] for seed in range(2000, 2000 + REPEATS)]
    # One in a hundred is allowed, half of which rises: of 60, more than 3 are there once in 4,000 times.
    assert sum(one is not None for one in told) <= 3


def test_a_fall_is_not_the_beginning_of_a_rise() -> None:
    assert found(1, 200, 0.4, 0.02, 1, rises=True)[0] is None
    assert found(1, 200, 0.4, 0.02, 1, rises=False)[0] is not None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.integers(0, 5), st.integers(0, 30)), max_size=60),
    st.sampled_from(["percent", "number"]),
)
def test_any_rows_give_a_time_among_them_or_none(rows: list[tuple[float, int, int]], unit: Unit) -> None:
    times = sorted(float(at) for _, at, _ in rows)
    groups = [str(group) for _, _, group in rows]
    told = onset(np.array([value for value, _, _ in rows]), times, groups, np.ones(len(rows)), unit, True, 0)
    if told is not None:
        assert times[0] <= told.earliest <= told.at <= told.latest <= times[-1]
