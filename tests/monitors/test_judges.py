"""The monitors: silent on unchanged traffic, loud on changed, and honest about too little data."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from monitors import votes
from monitors.descriptors import NAMES, Descriptors, describe
from monitors.monitor import Monitor, Terms
from monitors.registry import MONITORS
from monitors.rows import Comparison, Rows
from monitors.rows import side as side_of
from monitors.tokens import Tokens
from monitors.votes import Votes
from telltale.cli.demo import texts
from telltale.evidence.scores import DescriptorChanges, WordChanges
from telltale.records import Score, Series

TEXT_MONITORS = [kind for kind in MONITORS if "prompt" in kind.directions]


Texts = tuple[tuple[str, ...], tuple[str, ...]]


def judge(kind: type[Monitor], window: tuple[Texts, Texts], *, alpha: float, seed: int) -> Score:
    found = compared(kind, window, alpha=alpha, seed=seed)
    assert found
    return found[0]


def compared(kind: type[Monitor], window: tuple[Texts, Texts], *, alpha: float, seed: int) -> list[Score]:
    """Of texts with their conversations, those of the window first."""
    monitor = kind.of(Terms(50, alpha, seed=seed))
    sides = [
        Rows(
            ids=tuple(range(len(texts))),
            groups=groups,
            weights=(1.0,) * len(texts),
            texts={"prompt": texts},
        )
        for texts, groups in window
    ]
    current, reference = (side_of(rows, monitor.describe(rows, "prompt")) for rows in sides)
    return monitor.judge(Comparison(Series("m", "v"), "calls", "prompt", 0.0, 10.0, current, reference))


def judge_votes(window: tuple[Rows, Rows]) -> Score:
    """The window by itself."""
    monitor = Votes(Terms(1, 0.01 / (1 - votes.CUSUM_SHARE)))
    current, reference = (side_of(rows, monitor.describe(rows, "feedback")) for rows in window)
    score, _ = monitor.judge(Comparison(Series("m", "v"), "votes", "feedback", 0.0, 10.0, current, reference))
    return score


def side(
    seed: int, rows: int, *, new: float = 0.0, evasive: float = 0.0, responses: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Texts and their conversations, one to three in each."""
    random, found, groups = Random(seed), [], []
    ordinary = texts.response if responses else texts.prompt
    while len(found) < rows:
        topics = [random.choice(texts.NEW_PRODUCT if random.random() < new else texts.SUPPORT)]
        for _ in range(random.randint(1, 3)):
            write = texts.evasive_response if random.random() < evasive else ordinary
            found.append(write(topics, random))
            groups.append(f"{seed}-{len(found) // 3}")
    return tuple(found[:rows]), tuple(groups[:rows])


def window(current: Texts, reference: Texts) -> tuple[Texts, Texts]:
    return current, reference


@pytest.mark.parametrize("monitor", TEXT_MONITORS)
def test_unchanged_traffic_is_rarely_suspect(monitor: type[Monitor]) -> None:
    """200 windows at 1 %, on seeds that nothing was tuned on: more than 8 would come once in a thousand times."""
    suspects = sum(
        judge(monitor, window(side(900_000 + seed, 100), side(950_000 + seed, 300)), alpha=0.01, seed=seed).state
        == "suspect"
        for seed in range(200)
    )
    assert suspects <= 8


@pytest.mark.parametrize("seed", range(10))
def test_new_topics_are_seen_and_their_words_named(seed: int) -> None:
    score = judge(Tokens, window(side(seed, 150, new=0.5), side(seed + 500, 300)), alpha=0.001, seed=seed)
    assert score.state == "suspect"
    assert score.effect is not None
    assert score.threshold is not None
    assert score.effect > score.threshold
    assert isinstance(score.details.finding, WordChanges)
    words = {change.word for change in score.details.finding.words}
    assert words & {"grid", "energy", "heat", "subsidy", "rooftop", "installer", "thermostat", "panel"}


