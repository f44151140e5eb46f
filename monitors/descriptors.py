"""How texts look, whatever their language: length, shape, script, repetition, refusals. Max-T over their ranks."""

from __future__ import annotations

import re
import unicodedata
import zlib
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitors.judgement import score
from monitors.monitor import Monitor
from monitors.permutation import effect, max_t
from telltale.evidence.scores import DescriptorChange, DescriptorChanges, Finding
from telltale.records import Direction, Score, Window
from telltale.settings import Monitor as MonitorSettings

# Full-width marks end sentences in Chinese, Japanese and Korean.
FULL_STOP, EXCLAMATION, QUESTION = "\u3002", "\uff01", "\uff1f"
ENDS = tuple(".!?…:;)\"'»”」`" + FULL_STOP + EXCLAMATION + QUESTION)
REFUSAL = re.compile(
    r"(?i)\b(?:sorry|apologi[sz]e|cannot help|can't help|as an? (?:ai|language model)|not able to|unable to|not sure)\b"
    r"|죄송|할 수 없습니다|申し訳|抱歉"
)

NAMES = (
    *("characters", "words", "word_length", "sentences", "repetition", "letters", "digits", "latin"),
    *("open_end", "question", "code", "link", "refusal"),
)
# Ranks are uniform on [0, 1], so 0.5 would be complete separation; a mean rank must move by this much to matter.
# Lengths follow who happens to be asking; a flag's or script's rank moves by half of the change of its share.
LENGTHS, MARKS = ("characters", "words", "sentences", "repetition"), ("latin", *NAMES[-5:])
FLOORS = np.array([0.1 if name in LENGTHS else 0.015 if name in MARKS else 0.05 for name in NAMES])

DESCRIPTORS_REPORTED = 6


def describe(text: str) -> tuple[float, ...]:
    """The descriptors of one text, in the order of NAMES. Defined for every text, also the empty one."""
    words = text.split()
    letters = [character for character in text if character.isalpha()]
    size = max(1, len(text))
    raw = text.encode("utf-8", "replace")
    stripped = text.rstrip()
    return (
        float(len(text)),
        float(len(words)),
        sum(map(len, words)) / max(1, len(words)),
        float(sum(text.count(mark) for mark in ".!?" + FULL_STOP + EXCLAMATION + QUESTION)),
        len(zlib.compress(raw, 1)) / max(1, len(raw)),
        len(letters) / size,
        sum(character.isdigit() for character in text) / size,
        sum("LATIN" in unicodedata.name(character, "") for character in letters[:200]) / max(1, len(letters[:200])),
        float(bool(stripped) and not stripped.endswith(ENDS)),
        float("?" in text or QUESTION in text),
        float("```" in text or "    def " in text),
        float("http://" in text or "https://" in text),
        float(REFUSAL.search(text) is not None),
    )


@dataclass(frozen=True)
class Descriptors(Monitor):
    """Compares the window's descriptors with the reference's, all in one test over their ranks."""

    name: ClassVar[str] = "descriptors"
    signals: ClassVar[tuple[str, ...]] = ("max_t",)
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    finds: ClassVar[str] = "how texts look: length, shape, script, repetition, truncation, refusals"
    effect: ClassVar[str] = "largest change of a descriptor's mean rank, in standard errors"
    evidence: ClassVar[type[Finding]] = DescriptorChanges
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
        if min(rows, len(window.reference_texts)) < self.min_rows:
            return [score(window, self.name, signal, rows)]
        values = np.array([describe(text) for text in (*window.texts, *window.reference_texts)])
        ranks = (rankdata(values, axis=0) - 0.5) / len(values)
        groups = window.groups, window.reference_groups
        found = max_t(ranks[:rows], ranks[rows:], *groups, alpha=self.alpha, seed=self.seed)
        moves = ranks[:rows].mean(axis=0) - ranks[rows:].mean(axis=0)
        threshold = found.threshold * window.calibration.get(self.name, 1.0)
        return [
            score(
                window,
                self.name,
                signal,
                rows,
                effect=effect(found, moves, FLOORS, threshold),
                threshold=threshold,
                p_value=found.p_value,
                finding=DescriptorChanges(_changes(found.z, values[:rows].mean(axis=0), values[rows:].mean(axis=0))),
            )
        ]


def _changes(
    z: NDArray[np.float64], now: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[DescriptorChange, ...]:
    """The descriptors that changed most, with their means."""
    return tuple(
        DescriptorChange(NAMES[i], round(float(z[i]), 2), round(float(now[i]), 3), round(float(before[i]), 3))
        for i in np.argsort(-np.abs(z))[:DESCRIPTORS_REPORTED]
    )
