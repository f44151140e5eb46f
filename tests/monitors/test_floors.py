"""What is large enough to matter is asked of the right thing: texts that carry new words, the share of refusals."""

from __future__ import annotations

from random import Random

import pytest

from monitors.judgement import is_hit
from monitors.monitor import Monitor, Terms
from monitors.refusal_rate import RefusalRate
from monitors.rows import Comparison, Rows, side
from monitors.tokens import Tokens
from monitors.votes import Votes
from telltale.evidence.scores import ShareChanges
from telltale.records import Score, Series

TERMS = Terms(50, 0.01)
ANSWERS = ("Open the settings and choose the plan.", "The refund was sent yesterday.", "Your order leaves today.")
REFUSALS = (
    "I\u2019m sorry, but I can\u2019t help with that.",
    "죄송합니다. 도와드릴 수 없습니다.",
    "很抱歉,我无法回答。",
)
KNOWN = [f"known{number}" for number in range(40)]
NEW = [f"novel{number}" for number in range(5)]


def judge(monitor: Monitor, current: list[str], reference: list[str]) -> Score:
    sides = [
        side(rows, monitor.describe(rows, "response"))
        for rows in (
            Rows(
                ids=tuple(range(len(texts))),
                groups=tuple(map(str, range(len(texts)))),
                weights=(1.0,) * len(texts),
                texts={"response": tuple(texts)},
            )
            for texts in (current, reference)
        )
    ]
    (score,) = monitor.judge(Comparison(Series("m", "v"), "calls", "response", 0.0, 10.0, *sides))
    return score


def answers(refused: float, count: int, random: Random) -> list[str]:
    return [random.choice(REFUSALS if random.random() < refused else ANSWERS) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_five_times_as_many_refusals_are_found_in_any_language(seed: int) -> None:
    random = Random(seed)
    score = judge(RefusalRate(TERMS), answers(0.05, 500, random), answers(0.01, 1000, random))
    assert is_hit(score)
    assert isinstance(score.details.finding, ShareChanges)
    (change,) = score.details.finding.shares
    assert change.current_share > change.reference_share
    assert change.z > 0


def test_refusals_as_before_are_silent() -> None:
    random = Random(7)
    hits = sum(
        is_hit(judge(RefusalRate(TERMS), answers(0.02, 200, random), answers(0.02, 500, random))) for _ in range(60)
    )
    # At 1 %, more than 4 of 60 come once in two thousand times.
    assert hits <= 4


def test_nothing_refused_at_all_is_no_change() -> None:
    score = judge(RefusalRate(TERMS), list(ANSWERS) * 20, list(ANSWERS) * 20)
    assert (score.state, score.p_value) == ("ok", 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_many_rare_new_words_matter_together(seed: int) -> None:
    """Each is in two texts of a hundred, which was too few for every one of them: a tenth of the texts has one."""
    random = Random(seed)

    def text(new: float) -> str:
        said = random.choice(NEW) if random.random() < new else random.choice(KNOWN)
        return f"{said} {random.choice(KNOWN)}"

    score = judge(Tokens(TERMS), [text(0.1) for _ in range(500)], [text(0.0) for _ in range(1000)])
    assert is_hit(score)


def test_a_rise_of_five_points_is_found_in_nearly_every_window_of_many_votes() -> None:
    """Five points more of many votes: a floor of five points would see it in every other window."""
    random, hits = Random(3), 0
    monitor = Votes(TERMS)
    for _ in range(40):
        now, before = (
            Rows(
                ids=tuple(range(count)),
                groups=tuple(map(str, range(count))),
                weights=(1.0,) * count,
                votes=tuple([int(random.random() < share) for _ in range(count)]),
            )
            for share, count in ((0.15, 2000), (0.1, 2000))
        )
        sides = (side(rows, monitor.describe(rows, "feedback")) for rows in (now, before))
        score, _ = monitor.judge(Comparison(Series("m", "v"), "votes", "feedback", 0.0, 10.0, *sides))
        hits += is_hit(score)
    assert hits >= 38
