"""References: described once, known to newer monitors too, with a factor for each feature; the same hours compared."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from monitors import references
from monitors.descriptors import NAMES, Descriptors
from monitors.monitor import Terms
from monitors.rows import Comparison, Rows, side
from monitors.tokens import Tokens
from monitors.votes import Votes
from telltale.cli.demo import texts
from telltale.records import Series
from telltale.store.references import Reference

TERMS = Terms(40, 0.01)
MONITORS = [kind(TERMS) for kind in (Tokens, Descriptors, Votes)]
HOUR = 3600.0


def rows(count: int, seed: int = 1, *, shout_from: int | None = None) -> Rows:
    random = Random(seed)
    prompts = [texts.prompt(texts.SUPPORT, random) for _ in range(count)]
    if shout_from is not None:
        # One habit of the traffic itself comes and goes.
        prompts = [f"{text} Ticket 4711" if n >= shout_from else text for n, text in enumerate(prompts)]
    return Rows(
        ids=tuple(range(1, count + 1)),
        times=tuple((n + 0.5) * HOUR for n in range(count)),
        groups=tuple(map(str, range(count))),
        weights=(1.0,) * count,
        texts={"prompt": tuple(prompts), "response": tuple("" if n % 10 else None for n in range(count))},
    )


def freeze(found: Rows, monitors: list[Tokens | Descriptors | Votes] = MONITORS) -> Reference:
    return references.freeze(Series("m", "v"), "calls", found, 0.0, 1e6, 1e6, monitors=monitors, least=40)


def test_what_is_stored_of_a_reference_judges_as_its_rows_do() -> None:
    found, current = rows(200), rows(80, seed=2)
    reference = freeze(found)
    for monitor in MONITORS[:2]:
        known = references.learned(reference, monitor, "prompt")
        assert known is not None
        now = side(current, monitor.describe(current, "prompt"))
        direct = side(found, monitor.describe(found, "prompt"))
        stored, fresh = (
            monitor.judge(Comparison(Series("m", "v"), "calls", "prompt", 0.0, 1.0, now, before, known.factors))
            for before in (known.side, direct)
        )
        assert stored == fresh


def test_the_rows_themselves_come_back() -> None:
    found = rows(60)
    assert references.rows(freeze(found)) == found


def test_a_direction_has_the_rows_that_tell_anything_of_it() -> None:
    reference = freeze(rows(100))
    known = references.learned(reference, MONITORS[1], "response")
    assert known is not None
    assert len(known.side) == 90, "an empty answer is a row, an unknown one is not"


def test_a_monitor_that_is_newer_than_the_reference_learns_it() -> None:
    reference = freeze(rows(100), MONITORS[:1])
    assert references.learned(reference, MONITORS[1], "prompt") is None
    again = references.known_to(replace(reference, id=1), MONITORS, MONITORS, 40)
    known = references.learned(again, MONITORS[1], "prompt")
    assert known is not None
    assert known.side.features["values"].shape == (100, len(NAMES))


def test_a_restless_feature_has_a_factor_and_the_others_have_none() -> None:
    """One habit that comes and goes raised the threshold of everything, once."""
    reference = freeze(rows(400, shout_from=300))
    known = references.learned(reference, MONITORS[0], "prompt")
    assert known is not None
    assert {name for name, factor in known.factors.items() if factor > 1.5 and name} == {"ticket", "4711"}
    restless = reference.checks["restless"]
    assert isinstance(restless, dict)
    assert "4711" in restless["tokens prompt"]


def test_traffic_that_keeps_still_has_no_factors_worth_the_name() -> None:
    known = references.learned(freeze(rows(400)), MONITORS[0], "prompt")
    assert known is not None
    assert max(known.factors.values(), default=1.0) < 1.3


@pytest.mark.parametrize(("season", "hours"), [("none", 480), ("day", 60), ("week", 9), ("auto", 480)])
def test_the_same_hours_are_compared_where_there_are_enough(season: str, hours: int) -> None:
    """480 rows, one an hour: 20 days. A window from 12 to 13 h is compared with 11 to 14 h of other days."""
    known = references.learned(freeze(rows(480)), MONITORS[1], "prompt")
    assert known is not None
    start = (21 * 24 + 12) * HOUR
    found = references.in_season(known, MONITORS[1], start, start + HOUR, season, 5, 5)
    assert len(found.side) == hours
    if season == "day":
        assert set(found.times / HOUR % 24) == {11.5, 12.5, 13.5}
    assert np.isclose(found.side.weights.mean(), 1.0)


def test_of_too_few_rows_of_the_same_hours_all_are_taken() -> None:
    known = references.learned(freeze(rows(480)), MONITORS[1], "prompt")
    assert known is not None
    assert references.in_season(known, MONITORS[1], 0.0, HOUR, "week", 200, 300) == known
