"""A sum of evidence over votes: the same however they are divided, rarely wrong, and it knows since when."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors import cusum, judging, references
from monitors.cusum import Passage, Vote
from monitors.monitor import Terms
from monitors.rows import Rows
from monitors.votes import Votes
from telltale.evidence.scores import Cusum, VoteShares
from telltale.records import Score, Series
from telltale.store.references import Reference

SERIES = Series("m", "v")
FEW, MANY = cusum.threshold(0.01), 20.0
VOTES = st.lists(st.sampled_from([0.0, 1.0]), max_size=120)


def known(votes: int, negative: float) -> Cusum:
    return Cusum(0.0, 0.0, 0.0, 0.0, float(votes), negative)


def cast(count: int, share: float, random: Random, start: int = 0) -> list[Vote]:
    return [Vote(float(start + place), float(random.random() < share)) for place in range(count)]


@given(VOTES, st.lists(st.integers(0, 120)), st.integers(20, 400), st.floats(0, 1), st.sampled_from([FEW, MANY]))
def test_windows_change_nothing(said: list[float], cuts: list[int], votes: int, share: float, ceiling: float) -> None:
    series = [Vote(float(at), one) for at, one in enumerate(said)]
    whole = cusum.proceed(known(votes, share * votes), series, ceiling)
    state, highest = known(votes, share * votes), 0.0
    bounds = sorted({min(cut, len(series)) for cut in cuts} | {0, len(series)})
    for begin, end in itertools.pairwise(bounds):
        passage = cusum.proceed(state, series[begin:end], ceiling)
        state, highest = passage.state, max(highest, passage.highest)
    assert (state, highest) == (whole.state, whole.highest)


@given(VOTES, st.integers(20, 400), st.floats(0, 1))
def test_a_sum_is_bounded_and_begins_when_it_was_last_zero(said: list[float], votes: int, share: float) -> None:
    state = known(votes, share * votes)
    for at, one in enumerate(said):
        state = cusum.proceed(state, [Vote(float(at), one)], FEW).state
        assert 0.0 <= state.level <= FEW
        assert (state.level == 0.0) == (state.votes == 0.0)
        if state.level == 0.0:
            assert state.since == at
        assert state.negative <= state.votes + 1e-9
        assert state.known_votes <= cusum.ENOUGH + len(said)


@pytest.mark.parametrize(("votes", "share"), [(200, 0.1), (1000, 0.02), (1000, 0.3)])
def test_without_a_change_it_passes_as_rarely_as_stated(votes: int, share: float) -> None:
    """Of 400 windows of 500 votes at 5 %, with references that are as lucky as they are: 40 would come by chance
    once in ten thousand times."""
    random, passed = Random(31_337), 0
    for _ in range(100):
        state = known(votes, sum(random.random() < share for _ in range(votes)))
        for _ in range(4):
            passage = cusum.proceed(state, cast(500, share, random), MANY)
            state, passed = passage.state, passed + (passage.highest > cusum.threshold(0.05))
    assert passed < 40


def test_a_reference_that_was_lucky_alarms_nobody() -> None:
    """Twelve of 200 where a tenth is usual: that is chance, and 500 votes with a tenth prove nothing against it."""
    random, passed = Random(5), 0
    for _ in range(50):
        passed += cusum.proceed(known(200, 12.0), cast(500, 0.1, random), MANY).highest > cusum.threshold(0.005)
    assert passed <= 3


def rising(before: int, random: Random) -> Passage:
    state = cusum.proceed(known(before, 0.1 * before), cast(1000, 0.1, random), MANY).state
    return cusum.proceed(state, cast(2000, 0.15, random, start=1000), MANY)


def test_five_points_more_are_found_in_two_thousand_votes_with_their_beginning() -> None:
    found = [rising(5000, Random(seed)) for seed in range(60)]
    assert sum(one.highest > cusum.threshold(0.002) for one in found) >= 58
    began = sorted(one.since or 0.0 for one in found)
    assert 900 <= began[30] <= 1150
    assert began[5] > 500
    assert began[-5] < 1500


def test_an_end_of_the_change_is_seen_as_soon_as_its_beginning_was() -> None:
    random, ceiling = Random(9), 1.6 * FEW
    state = cusum.proceed(known(5000, 500.0), cast(8000, 0.2, random), ceiling).state
    assert state.level > FEW
    after = cusum.proceed(state, cast(1500, 0.1, random, start=8000), ceiling)
    assert after.state.level < FEW


def test_a_person_counts_once() -> None:
    votes = cusum.one_each([1.0, 2.0, 3.0, 9.0], [1.0, 0.0, 1.0, 1.0], ["a", "b", "a", "b"])
    assert votes == [Vote(3.0, 1.0), Vote(9.0, 0.5)]


def rows(said: list[int], start: float) -> Rows:
    count = len(said)
    return Rows(
        ids=tuple(range(count)),
        times=tuple([start + place for place in range(count)]),
        groups=tuple([f"{start}-{place}" for place in range(count)]),
        weights=(1.0,) * count,
        votes=tuple(said),
    )


class Service:
    """Judges windows of votes one after the other, as the monitors do."""

    def __init__(self, reference: int) -> None:
        self._monitor = Votes(Terms(50, 0.01))
        whole = rows([int(place % 10 == 0) for place in range(2000)], 0.0)
        self._reference: Reference = references.freeze(
            SERIES, "votes", whole, 0.0, 2000.0, 2000.0, monitors=[self._monitor], least=50, id=reference
        )

    def judge(self, said: list[int], start: float, earlier: list[Score]) -> list[Score]:
        window = rows(said, start)
        return judging.judge(
            self._monitor, 50, SERIES, "votes", start, start + len(said), window, self._reference, "none", earlier,
            (3, 4),
        ).scores  # fmt: skip


def state_of(scores: list[Score]) -> Cusum:
    finding = scores[-1].details.finding
    assert isinstance(finding, VoteShares)
    assert finding.cusum
    return finding.cusum


def test_the_sum_goes_on_from_the_last_score_of_the_same_reference() -> None:
    random = Random(2)
    said = [int(random.random() < 0.2) for _ in range(200)]
    service = Service(1)
    whole = service.judge(said, 5000.0, [])
    first = service.judge(said[:80], 5000.0, [])
    second = service.judge(said[80:], 5080.0, first)
    assert state_of(second) == state_of(whole)
    assert state_of(Service(2).judge(said[80:], 5080.0, first)) == state_of(service.judge(said[80:], 5080.0, []))


def test_windows_too_small_to_tell_raise_an_alert_together_and_say_since_when() -> None:
    """Fifteen negative votes of a hundred instead of ten, twenty times."""
    random, service, scores, states = Random(4), Service(1), [], {}
    for number in range(20):
        said = [int(place < (15 if number >= 4 else 10)) for place in range(100)]
        random.shuffle(said)
        scores = [*scores, *service.judge(said, 5000.0 + 100 * number, scores)][-8:]
        states[number] = {score.signal: score for score in scores[-2:]}
    assert all(one["cusum"].state == "ok" for number, one in states.items() if number < 4)
    last = states[19]["cusum"]
    assert last.state == "alert"
    assert last.since
    assert 5300.0 <= last.since <= 5600.0


def test_a_plain_change_is_an_alert_at_once() -> None:
    said = [int(place % 10 < 4) for place in range(100)]
    found = {score.signal: score for score in Service(1).judge(said, 5000.0, [])}["cusum"]
    assert (found.state, found.since) == ("alert", 5000.0)
