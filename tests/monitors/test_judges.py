"""The monitors: silent on unchanged traffic, loud on changed, and honest about too little data."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from monitors import votes
from monitors.descriptors import NAMES, Descriptors, describe
from monitors.monitor import Monitor
from monitors.registry import MONITORS
from monitors.tokens import Tokens
from monitors.votes import Votes
from telltale.cli.demo import texts
from telltale.evidence.scores import DescriptorChanges, WordChanges
from telltale.records import Score, Window
from telltale.settings import Monitor as MonitorSettings

TEXT_MONITORS = [kind for kind in MONITORS if "prompt" in kind.directions]


def judge(kind: type[Monitor], window: Window, *, alpha: float, seed: int) -> Score:
    (score,) = kind.of(MonitorSettings(min_rows=50, alpha=alpha, seed=seed)).judge(window)
    return score


def judge_votes(window: Window, *, min_votes: int = 1) -> Score:
    (score,) = Votes(min_votes, alpha=0.01).judge(window)
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


def window(
    current: tuple[tuple[str, ...], tuple[str, ...]], reference: tuple[tuple[str, ...], tuple[str, ...]]
) -> Window:
    return Window("m", "v", "prompt", 0.0, 10.0, current[0], current[1], reference[0], reference[1])


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
    assert {change.name for change in score.details.finding.descriptors} >= {"refusal", "open_end"}


def test_a_tenth_of_truncated_responses_is_detected() -> None:
    """A flag in ten percent of the rows moves its mean rank by half of that: it has a floor of its own."""
    whole = tuple(f"Here is what the answer to question {n % 7} says." for n in range(600))
    groups = tuple(map(str, range(600)))
    cut = tuple(text[:-1] if n % 10 == 0 else text for n, text in enumerate(whole[:500]))
    score = judge(Descriptors, window((cut, groups[:500]), (whole, groups)), alpha=0.01, seed=0)
    assert score.state == "suspect"
    assert isinstance(score.details.finding, DescriptorChanges)
    assert "open_end" in {change.name for change in score.details.finding.descriptors}


@pytest.mark.parametrize("monitor", TEXT_MONITORS)
def test_nothing_unusual_is_ever_infinite(monitor: type[Monitor]) -> None:
    """Gauges and JSON show the scores."""
    same = tuple("the same text" for _ in range(60)), tuple(map(str, range(60)))
    score = judge(monitor, window(same, same), alpha=0.01, seed=0)
    assert (score.state, score.effect, score.threshold, score.p_value) == ("ok", 0.0, 0.0, 1.0)


@pytest.mark.parametrize("monitor", TEXT_MONITORS)
def test_too_few_rows_are_not_judged(monitor: type[Monitor]) -> None:
    score = judge(monitor, window(side(1, 49), side(2, 300)), alpha=0.01, seed=0)
    assert (score.state, score.effect, score.threshold, score.p_value) == ("insufficient_data", None, None, None)
    assert score.samples == 49


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
            score = judge(monitor, window((current, groups), (reference, groups)), alpha=0.01, seed=0)
            assert score.state in ("ok", "suspect", "insufficient_data")


@settings(max_examples=200)
@given(st.text(max_size=500))
def test_every_text_has_finite_descriptors(text: str) -> None:
    values = describe(text)
    assert len(values) == len(NAMES)
    assert all(value == value and abs(value) < 1e9 for value in values)


def vote_window(bad: int, total: int, bad_before: int, before: int) -> Window:
    return Window(
        *("m", "v", "feedback", 0.0, 10.0),
        votes=(1,) * bad + (0,) * (total - bad),
        reference_votes=(1,) * bad_before + (0,) * (before - bad_before),
    )


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_votes_p_value_is_fishers(bad: int, good: int, bad_before: int, good_before: int) -> None:
    score = judge_votes(vote_window(bad, bad + good, bad_before, bad_before + good_before))
    if bad + good == 0 or bad_before + good_before == 0:
        assert score.state == "insufficient_data"
        return
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
        alarms += judge_votes(vote_window(now, 60, before, 200), min_votes=50).state == "suspect"
    assert alarms < 20
