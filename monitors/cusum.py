"""Whether a share has risen, and since when: what speaks for it is summed up vote by vote, across windows. Pure.

A Bernoulli CUSUM (Page, Continuous inspection schemes, 1954) over any column of zeros and ones. Its sum is a logarithm
of likelihoods: that the share rose by one of `RISES`, against that it is as before. It begins anew wherever it falls
to zero, and the last such time is when the change began, if there is one.

How the share was before is known from so many votes only. So neither side is given a share but the distribution of
shares that those votes leave open (beta-binomial): with few votes before, even a plain rise proves little, and the sum
stays low instead of alarming. Votes that end at zero were as before, and are learned from, up to `ENOUGH`.

Nothing depends on how votes are divided into windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, lgamma, log
from typing import Final, NamedTuple

from telltale.evidence.scores import Cusum

RISES: Final = ((0.05, 0.9), (0.2, 0.1))
"""By how much a share may rise, and how much of the bet is on that. Less than half of the first counts as no rise."""
ENOUGH: Final = 5000.0
"""Votes by which a share is known: its standard error is below 0.7 points then."""
WINDOW: Final = 500
"""Votes of the window for which a rate of false alarms is stated; smaller ones have fewer in proportion."""
EASE: Final = 3.7
"""A sum passes `x` in a window of n votes about n * exp(-x - EASE) times without any change.

Simulated for shares of 0.5 to 60 % before, known from 200 to 10,000 votes.
"""


class Vote(NamedTuple):
    """A vote's time (Unix seconds) and what it says in [0, 1]: 1 for what is counted, such as a negative vote."""

    at: float
    value: float


class Passage(NamedTuple):
    """Where the sum stands after some votes, and the highest that it was during them with the change's beginning."""

    state: Cusum
    highest: float
    since: float | None


def one_each(times: Sequence[float], values: Sequence[float], groups: Sequence[str]) -> list[Vote]:
    """One vote for each group, in order of time: the mean of what it said, when it said its last.

    A person who answers three questions is not three people; and a mean never tells more than a single answer would.
    """
    said: dict[str, list[float]] = {}
    at: dict[str, float] = {}
    for time, value, group in zip(times, values, groups, strict=True):
        said.setdefault(group, []).append(value)
        at[group] = max(time, at.get(group, time))
    return sorted(Vote(at[group], sum(values) / len(values)) for group, values in said.items())


def begin(votes: Sequence[Vote], at: float) -> Cusum:
    """Before the first vote that is judged, knowing these."""
    return Cusum(0.0, at, 0.0, 0.0, float(len(votes)), sum(vote.value for vote in votes))


def threshold(alpha: float, votes: int = WINDOW) -> float:
    """What the sum passes with probability `alpha` in a window of so many votes, where nothing changed."""
    return max(1.0, log(max(votes, WINDOW) / alpha) - EASE)


def p_value(level: float, votes: int = WINDOW) -> float:
    """How often the sum passes that level in a window of so many votes, where nothing changed."""
    return min(1.0, max(votes, WINDOW) * exp(-level - EASE))


def proceed(state: Cusum, votes: Sequence[Vote], ceiling: float, scale: float = 1.0) -> Passage:
    """The sum after these votes, which are in order of time and later than those before.

    Evidence beyond `ceiling` is forgotten, the oldest first, so that an end of the change is seen as soon as its
    beginning was. `scale` multiplies the rises that are looked for.
    """
    highest, since = 0.0, None
    for vote in votes:
        total, negative = state.votes + 1.0, state.negative + vote.value
        level = _level(state, total, negative, scale)
        if level > highest:
            highest, since = level, state.since
        if level <= 0:
            state = _learned(state, total, negative, vote.at)
            continue
        kept = min(1.0, ceiling / level)
        state = replace(state, level=min(level, ceiling), votes=total * kept, negative=negative * kept)
    return Passage(state, highest, since)


def _learned(state: Cusum, total: float, negative: float, at: float) -> Cusum:
    if state.known_votes >= ENOUGH:
        return replace(state, level=0.0, since=at, votes=0.0, negative=0.0)
    return Cusum(0.0, at, 0.0, 0.0, state.known_votes + total, state.known_negative + negative)


def _level(state: Cusum, total: float, negative: float, scale: float) -> float:
    """The logarithm of how much likelier these votes are after a rise; Jeffreys' prior stands for no knowledge."""
    known = state.known_votes + 1.0
    before = state.known_negative + 0.5
    share = before / known
    unchanged = _likelihood(before, known - before, negative, total - negative)
    gains = []
    for rise, weight in RISES:
        risen = (share + min(scale * rise, (1 - share) / 2)) * known
        gains.append(log(weight) + _likelihood(risen, known - risen, negative, total - negative) - unchanged)
    best = max(gains)
    return best + log(sum(exp(gain - best) for gain in gains))


def _likelihood(a: float, b: float, hits: float, others: float) -> float:
    """Of these votes in their order, by a share of Beta(a, b), but for what depends on their number alone."""
    return lgamma(a + hits) - lgamma(a) + lgamma(b + others) - lgamma(b)
