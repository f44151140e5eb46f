"""How texts look, whatever their language: length, shape, script, repetition, refusals. Max-T over their ranks."""

from __future__ import annotations

import re
import unicodedata
import zlib

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitors.judgement import score
from monitors.permutation import effect, max_t
from telltale.records import Score, Window

MONITOR, SIGNAL = "descriptors", "max_t"
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


def judge(window: Window, *, min_rows: int, alpha: float, seed: int, inflation: float = 1.0) -> Score:
    """Compare the window's descriptors with the reference's. Effect: the largest standardised change of a mean rank."""
    if min(len(window.texts), len(window.reference_texts)) < min_rows:
        return score(window, MONITOR, SIGNAL, len(window.texts))
    values = np.array([describe(text) for text in (*window.texts, *window.reference_texts)])
    ranks = (rankdata(values, axis=0) - 0.5) / len(values)
    current, reference = ranks[: len(window.texts)], ranks[len(window.texts) :]
    found = max_t(current, reference, window.groups, window.reference_groups, alpha=alpha, seed=seed)
    moves = current.mean(axis=0) - reference.mean(axis=0)
    threshold = found.threshold * inflation
    return score(
        window,
        MONITOR,
        SIGNAL,
        len(window.texts),
        effect=effect(found, moves, FLOORS, threshold),
        threshold=threshold,
        p_value=found.p_value,
        details={"descriptors": _told(found.z, values[: len(window.texts)], values[len(window.texts) :])},
    )


def _told(z: NDArray[np.float64], current: NDArray[np.float64], reference: NDArray[np.float64]) -> list[object]:
    """The descriptors by size of change, with their means before and now."""
    return [
        {
            "name": NAMES[i],
            "z": round(float(z[i]), 2),
            "current_mean": round(float(current[:, i].mean()), 3),
            "reference_mean": round(float(reference[:, i].mean()), 3),
        }
        for i in np.argsort(-np.abs(z))[:6]
    ]
