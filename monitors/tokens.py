"""Which words come or go: max-T over the share of texts that contain each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from monitors.judgement import score
from monitors.monitor import Monitor
from monitors.permutation import Matrix, effect, max_t
from telltale.evidence.scores import Finding, WordChange, WordChanges
from telltale.records import Direction, Score, Window
from telltale.settings import Monitor as MonitorSettings

# Runs of letters or digits of any script; CJK without spaces falls into single characters.
WORD = r"(?u)[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+"
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
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    finds: ClassVar[str] = "words that come or go: new topics, campaigns, another vocabulary"
    effect: ClassVar[str] = "largest change of a word's share, or all words' together, in standard errors"
    evidence: ClassVar[type[Finding]] = WordChanges
    is_calibrated: ClassVar[bool] = True

    min_rows: int
    alpha: float
    seed: int

    @classmethod
    def of(cls, settings: MonitorSettings) -> Self:
        return cls(settings.min_rows, settings.alpha, settings.seed)

    def judge(self, window: Window) -> list[Score]:
        (signal,) = self.signals
        rows = len(window.texts)
        counted = None if min(rows, len(window.reference_texts)) < self.min_rows else _word_counts(window)
        if counted is None:
            return [score(window, self.name, signal, rows)]
        words, current, reference = counted
        groups = window.groups, window.reference_groups
        found = max_t(current, reference, *groups, alpha=self.alpha, seed=self.seed, diffuse=True)
        now, before = (np.asarray(side.mean(axis=0)).ravel() for side in (current, reference))
        threshold = found.threshold * window.calibration.get(self.name, 1.0)
        return [
            score(
                window,
                self.name,
                signal,
                rows,
                effect=effect(found, now - before, MIN_SHARE, threshold),
                threshold=threshold,
                p_value=found.p_value,
                finding=WordChanges(_changes(words, found.z, now, before), round(found.excess, 5)),
            )
        ]


def _word_counts(window: Window) -> tuple[Sequence[str], Matrix, Matrix] | None:
    """The words, and which text of the window and of the reference contains each; None if no word is frequent enough.

    Two sparse matrices of 0 and 1, texts by words.
    """
    vectoriser = CountVectorizer(
        binary=True, token_pattern=WORD, min_df=MIN_DOCUMENTS, max_features=MAX_WORDS, dtype=np.float64
    )
    try:
        pooled = vectoriser.fit_transform([*window.texts, *window.reference_texts]).tocsr()
    except ValueError:
        # No word occurs often enough: nothing to compare.
        return None
    return vectoriser.get_feature_names_out(), pooled[: len(window.texts)], pooled[len(window.texts) :]


def _changes(
    words: Sequence[str], z: NDArray[np.float64], now: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[WordChange, ...]:
    return tuple(
        WordChange(str(words[i]), round(float(z[i]), 2), round(float(now[i]), 4), round(float(before[i]), 4))
        for i in np.argsort(-np.abs(z))[:WORDS_REPORTED]
    )
