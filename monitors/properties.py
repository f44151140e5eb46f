"""What of texts and calls can be in disorder, as columns of both sides of a comparison: shares and ranks. Pure.

What a row does not tell is neither 0 nor left away: that it is unknown is a share as well, and of a number the rows
that tell it are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitors.defects import has_open_fence, is_broken_json, is_json, is_noise, loops
from monitors.endings import breaks_off
from monitors.rows import Comparison, Features

FAULTS: Final = {
    "empty": lambda text: not text.strip(),
    "breaks off": breaks_off,
    "JSON": is_json,
    "broken JSON": is_broken_json,
    "code block without end": has_open_fence,
    "loop": loops,
    "noise": is_noise,
}
NUMBERS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "prompt": {"input_tokens": ("tokens in", "")},
    "response": {
        "output_tokens": ("tokens out", ""),
        "duration_s": ("duration", " s"),
        "ttft_s": ("time to first token", " s"),
    },
}
"""What is compared of a call for each direction: what it is called, and its unit."""
REASON: Final = "finish_reason"
REASONS, LONGEST_REASON = 8, 40

VERY_LONG: Final = "very long"

MIN_SHARE, MIN_RANK = 0.01, 0.1
# Longer than so many of both sides' texts: what is far too long is rare.
LONG: Final = 0.98
FAR: Final = 0.95
KNOWN: Final = 0.5


class Property(NamedTuple):
    """A column of the test: `values` of the rows of both sides, those of the window first.

    `known` tells which rows count in the shares that are shown, and `has` which of them have the property; `of` tells
    the same of any rows.
    """

    name: str
    values: NDArray[np.float64]
    has: NDArray[np.bool_]
    known: NDArray[np.bool_]
    floor: float
    label: str
    of: Callable[[Features], NDArray[np.bool_]]


def of(comparison: Comparison, floor: float) -> tuple[list[Property], tuple[str, ...]]:
    """The columns that can matter, and what is known of too few rows.

    What so few rows have, or lack, that all of them together would not matter is left out: it costs the others power.
    Which columns there are depends on both sides alike, so permutations stay exact.
    """
    now, before = comparison.current.features, comparison.reference.features
    both = {name: np.concatenate([now[name], before[name]]) for name in now if name in before}
    split = len(comparison.current)
    numbers = {name: label for name, label in NUMBERS[comparison.direction].items() if name in both}
    known = {name: ~np.isnan(both[name]) for name in numbers}
    told = [name for name in numbers if known[name].mean() >= KNOWN]
    every = np.ones(len(both["empty"]), dtype=bool)

    def share(name: str, label: str, of: Callable[[Features], NDArray[np.bool_]]) -> Property:
        has = of(both)
        return Property(name, has.astype(np.float64), has, every, MIN_SHARE, label, of)

    shares = [share(name, name, of) for name, of in _flags(both).items()]
    shares += [share(f"{name} unknown", f"{label} not known", _unknown(name)) for name, (label, _) in numbers.items()]
    shares += [_far(name, both, known[name], *numbers[name]) for name in told]
    least = MIN_SHARE * floor * split
    kept = [one for one in shares if one.name == "empty" or least <= one.has.sum() <= len(every) - least]
    ranks = [_rank(name, both, known[name], split, *numbers[name]) for name in told]
    unknown = tuple([label for name, (label, _) in numbers.items() if name not in told])
    return [one._replace(floor=one.floor * floor) for one in (*kept, *ranks)], unknown


def _flags(both: Features) -> dict[str, Callable[[Features], NDArray[np.bool_]]]:
    found = {name: _above(name, 0.0) for name in FAULTS}
    found[VERY_LONG] = _above("characters", float(np.quantile(both["characters"], LONG)))
    if REASON not in both:
        return found
    reasons = both[REASON]
    names, counts = np.unique(reasons[reasons != ""], return_counts=True)
    frequent = [str(name) for name in names[np.argsort(-counts, kind="stable")][:REASONS]]
    return found | {
        **{f"finish reason {name}": _ended(name) for name in frequent},
        "another finish reason": lambda features: ~np.isin(features[REASON], [*frequent, ""]),
        "finish reason not known": _ended(""),
    }


def _above(name: str, limit: float) -> Callable[[Features], NDArray[np.bool_]]:
    return lambda features: features[name] > limit


def _unknown(name: str) -> Callable[[Features], NDArray[np.bool_]]:
    return lambda features: np.isnan(features[name])


def _ended(reason: str) -> Callable[[Features], NDArray[np.bool_]]:
    return lambda features: features[REASON] == reason


def _far(name: str, both: Features, known: NDArray[np.bool_], label: str, unit: str) -> Property:
    """Who is among the largest: a few calls that take far longer move no mean. Who is not known is as all are."""
    limit = _rounded(np.quantile(both[name][known], FAR))
    of = _above(name, limit)
    has = of(both)
    shares = has.astype(np.float64)
    shares[~known] = has[known].mean()
    return Property(f"{name} far", shares, has, known, MIN_SHARE, f"{label} above {limit:g}{unit}", of)


def _rank(name: str, both: Features, known: NDArray[np.bool_], split: int, label: str, unit: str) -> Property:
    """Ranks in [0, 1]; where the number is not known, the middle, which says nothing. Shown is who is above usual."""
    ranks = np.full(len(known), 0.5)
    ranks[known] = (rankdata(both[name][known]) - 0.5) / known.sum()
    before = both[name][split:][known[split:]]
    usual = _rounded(np.median(before)) if before.size else 0.0
    of = _above(name, usual)
    return Property(name, ranks, of(both), known, MIN_RANK, f"{label} above {usual:g}{unit}", of)


def _rounded(number: np.floating[Any]) -> float:
    """As it is shown, so that what is counted is what is said."""
    return float(f"{number:.3g}")
