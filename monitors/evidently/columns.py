"""Which columns Evidently compares, cleaned, each with its method and threshold; pure.

They are named for every column, because Evidently's defaults change with the number of rows. One column that it cannot
compare would end the whole report, so what is known to do that is left out before, and named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from monitors.descriptors import FLAGS, NAMES, describe
from monitors.evidently.exchange import LeftOut, Texts
from monitors.properties import FAULTS
from monitors.refusals import is_refusal

Kind = Literal["number", "flag", "text"]
Cell = float | str | None

# What the monitors find in single texts, beside how these look.
FOUND: Final[Mapping[str, Callable[[str], object]]] = {**FAULTS, "refusal": is_refusal}
KINDS: Final[Mapping[str, Kind]] = {name: "flag" if name in (*FLAGS, *FOUND) else "number" for name in (*NAMES, *FOUND)}
"""Our columns by name."""

P_VALUE: Final = 0.01
DISTANCE: Final = 0.1
P_VALUES: Final = ("ks", "z")
"""Methods whose score is a p-value: drift is detected below the threshold, of all others above it."""
TEXT_METHOD: Final = "abs_text_content_drift"
TEXT_THRESHOLD: Final = 0.55
# Below it Evidently simulates its threshold for seconds, and sees nothing under a change of a fifth of all texts.
TEXT_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of both sides. Numbers are finite, flags `0` or `1`, texts without what ends Evidently."""

    name: str
    kind: Kind
    method: str
    current: tuple[Cell, ...]
    reference: tuple[Cell, ...]

    @property
    def threshold(self) -> float:
        return TEXT_THRESHOLD if self.kind == "text" else P_VALUE if self.method in P_VALUES else DISTANCE


Sides = tuple[Sequence[Cell], Sequence[Cell]]


def of_texts(texts: Texts, numbers: str, flags: str) -> tuple[list[Column], list[LeftOut]]:
    """What we describe of texts; what cannot be compared comes back with the reason."""
    now, before = (_described(side) for side in (texts.current, texts.reference))
    methods = {name: numbers if kind == "number" else flags for name, kind in KINDS.items()}
    return cleaned({name: (now[name], before[name]) for name in KINDS}, KINDS, methods)


def _described(texts: Sequence[str]) -> Mapping[str, Sequence[Cell]]:
    rows = [describe(text) for text in texts]
    sizes = {name: [row[place] for row in rows] for place, name in enumerate(NAMES)}
    return sizes | {name: [float(bool(has(text))) for text in texts] for name, has in FOUND.items()}


def cleaned(
    found: Mapping[str, Sides], kinds: Mapping[str, Kind], methods: Mapping[str, str]
) -> tuple[list[Column], list[LeftOut]]:
    """Columns of these names, and which cannot be compared: Evidently raises where a side has no value."""
    columns, left_out = [], []
    for name, (current, reference) in found.items():
        kind = kinds[name]
        now, before = (tuple([_cell(value, kind) for value in side]) for side in (current, reference))
        lacking = [
            side for side, cells in (("window", now), ("reference", before)) if all(cell is None for cell in cells)
        ]
        if lacking:
            left_out.append(LeftOut(name, f"no values in the {' and the '.join(lacking)}"))
        else:
            columns.append(Column(name, kind, methods[name], now, before))
    return columns, left_out


def the_texts(texts: Texts) -> tuple[list[Column], list[LeftOut]]:
    """The texts themselves, where both sides have enough of them."""
    least = min(len(texts.current), len(texts.reference))
    if least <= TEXT_ROWS:
        why = f"Evidently's drift of texts needs more than {TEXT_ROWS} rows on each side, there are {least}"
        return [], [LeftOut("text", why)]
    return cleaned({"text": (texts.current, texts.reference)}, {"text": "text"}, {"text": TEXT_METHOD})


def readable(text: str) -> str:
    """The text without what cannot be written as UTF-8, and without NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _cell(value: Cell, kind: Kind) -> Cell:
    """None for what is missing. What is not finite is."""
    if value is None:
        return None
    if kind == "text":
        return readable(str(value)) or None
    number = float(value)
    if not math.isfinite(number):
        return None
    return str(int(number != 0)) if kind == "flag" else number
