"""Which words come or go: max-T over the share of texts that hold each word."""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from monitors.judgement import score
from monitors.permutation import effect, max_t
from telltale.records import Score, Window

MONITOR, SIGNAL = "tokens", "max_t"
# Runs of letters or digits of any script; CJK without spaces falls into single characters.
WORD = r"(?u)[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+"
MIN_DOCUMENTS = 5
MAX_WORDS = 5000
# A word must move by this share of the texts to matter, however many texts there are.
MIN_SHARE = 0.03
WORDS_TOLD = 12


def judge(window: Window, *, min_rows: int, alpha: float, seed: int, inflation: float = 1.0) -> Score:
    """Compare the window's words with the reference's.

    Effect: the largest standardised change of a word's share, or all words' together on the same scale.
    """
    if min(len(window.texts), len(window.reference_texts)) < min_rows:
        return score(window, MONITOR, SIGNAL, len(window.texts))
    vectoriser = CountVectorizer(
        binary=True, token_pattern=WORD, min_df=MIN_DOCUMENTS, max_features=MAX_WORDS, dtype=np.float64
    )
    try:
        pooled = vectoriser.fit_transform([*window.texts, *window.reference_texts]).tocsr()
    except ValueError:
        # No word occurs often enough: nothing to compare.
        return score(window, MONITOR, SIGNAL, len(window.texts))
    current, reference = pooled[: len(window.texts)], pooled[len(window.texts) :]
    found = max_t(current, reference, window.groups, window.reference_groups, alpha=alpha, seed=seed, diffuse=True)
    shares = np.asarray(current.mean(axis=0)).ravel(), np.asarray(reference.mean(axis=0)).ravel()
    words = vectoriser.get_feature_names_out()
    order = np.argsort(-np.abs(found.z))[:WORDS_TOLD]
    threshold = found.threshold * inflation
    return score(
        window,
        MONITOR,
        SIGNAL,
        len(window.texts),
        effect=effect(found, shares[0] - shares[1], MIN_SHARE, threshold),
        threshold=threshold,
        p_value=found.p_value,
        details={
            "excess": round(found.excess, 5),
            "words": [
                {
                    "word": str(words[i]),
                    "z": round(float(found.z[i]), 2),
                    "current_share": round(float(shares[0][i]), 4),
                    "reference_share": round(float(shares[1][i]), 4),
                }
                for i in order
            ],
        },
    )
