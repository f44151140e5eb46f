"""Raw agreement and Krippendorff's alpha, with bootstrap intervals.

Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): one minus the observed disagreement of two labels of
an item over that of any two labels. Any number of people, labels missing, names, ranks or numbers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import exp, sqrt
from typing import Final, Literal, NamedTuple

from feedback.agreement.ratings import Item, Value, doubled, patterns, values

Scale = Literal["nominal", "ordinal", "interval"]
"""Whether labels are names, ranks, or numbers whose distances mean something."""
# Below this the interval is so wide that every verdict would be chance: at 30 items it spans 0.43.
LEAST_ITEMS: Final = 50
DRAWS: Final = 1000
TRUSTED: Final = 0.8
TENTATIVE: Final = 2 / 3
NEARLY_NORMAL: Final = 50

Patterns = Counter[tuple[int, ...]]


class Agreement(NamedTuple):
    """Of `items` that two or more people labelled.

    `raw` is the share of pairs of labels of one item that are equal. `alpha` is 1 for full agreement and 0 for what
    chance gives; `None` where nothing varies, so that there is nothing to agree on. `lower` and `upper` bound its 95 %
    interval; they are absent with fewer than LEAST_ITEMS items, when nobody should conclude anything from it.
    """

    items: int
    raw: float | None
    alpha: float | None
    lower: float | None = None
    upper: float | None = None

    @property
    def verdict(self) -> Literal["not_enough_data", "trustworthy", "adjudicate", "unclear"]:
        """Krippendorff's customary bounds: from 0.8 on labels can be trained on; below 0.667 mend the guidelines.

        Where the interval reaches below the lower bound, labels are not trusted yet.
        """
        if self.alpha is None or self.lower is None:
            return "not_enough_data"
        if self.alpha < TENTATIVE:
            return "unclear"
        return "trustworthy" if self.alpha >= TRUSTED and self.lower >= TENTATIVE else "adjudicate"


def agreement(items: Sequence[Item], scale: Scale = "nominal", seed: int = 0, order: Sequence[Value] = ()) -> Agreement:
    """How far people agree on these items. `order` ranks names that are ordinal. Raises ValueError for mixed labels.

    Names are nominal unless `order` ranks them; a label that `order` lacks raises KeyError.
    """
    judged = doubled(items)
    ranked = list(order) or values(judged)
    counted = patterns(judged, ranked)
    numbers = _numbers(ranked, scale)
    found = Agreement(len(judged), _raw(counted), _alpha(counted, numbers, scale))
    if found.alpha is None or len(judged) < LEAST_ITEMS:
        return found
    lower, upper = _interval(counted, numbers, scale, seed)
    return found._replace(lower=lower, upper=upper)


def _numbers(ranked: Sequence[Value], scale: Scale) -> list[float]:
    if scale == "interval":
        return [float(value) for value in ranked]
    return [float(place) for place in range(len(ranked))]


def _raw(counted: Patterns) -> float | None:
    """Every item counts by its labels, as in alpha's coincidences."""
    labels = sum(sum(pattern) * often for pattern, often in counted.items())
    if not labels:
        return None
    equal = sum(
        often * sum(count * (count - 1) for count in pattern) / (sum(pattern) - 1) for pattern, often in counted.items()
    )
    return equal / labels


def _alpha(counted: Patterns, numbers: Sequence[float], scale: Scale) -> float | None:
    marginals = [sum(pattern[place] * often for pattern, often in counted.items()) for place in range(len(numbers))]
    total = sum(marginals)
    distances = {
        (one, other): _distance(one, other, marginals, numbers, scale)
        for one, other in combinations(range(len(numbers)), 2)
    }
    expected = sum(marginals[one] * marginals[other] * distance for (one, other), distance in distances.items())
    if not expected:
        return None
    observed = sum(
        often / (sum(pattern) - 1) * sum(
            pattern[one] * pattern[other] * distance
            for (one, other), distance in distances.items()
            if pattern[one] and pattern[other]
        )
        for pattern, often in counted.items()
    )  # fmt: skip
    return 1 - (total - 1) * observed / expected


def _distance(one: int, other: int, marginals: Sequence[int], numbers: Sequence[float], scale: Scale) -> float:
    """The squared difference of two values, of which the first is smaller."""
    if scale == "nominal":
        return 1.0
    if scale == "interval":
        return (numbers[one] - numbers[other]) ** 2
    # As many ranks apart as labels lie between them.
    return (sum(marginals[one : other + 1]) - (marginals[one] + marginals[other]) / 2) ** 2


def _interval(
    counted: Patterns, numbers: Sequence[float], scale: Scale, seed: int
) -> tuple[float, float] | tuple[None, None]:
    """The middle 95 % over resamples of the items; those in which nothing varies have no alpha.

    Each item comes a Poisson number of times (Hanley and MacGibbon, 2006), so that resampling costs what there are of
    patterns, not of items.
    """
    generator = random.Random(seed)  # noqa: S311 - statistics, not secrets
    drawn = (
        _alpha(Counter({pattern: _poisson(often, generator) for pattern, often in counted.items()}), numbers, scale)
        for _ in range(DRAWS)
    )
    found = sorted(alpha for alpha in drawn if alpha is not None)
    if len(found) < DRAWS / 2:
        return None, None
    return found[round(0.025 * len(found))], found[round(0.975 * len(found)) - 1]


def _poisson(mean: float, generator: random.Random) -> int:
    """Knuth's method, and a normal number where that is as good."""
    if mean > NEARLY_NORMAL:
        return max(0, round(generator.gauss(mean, sqrt(mean))))
    product, times, least = generator.random(), 0, exp(-mean)
    while product > least:
        product *= generator.random()
        times += 1
    return times
