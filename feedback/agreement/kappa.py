"""Cohen's kappa of two people, or of a person and a judge: agreement beyond what their habits alone would give.

Cohen, "A Coefficient of Agreement for Nominal Scales" (1960); with weights, "Weighted Kappa" (1968).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from feedback.agreement.ratings import Value

Weights = Literal["none", "linear", "quadratic"]


def kappa(pairs: Sequence[tuple[Value, Value]], order: Sequence[Value], weights: Weights = "none") -> float | None:
    """Of both people's labels of the same items; `order` ranks the values. None where chance alone gives agreement.

    `quadratic` is the usual choice for ranks: the further apart, the worse. Raises KeyError for a value that `order`
    lacks.
    """
    place = {value: number for number, value in enumerate(order)}
    cells = Counter((place[one], place[other]) for one, other in pairs)
    rows, columns = (Counter[int](), Counter[int]())
    for (one, other), often in cells.items():
        rows[one] += often
        columns[other] += often
    observed = sum(often * _weight(one, other, weights) for (one, other), often in cells.items())
    expected = sum(
        often * seldom * _weight(one, other, weights)
        for one, often in rows.items()
        for other, seldom in columns.items()
    )
    return 1 - len(pairs) * observed / expected if expected else None


def _weight(one: int, other: int, weights: Weights) -> int:
    apart = abs(one - other)
    return int(apart > 0) if weights == "none" else apart if weights == "linear" else apart * apart
