"""Which rows show a change: a number for each row, by which an explanation counts, dates and places it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.rows import Side
from telltale.evidence.explanation import Unit


@dataclass(frozen=True, slots=True)
class Mark:
    """What of each row shows a change.

    `of` gives it for each row of a side that its monitor described: 1 where the row has it and 0 where not (`percent`),
    or a size (`number`). `name` ends the sentence "12 % of the prompts ..." (`percent`), or says what there is so much
    of (`number`). `lead` says what was found where the mark is only the largest part of it.
    """

    name: str
    unit: Unit
    of: Callable[[Side], NDArray[Any]]
    lead: str = ""

    def values(self, side: Side) -> NDArray[np.float64]:
        """`of` as numbers; what is no number counts as 0."""
        return np.nan_to_num(np.asarray(self.of(side), dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
