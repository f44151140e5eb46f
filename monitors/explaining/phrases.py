"""Two words in a row by which the rows that show a change stand out: a phrase says what a word alone leaves open."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from monitors.embedding import MIN_GROUPS
from telltale.evidence.explanation import Phrase

# So much of each text is read, and so many texts of the other side.
MOST_CHARACTERS: Final = 4000
MOST_TEXTS: Final = 1000
LOOKED_AT: Final = 60
REPORTED: Final = 5
# A phrase is told if so many of the rows have it, and so many times as often as the other side's.
LEAST_SHARE: Final = 0.1
TIMES: Final = 3
# A word that so many texts have says nothing in a phrase.
USUAL: Final = 0.25
LONGEST: Final = 5
ALIKE: Final = 0.8
LONGEST_WORD: Final = 30
# What redaction left in place of what it removed is nothing that anybody wrote.
_REDACTED: Final = re.compile(r"\[[A-Z][A-Z_]*\]")
_WORD: Final = re.compile(r"\w+(?:['\u2019]\w+)*")
_ENDS: Final = re.compile(r"[.!?;:,\n\r\t()\[\]{}|<>\u3002\uff01\uff1f]+")

Words = tuple[str, ...]


def phrases(texts: Sequence[str], groups: Sequence[str], others: Sequence[str]) -> tuple[Phrase, ...]:
    """Phrases of these texts that `others` have not, or seldom, the most frequent first.

    Only what several groups have in common is told: the words of one person are that person's.
    """
    having: defaultdict[Words, set[str]] = defaultdict(set)
    counts: Counter[Words] = Counter()
    for text, group in zip(texts, groups, strict=True):
        for pair in _pairs(text):
            counts[pair] += 1
            having[pair].add(group)
    common = [pair for pair, known in having.items() if len(known) >= MIN_GROUPS]
    asked = sorted(common, key=lambda pair: (-counts[pair], pair))[:LOOKED_AT]
    read = others[:: max(1, len(others) // MOST_TEXTS)]
    elsewhere, usual = Counter[Words](), Counter[str]()
    for text in read:
        pairs = _pairs(text)
        elsewhere.update(pairs & set(asked))
        usual.update({word for pair in pairs for word in pair})
    found = [
        pair
        for pair in asked
        if counts[pair] >= LEAST_SHARE * len(texts)
        and counts[pair] / len(texts) >= TIMES * elsewhere[pair] / max(1, len(read))
        and max(usual[word] for word in pair) <= USUAL * len(read)
    ]
    return tuple(
        Phrase(" ".join(told), counts[first] / len(texts), elsewhere[first] / max(1, len(read)))
        for told, first in _joined(found, counts)[:REPORTED]
    )


def _joined(pairs: Sequence[Words], counts: Mapping[Words, int]) -> list[tuple[Words, Words]]:
    """Pairs that go on into each other, as often as not, as one phrase; with the rarest pair of each."""
    left, found = list(pairs), []
    while left:
        told = rarest = left.pop(0)
        while len(told) < LONGEST:
            goes_on = [
                pair
                for pair in left
                if (pair[0] == told[-1] or pair[-1] == told[0])
                and min(counts[pair], counts[rarest]) >= ALIKE * max(counts[pair], counts[rarest])
            ]
            if not goes_on:
                break
            pair = goes_on[0]
            left.remove(pair)
            told = (*told, pair[-1]) if pair[0] == told[-1] else (pair[0], *told)
            rarest = min(rarest, pair, key=counts.__getitem__)
        found.append((told, rarest))
    return found


def _pairs(text: str) -> set[Words]:
    plain = unicodedata.normalize("NFKC", _REDACTED.sub(" . ", text[:MOST_CHARACTERS])).lower()
    found: set[Words] = set()
    # A phrase does not go on beyond what divides sentences.
    for part in _ENDS.split(plain):
        words = [word for word in _WORD.findall(part) if not word.isdigit()]
        found.update(pair for pair in pairwise(words) if max(map(len, pair)) <= LONGEST_WORD)
    return found
