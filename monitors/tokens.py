"""Which words come or go: max-T over the share of texts that contain each word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from monitors.calibration import WHOLE, factors
from monitors.judgement import score
from monitors.monitor import Monitor, Terms
from monitors.permutation import Matrix, MaxT, Weighted, effect, max_t
from monitors.rows import Comparison, Features, Rows
from telltale.evidence.scores import Finding, WordChange, WordChanges
from telltale.records import Basis, Direction, Score

# Runs of letters or digits of any script; CJK without spaces falls into single characters.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")
MIN_DOCUMENTS = 5
MAX_WORDS = 5000
# A word must move by this share of the texts to matter, however many texts there are.
MIN_SHARE = 0.03
WORDS_REPORTED = 12


@dataclass(frozen=True)
class Tokens(Monitor):
    """Compares the window's words with the reference's, all in one test."""

    name: ClassVar[str] = "tokens"
    signals: ClassVar[tuple[str, ...]] = ("max_t",)
    basis: ClassVar[Basis] = "calls"
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    finds: ClassVar[str] = "words that come or go: new topics, campaigns, another vocabulary"
    effect: ClassVar[str] = "largest change of a word's share, or all words' together, in standard errors"
    evidence: ClassVar[type[Finding]] = WordChanges

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """Which words each text has: `words` in their order, and the rows of a sparse matrix over them (CSR)."""
        vectoriser = CountVectorizer(analyzer=_words, dtype=np.float64)
        try:
            found = vectoriser.fit_transform([text or "" for text in rows.texts[direction]]).tocsr()
        except ValueError:
            # No text has any word.
            return {"words": np.array([], dtype=str), "starts": np.zeros(len(rows) + 1, np.int32), "places": _NOTHING}
        words = np.asarray(vectoriser.get_feature_names_out(), dtype=str)
        return {"words": words, "starts": found.indptr.astype(np.int32), "places": found.indices.astype(np.int32)}

    def part(self, features: Features, places: NDArray[np.intp]) -> Features:
        starts, counts = features["starts"], np.diff(features["starts"])[places]
        taken = [features["places"][starts[place] : starts[place + 1]] for place in places]
        ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return {**features, "starts": ends, "places": np.concatenate(taken) if taken else _NOTHING}

    def judge(self, comparison: Comparison) -> list[Score]:
        (signal,) = self.signals
        counted = _word_counts(comparison)
        if counted is None:
            return []
        words, current, reference = counted
        found = self._compare(comparison, words, current, reference)
        sides = (current, comparison.current.weights), (reference, comparison.reference.weights)
        now, before = (np.asarray(values.T @ weights).ravel() / weights.sum() for values, weights in sides)
        return [
            score(
                comparison,
                self.name,
                signal,
                len(comparison.current),
                effect=effect(found, now - before, MIN_SHARE * self.terms.floor),
                threshold=found.threshold,
                p_value=found.p_value,
                finding=WordChanges(_changes(words, found.z, now, before), round(found.excess, 5)),
            )
        ]

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        def compare(block: Comparison) -> tuple[Sequence[str], MaxT] | None:
            counted = _word_counts(block)
            return None if counted is None else (counted[0], self._compare(block, *counted))

        return factors(blocks, compare)

    def _compare(self, comparison: Comparison, words: Sequence[str], current: Matrix, reference: Matrix) -> MaxT:
        known = comparison.factors
        return max_t(
            Weighted(current, comparison.current.groups, comparison.current.weights),
            Weighted(reference, comparison.reference.groups, comparison.reference.weights),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            diffuse=True,
            factors=np.array([known.get(word, 1.0) for word in words]),
            whole_factor=known.get(WHOLE, 1.0),
        )


def _words(text: str) -> set[str]:
    # Each once, before the vectoriser looks at it: it takes longer for a word than this.
    return set(WORD.findall(text.lower()))


_NOTHING = np.array([], dtype=np.int32)


def _word_counts(comparison: Comparison) -> tuple[Sequence[str], Matrix, Matrix] | None:
    """The words, and which text of the window and of the reference contains each; None if no word is frequent enough.

    Two sparse matrices of 0 and 1, texts by words.
    """
    sides = comparison.current, comparison.reference
    words = np.union1d(*(side.features["words"] for side in sides))
    current, reference = (_matrix(side.features, words) for side in sides)
    documents = np.asarray(current.sum(axis=0) + reference.sum(axis=0)).ravel()
    frequent = np.flatnonzero(documents >= MIN_DOCUMENTS)
    if frequent.size > MAX_WORDS:
        frequent = np.sort(frequent[np.argsort(-documents[frequent], kind="stable")[:MAX_WORDS]])
    if not frequent.size:
        return None
    return [str(word) for word in words[frequent]], current[:, frequent], reference[:, frequent]


def _matrix(features: Features, words: NDArray[np.str_]) -> Matrix:
    own = np.searchsorted(words, features["words"])
    places = own[features["places"]] if own.size else features["places"]
    shape = (features["starts"].size - 1, words.size)
    return sparse.csr_matrix((np.ones(places.size), places, features["starts"]), shape=shape)


def _changes(
    words: Sequence[str], z: NDArray[np.float64], now: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[WordChange, ...]:
    return tuple(
        WordChange(words[i], round(float(z[i]), 2), round(float(now[i]), 4), round(float(before[i]), 4))
        for i in np.argsort(-np.abs(z))[:WORDS_REPORTED]
    )