@pytest.mark.parametrize("seed", range(10))
def test_evasive_responses_are_detected(seed: int) -> None:
    current = side(seed, 150, responses=True, evasive=0.6)
    score = judge(Descriptors, window(current, side(seed + 500, 300, responses=True)), alpha=0.001, seed=seed)
    assert score.state == "suspect"
    assert isinstance(score.details.finding, DescriptorChanges)
    assert {change.name for change in score.details.finding.descriptors} & {"characters", "words", "repetition"}


@pytest.mark.parametrize("monitor", TEXT_MONITORS)
def test_nothing_unusual_is_ever_infinite(monitor: type[Monitor]) -> None:
    """Gauges and JSON show the scores."""
    same = tuple("the same text" for _ in range(60)), tuple(map(str, range(60)))
    score = judge(monitor, window(same, same), alpha=0.01, seed=0)
    assert (score.state, score.effect, score.threshold, score.p_value) == ("ok", 0.0, 0.0, 1.0)


AWKWARD = [
    "",
    " ",
    "\n",
    "?",
    "🙂",
    "가나다",
    "これは長い文です。",
    "a" * 100_000,
    "\u0000",
    "\ud800",
    "1 2 3",
    "```x```",
]


@pytest.mark.parametrize("monitor", TEXT_MONITORS)
def test_awkward_texts_are_judged_without_an_exception(monitor: type[Monitor]) -> None:
    groups = tuple(map(str, range(60)))
    for text in AWKWARD:
        odd, plain = (text,) * 60, tuple(f"plain text number {n}" for n in range(60))
        for current, reference in ((odd, plain), (plain, odd), (odd, odd)):
            found = compared(monitor, window((current, groups), (reference, groups)), alpha=0.01, seed=0)
            assert all(score.state in ("ok", "suspect") for score in found)


@settings(max_examples=200)
@given(st.text(max_size=500))
def test_every_text_has_finite_descriptors(text: str) -> None:
    values = describe(text)
    assert len(values) == len(NAMES)
    assert all(value == value and abs(value) < 1e9 for value in values)


def vote_window(bad: int, total: int, bad_before: int, before: int) -> tuple[Rows, Rows]:
    sides = (bad, total), (bad_before, before)
    current, reference = (
        Rows(
            ids=tuple(range(number)),
            groups=tuple(map(str, range(number))),
            weights=(1.0,) * number,
            votes=(1,) * negative + (0,) * (number - negative),
        )
        for negative, number in sides
    )
    return current, reference


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60))
def test_votes_p_value_is_fishers(bad: int, good: int, bad_before: int, good_before: int) -> None:
    score = judge_votes(vote_window(bad, bad + good, bad_before, bad_before + good_before))
    oracle = fisher_exact([[bad, good], [bad_before, good_before]], alternative="greater")
    assert score.p_value == pytest.approx(oracle.pvalue, abs=1e-9)


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 40), st.integers(1, 40))
def test_votes_alarm_exactly_when_significant_and_large(bad: int, good: int, bad_before: int, good_before: int) -> None:
    score = judge_votes(vote_window(bad, bad + good, bad_before, bad_before + good_before))
    assert score.p_value is not None
    assert score.effect is not None
    assert (score.state == "suspect") == (score.p_value <= 0.01 and score.effect >= votes.MIN_RISE - 1e-12)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_holds_the_share(hits: int, more: int) -> None:
    lower, upper = votes.wilson(hits, hits + more)
    assert 0 <= lower <= hits / (hits + more) <= upper <= 1


def test_votes_false_alarms_stay_under_the_stated_rate() -> None:
    """Fisher's test is conservative: of 2,000 unchanged windows at 1 %, fewer than 1 % alarm."""
    random, alarms = Random(424_242), 0
    for _ in range(2000):
        before = sum(random.random() < 0.1 for _ in range(200))
        now = sum(random.random() < 0.1 for _ in range(60))
        alarms += judge_votes(vote_window(now, 60, before, 200)).state == "suspect"
    assert alarms < 20
