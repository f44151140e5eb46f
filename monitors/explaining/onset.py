"""When did it begin? The likeliest moment in a sequence of rows at which the share, or mean, of a mark changed.

Maximum likelihood with the likelihood-ratio confidence set (Siegmund, Confidence sets in change-point problems, 1988).
Whether there is such a moment at all is asked first, by a permutation of whole groups: where rows look alike from the
first to the last, the time is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitors.explaining.measure import design_effect
from telltale.evidence.explanation import Onset, Unit

# So rarely is a time named where nothing changed among the rows.
ALPHA: Final = 0.01
DRAWS: Final = 299
AT_ONCE: Final = 50
# Rows before a change and after it: of fewer nobody can tell.
LEAST_ROWS: Final = 8
# Log-likelihood that another moment may lack: by Ville's inequality the likelihood ratio of a false moment on either
# side of the true one exceeds exp(x) with probability exp(-x), and (1 - exp(-x))**2 is 95 %.
LACKS: Final = 3.68

Values = NDArray[np.float64]


def onset(
    values: Values, times: Sequence[float], groups: Sequence[str], weights: Values, unit: Unit, rises: bool, seed: int
) -> Onset | None:
    """When the values of rows, in order of time, began to be higher (or lower); None where that is not known.

    `unit`: percent where values are 0 and 1; sizes are compared by their ranks, so that no single row decides.
    """
    at = np.asarray(times, dtype=np.float64)
    # Rows of one moment cannot be parted.
    allowed = np.zeros(len(at) + 1, dtype=bool)
    allowed[LEAST_ROWS : len(at) - LEAST_ROWS + 1] = True
    allowed[1:-1] &= np.diff(at) > 0
    if not allowed.any() or len(set(groups)) < LEAST_ROWS:
        return None
    column = values if unit == "percent" else rankdata(values) / len(values)
    likelihood = _gain(column[:, None], weights[:, None], unit)[:, 0]
    likelihood[~allowed] = -np.inf
    best = int(np.argmax(likelihood))
    first, then = _mean(column[:best], weights[:best]), _mean(column[best:], weights[best:])
    if likelihood[best] <= 0 or (then > first) != rises:
        return None
    p_value = _p_value(likelihood[best], column, groups, weights, unit, allowed, seed)
    if p_value > ALPHA:
        return None
    residuals = column - np.where(np.arange(len(column)) < best, first, then)
    lacks = LACKS * design_effect(residuals, groups, weights)
    near = np.flatnonzero(likelihood >= likelihood[best] - lacks)
    earliest, latest = float(at[near[0] - 1]), float(at[near[-1]])
    return Onset(float(at[best]), earliest, latest, p_value, len(at), float(at[0]))


def _gain(values: Values, weights: Values, unit: Unit) -> Values:
    """By how much the log-likelihood grows if the rows from each place on have a mean of their own; 0 at both ends.

    Columns are sequences.
    """
    count = np.vstack([np.zeros(values.shape[1]), np.cumsum(weights, axis=0)])
    total = np.vstack([np.zeros(values.shape[1]), np.cumsum(weights * values, axis=0)])
    whole = _log_likelihood(count[-1], total[-1], unit)
    found = _log_likelihood(count, total, unit) + _log_likelihood(count[-1] - count, total[-1] - total, unit) - whole
    if unit == "number":
        # The variance that is left where the gain is largest.
        squares = (weights * values**2).sum(axis=0) - total[-1] ** 2 / count[-1]
        found = found / np.maximum((squares - 2 * found.max(axis=0)) / count[-1], 1e-12)
    return found


def _log_likelihood(count: Values, total: Values, unit: Unit) -> Values:
    count = np.maximum(count, 1e-12)
    if unit == "number":
        # Of a normal distribution with variance 1, without what does not depend on the mean.
        return np.asarray(total**2 / count / 2)
    share = np.clip(total / count, 1e-12, 1 - 1e-12)
    return np.asarray(total * np.log(share) + (count - total) * np.log1p(-share))


def _p_value(
    observed: float, values: Values, groups: Sequence[str], weights: Values, unit: Unit,
    allowed: NDArray[np.bool_], seed: int,
) -> float:  # fmt: skip
    """How often groups in another order, each in one piece, look as changed (Phipson and Smyth, 2010)."""
    places = np.flatnonzero(allowed)
    drawn = [
        _gain(values[order], weights[order], unit)[places].max(axis=0)
        for order in _orders(groups, np.random.default_rng(seed))
    ]
    return float((1 + np.count_nonzero(np.concatenate(drawn) >= observed - 1e-9)) / (1 + DRAWS))


def _orders(groups: Sequence[str], random: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    _, member = np.unique(groups, return_inverse=True)
    count = int(member.max()) + 1
    for begin in range(0, DRAWS, AT_ONCE):
        draws = min(AT_ONCE, DRAWS - begin)
        keys = random.random((count, draws))[member]
        yield np.argsort(keys, axis=0, kind="stable")


def _mean(values: Values, weights: Values) -> float:
    return float(weights @ values / weights.sum())
