"""Which texts say nearly the same: scripts and load tests repeat themselves with another number or name in it.

MinHash over runs of three words (Broder, On the resemblance and containment of documents, 1997), candidates by bands.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Of a long text its beginning is looked at.
MOST_WORDS: Final = 100
RUN: Final = 3
BANDS: Final = 8
BAND: Final = 4
# Share of minima that two texts have in common, which estimates the share of their runs of words.
ALIKE: Final = 0.7
# Chinese and Japanese are written without spaces.
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+|\d+")
_random: Final = np.random.default_rng(20_261_130)
_FACTORS: Final = _random.integers(1, 1 << 63, BANDS * BAND, dtype=np.uint64) | np.uint64(1)
_SHIFTS: Final = _random.integers(0, 1 << 63, BANDS * BAND, dtype=np.uint64)
_MIX: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


def clusters(texts: Sequence[str]) -> list[int]:
    """For each text the place of the first text that it is nearly identical to; its own where it is the first."""
    first = list(range(len(texts)))
    signatures = np.array([_signature(text) for text in texts]) if texts else np.empty((0, BANDS * BAND))
    buckets: dict[bytes, int] = {}
    for place, signature in enumerate(signatures):
        for band in range(BANDS):
            key = bytes([band]) + signature[band * BAND : (band + 1) * BAND].tobytes()
            other = buckets.setdefault(key, place)
            if first[place] == place and other != place and np.mean(signatures[other] == signature) >= ALIKE:
                first[place] = first[other]
    return first


def _signature(text: str) -> NDArray[np.uint64]:
    """The smallest of each hash over all runs of words; numbers are all the same."""
    words = ["0" if word[0].isdigit() else word for word in _WORD.findall(text.lower())[:MOST_WORDS]]
    hashed = np.array([zlib.crc32(word.encode("utf-8", "replace")) for word in words or [text]], dtype=np.uint64)
    if hashed.size < RUN:
        hashed = np.pad(hashed, (0, RUN - hashed.size))
    runs = np.lib.stride_tricks.sliding_window_view(hashed, RUN) @ _MIX
    # The high half of a product is the well mixed one.
    minima: NDArray[np.uint64] = ((runs[:, None] * _FACTORS + _SHIFTS) >> np.uint64(24)).min(axis=0)
    return minima
