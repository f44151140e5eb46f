"""Traffic that differs by the hour: it is compared with the same hours, by itself, and only where it does."""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
import pytest

from monitors import judging, references, seasons
from monitors.monitor import Terms
from monitors.rows import Rows, side
from monitors.tokens import Tokens
from monitors.topics import Topics
from telltale.records import Score, Series
from telltale.store.references import Reference

HOUR, DAY = 3600.0, 86400.0
MONDAY = 4 * DAY
SERIES = Series("m", "v")
TOKENS = Tokens(Terms(100, 0.00625))
WORDS = [[f"t{topic}w{number}" for number in range(30)] for topic in range(3)]
PERSISTENCE = 3, 4


def text(topic: int, random: Random) -> str:
    return " ".join([*random.sample(WORDS[topic], 5), *random.choices(["please", "could", "you", "tell", "me"], k=3)])


def is_day(at: float) -> bool:
    return 8 <= at / HOUR % 24 < 20


def traffic(begin: float, hours: int, each: int, random: Random, *, new: float = 0.0, day: float = 0.7) -> Rows:
    """Of two topics: 70:30 by day, 30:70 at night; and a share of a third one."""
    times = [begin + (place + 0.5) / each * HOUR for place in range(hours * each)]
    texts = []
    for at in times:
        share = day if is_day(at) else 1 - day
        texts.append(text(2 if random.random() < new else int(random.random() >= share), random))
    count = len(times)
    return Rows(tuple(range(count)), tuple(times), tuple(map(str, range(count))), (1.0,) * count,
                {"prompt": tuple(texts), "response": (None,) * count})  # fmt: skip


@cache
def reference(day: float = 0.7) -> Reference:
    rows = traffic(MONDAY, 72, 28, Random(41), day=day)
    return references.freeze(
        SERIES, "calls", rows, MONDAY, MONDAY + 3 * DAY, MONDAY + 3 * DAY, monitors=[TOKENS], least=100, id=1
    )


def week(season: str, new: float = 0.0, days: int = 7) -> list[Score]:
    """The scores of windows of six hours."""
    random, scores = Random(42), list[Score]()
    for number in range(4 * days):
        begin = MONDAY + 3 * DAY + number * 6 * HOUR
        rows = traffic(begin, 6, 50, random, new=new)
        made = judging.judge(
            TOKENS,
            100,
            SERIES,
            "calls",
            begin,
            begin + 6 * HOUR,
            rows,
            reference(),
            season,
            scores,
            PERSISTENCE,
        )
        scores += made.scores
    return scores


def test_day_and_night_are_no_drift_all_week() -> None:
    assert "alert" not in {score.state for score in week("auto")}
    assert "alert" in {score.state for score in week("none")}, "compared with all hours, it would be one"


def test_a_new_topic_by_day_is_found_though_night_is_different() -> None:
    assert [score.state for score in week("auto", new=0.1, days=1)].count("alert") >= 1


def test_what_is_the_same_at_all_hours_has_no_season() -> None:
    learned = [references.learned(reference(day), TOKENS, "prompt") for day in (0.7, 0.5)]
    assert [one.season if one else None for one in learned] == ["day", ""]


def test_days_that_differ_are_no_season() -> None:
    """One topic's share is another one each hour, whatever the hour."""
    random, rows = Random(43), list[Rows]()
    for number in range(72):
        rows.append(traffic(MONDAY + number * HOUR, 1, 28, random, day=random.random()))
    texts = tuple(text for one in rows for text in one.texts["prompt"])
    times = tuple(at for one in rows for at in one.times)
    count = len(times)
    whole = Rows(tuple(range(count)), times, tuple(map(str, range(count))), (1.0,) * count, {"prompt": texts})
    described = side(whole, TOKENS.describe(whole, "prompt"))
    assert seasons.found(TOKENS, described, np.array(times), "calls", "prompt") == ""


def test_what_other_hours_know_is_nothing_new() -> None:
    """By night the reference has other texts; a window at night that asks what is asked by day has none that is new."""
    topics = Topics(Terms(100, 0.00625))
    rows = traffic(MONDAY, 72, 28, Random(44), day=1.0)
    known = references.freeze(SERIES, "calls", rows, MONDAY, MONDAY + 3 * DAY, 0.0, monitors=[topics], least=100, id=1)
    learned = references.learned(known, topics, "prompt")
    assert learned is not None
    night = MONDAY + 3 * DAY
    by_day = traffic(night + 10 * HOUR, 6, 50, Random(45), day=1.0)
    scores = judging.judge(
        topics, 100, SERIES, "calls", night, night + 6 * HOUR, by_day, known, "day", [], PERSISTENCE
    ).scores
    assert {score.signal: score.state != "ok" for score in scores}["novelty"] is False
    assert {score.signal: score.state != "ok" for score in scores}["mix"] is True


@pytest.mark.parametrize(("wanted", "hours"), [(3, {11, 12, 13}), (12, {10, 11, 12, 13, 14}), (200, {*range(9, 16)})])
def test_nearby_hours_are_taken_as_far_as_they_are_needed(wanted: int, hours: set[int]) -> None:
    times = np.arange(0.5, 72.0, dtype=np.float64) * HOUR
    places = seasons.same_hours(times, 100 * DAY + 12 * HOUR, 100 * DAY + 13 * HOUR, "day", 3, wanted)
    assert places is not None
    assert set((times[places] // HOUR % 24).astype(int)) == hours
