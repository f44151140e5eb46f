"""Which words come or go: max-T over the share of texts that contain each word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitors import embedding, vocabulary, words
from monitors.calibration import WHOLE, factors
from monitors.judgement import score
from monitors.mark import Mark
from monitors.monitor import Monitor, Terms
from monitors.permutation import Matrix, MaxT, Weighted, effect, interval, max_t
from monitors.rows import Comparison, Features, Rows, Side
from telltale.evidence.scores import Finding, WordChange, WordChanges
from telltale.records import Basis, Direction, Score

MIN_DOCUMENTS = 5
MAX_WORDS = 5000
# Of words that were always said more or less often, each must move by this share of the texts to matter.
MIN_SHARE = 0.03
# Words that come or go are many, and each is rare: the share of texts that have any of them must move by this.
MIN_CARRIED = 0.01
# A word comes that is so many times as frequent as it was; mixes of known topics move less.
TIMES = 3
WORDS_REPORTED = 12
# Of so many that changed most, pieces are joined into what can be read, where they changed alike.
LOOKED_AT = 60
ALIKE = 0.6
# Texts that show a change have one of so many words.
MOST_MARKED = 5
PREFERRED = 1.3


@dataclass(frozen=True)
class Tokens(Monitor):
    """Compares the window's words with the reference's, all in one test."""

    name: ClassVar[str] = "tokens"
    signals: ClassVar[tuple[str, ...]] = ("max_t",)
    basis: ClassVar[Basis] = "calls"
    method: ClassVar[int] = 3
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    finds: ClassVar[str] = "words that come or go: new topics, campaigns, another vocabulary"
    effect: ClassVar[str] = "largest change of a word's share, or all words' together, in standard errors"
    evidence: ClassVar[type[Finding]] = WordChanges

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        return vocabulary.of(rows.texts[direction])

    def part(self, features: Features, places: NDArray[np.intp]) -> Features:
        return vocabulary.part(features, places)

    def judge(self, comparison: Comparison) -> list[Score]:
        (signal,) = self.signals
        counted = _counted(comparison)
        if counted is None:
            return []
        found = self._compare(comparison, counted)
        now, before = _shares(counted.current, comparison.current), _shares(counted.reference, comparison.reference)
        return [
            score(
                comparison,
                self.name,
                signal,
                len(comparison.current),
                effect=effect(found, self._matters(comparison, counted, found, now, before)),
                threshold=found.threshold,
                p_value=found.p_value,
                interval=interval(found, [f"share of texts with {word}" for word in counted.words], now, before),
                finding=WordChanges(_changes(counted, found.z, now, before), round(found.excess, 5)),
            )
        ]

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        """One of the words that changed most, each of which tells more texts apart."""
        finding = score.details.finding
        counted = _counted(comparison)
        if not isinstance(finding, WordChanges) or not finding.words or counted is None:
            return None
        # What came is told before what went, where it tells as much: it can be looked at.
        turns = [_telling(counted, comparison, finding.words, rises) for rises in (True, False)]
        said, pieces, _ = max(turns, key=lambda turn: turn[2] * (PREFERRED if turn is turns[0] else 1.0))
        if not said:
            return None
        asked = np.array(sorted(pieces), dtype=str)
        named = f"{', '.join(said[:-1])} or {said[-1]}" if len(said) > 1 else said[0]
        return Mark(
            f"contain {named}",
            "percent",
            lambda side: np.asarray(embedding.matrix(side.features, asked).sum(axis=1)).ravel() > 0,
        )

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        def compare(block: Comparison) -> tuple[Sequence[str], MaxT] | None:
            counted = _counted(block)
            return None if counted is None else (counted.words, self._compare(block, counted))

        return factors(blocks, compare)

    def _matters(
        self, comparison: Comparison, counted: _Counted, found: MaxT,
        now: NDArray[np.float64], before: NDArray[np.float64],
    ) -> NDArray[np.bool_]:  # fmt: skip
        """The words whose change matters: each by itself, or because texts with such words came or went."""
        matters: NDArray[np.bool_] = np.abs(now - before) >= MIN_SHARE * self.terms.floor
        certain = np.abs(found.z) > found.threshold
        for turned in (certain & (now >= TIMES * before), certain & (before >= TIMES * now)):
            carried = _carried(counted.current, comparison.current, turned)
            carried -= _carried(counted.reference, comparison.reference, turned)
            if abs(carried) >= MIN_CARRIED * self.terms.floor:
                matters |= turned
        return matters

    def _compare(self, comparison: Comparison, counted: _Counted) -> MaxT:
        known = comparison.factors
        return max_t(
            Weighted(counted.current, comparison.current.groups, comparison.current.weights),
            Weighted(counted.reference, comparison.reference.groups, comparison.reference.weights),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            diffuse=True,
            factors=np.array([known.get(word, 1.0) for word in counted.words]),
            whole_factor=known.get(WHOLE, 1.0),
        )


class _Counted(NamedTuple):
    """Which text of the window and of the reference contains each word: matrices of 0 and 1, texts by words.

    `runs` are whole runs that pieces come from, with the number of texts of both sides that contain each.
    """

    words: Sequence[str]
    current: Matrix
    reference: Matrix
    runs: Sequence[str]
    texts: Sequence[float]


def _counted(comparison: Comparison) -> _Counted | None:
    """None if no word is frequent enough."""
    sides = comparison.current, comparison.reference
    names = np.union1d(*(side.features["words"] for side in sides))
    current, reference = (_matrix(side.features, names) for side in sides)
    documents = np.asarray(current.sum(axis=0) + reference.sum(axis=0)).ravel()
    runs = int(np.searchsorted(names, chr(ord(words.RUN) + 1)))
    frequent = runs + np.flatnonzero(documents[runs:] >= MIN_DOCUMENTS)
    if frequent.size > MAX_WORDS:
        frequent = np.sort(frequent[np.argsort(-documents[frequent], kind="stable")[:MAX_WORDS]])
    if not frequent.size:
        return None
    shown = np.argsort(-documents[:runs], kind="stable")[:MAX_WORDS]
    return _Counted(
        names[frequent].tolist(), current[:, frequent], reference[:, frequent],
        names[shown].tolist(), documents[shown].tolist(),
    )  # fmt: skip


def _matrix(features: Features, names: NDArray[np.str_]) -> Matrix:
    own = np.searchsorted(names, features["words"])
    places = own[features["places"]] if own.size else features["places"]
    shape = (features["starts"].size - 1, names.size)
    return sparse.csr_matrix((np.ones(places.size), places, features["starts"]), shape=shape)


def _shares(contains: Matrix, side: Side) -> NDArray[np.float64]:
    """The share of the texts that contain each word."""
    shares: NDArray[np.float64] = np.asarray(contains.T @ side.weights).ravel() / side.weights.sum()
    return shares


def _carried(contains: Matrix, side: Side, which: NDArray[np.bool_]) -> float:
    """The share of the texts that contain any of these words."""
    any_of_them = np.asarray(contains[:, np.flatnonzero(which)].sum(axis=1)).ravel() > 0
    return float(side.weights @ any_of_them / side.weights.sum())


def _telling(
    counted: _Counted, comparison: Comparison, changes: Sequence[WordChange], rises: bool
) -> tuple[list[str], list[str], float]:
    """Of the words that rose, or fell, those that tell the sides further apart together, what they are counted by, and
    how far that is in standard errors.

    Of words that several conversations or users have: rare texts are people's own.
    """
    sides = (counted.current, comparison.current), (counted.reference, comparison.reference)
    more, side = sides[0 if rises else 1]
    common = embedding.spread(more, side.groups) >= embedding.MIN_GROUPS
    said, places, apart = list[str](), list[int](), 0.0
    turned = [one for one in changes if (one.z > 0) == rises and (len(one.word) > 1 or not one.word.isascii())]
    # Of words that changed alike long ones say more.
    names = [one.word for one in sorted(turned, key=lambda one: (-round(abs(one.z), 1), -len(one.word)))]
    for name in names:
        if len(said) == MOST_MARKED:
            break
        own = [place for place in _places(counted.words, name) if common[place]]
        found = {place: _apart(sides, [*places, place]) * (1 if rises else -1) for place in own}
        best = max(own, key=found.__getitem__, default=None)
        if best is not None and found[best] > apart:
            said, places, apart = [*said, name], [*places, best], found[best]
    return said, [counted.words[place] for place in places], apart


def _places(known: Sequence[str], name: str) -> list[int]:
    """The places of a word, or of the pieces that it was put together of."""
    pieces = {piece for piece in words.of(name) if words.is_piece(piece)} | {name}
    return [place for place, word in enumerate(known) if word in pieces]


def _apart(sides: Sequence[tuple[Matrix, Side]], places: Sequence[int]) -> float:
    """How far the shares of texts with any of these words are apart, in standard errors."""
    which = np.zeros(sides[0][0].shape[1], dtype=bool)
    which[list(places)] = True
    (now, size), (before, size_before) = ((_carried(one, side, which), len(side)) for one, side in sides)
    pooled = (now * size + before * size_before) / (size + size_before)
    error = np.sqrt(pooled * (1 - pooled) * (1 / size + 1 / size_before))
    return float((now - before) / error) if error > 0 else 0.0


def _changes(
    counted: _Counted, z: NDArray[np.float64], now: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[WordChange, ...]:
    """The words that changed most; pieces of one word as that word, with the figures of the piece that changed most."""
    largest = [int(i) for i in np.argsort(-np.abs(z))[:LOOKED_AT]]
    changes: dict[str, WordChange] = {}
    runs: list[str] = []
    for i in largest:
        if len(changes) == WORDS_REPORTED:
            break
        word = counted.words[i]
        if words.is_piece(word):
            run = words.joined(word, {counted.words[j]: abs(z[j]) for j in largest if _is_alike(z[i], z[j])})
            # It says nothing more than what changed more and has it in common.
            if any(run in other or other in run for other in runs):
                continue
            runs.append(run)
            word = words.readable(run, counted.runs, counted.texts)
        change = WordChange(word, round(float(z[i]), 2), round(float(now[i]), 4), round(float(before[i]), 4))
        changes.setdefault(word, change)
    return tuple(changes.values())


def _is_alike(one: float, other: float) -> bool:
    return one * other > 0 and ALIKE <= other / one <= 1 / ALIKE
