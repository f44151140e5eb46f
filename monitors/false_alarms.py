"""How many alerts a week unchanged traffic is expected to raise. Pure.

A window is hit by chance with probability alpha, and an alert begins when it is the k-th hit of n windows. But windows
share their reference: where that is an unlucky draw, all of them are a little off, and hits come together. The share of
a window's variance that is the reference's is what two windows have in common.
"""

from __future__ import annotations

from math import comb, sqrt
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

WEEK_S: Final = 7 * 86400.0
# Points at which what the windows have in common is looked at (Gauss and Hermite), its weights summing to 1.
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
_WEIGHTS /= _WEIGHTS.sum()


def a_week(
    alpha: float, window: float, persistence: tuple[int, int], rows: int, reference_rows: int, tests: int = 1
) -> float:
    """Expected alerts a week of `tests` tests of level `alpha`, each with windows of so many seconds and rows.

    Of n windows k must be hit (`persistence`). An upper bound: floors and factors ask for more than chance. A test of
    many features is taken for one: what is unlucky in the reference is then the same feature in every window.
    """
    need, last = persistence
    common = rows / (rows + reference_rows)
    bound = float(ndtri(1 - alpha / 2))
    moved, spread = sqrt(common) * _POINTS, sqrt(1 - common)
    hit = ndtr((moved - bound) / spread) + ndtr((-moved - bound) / spread)
    begins = comb(last - 1, need - 1) * hit**need * (1 - hit) ** (last - need)
    return float(tests * WEEK_S / window * (_WEIGHTS @ begins))
