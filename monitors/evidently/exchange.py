"""What goes into the process that makes a report, and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Preset = Literal["drift", "summary", "text_evals"]


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a window and of what it is compared with; an empty one is an empty answer."""

    current: Sequence[str]
    reference: Sequence[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report shall hold: `numbers` and `flags` are the methods for columns of each kind.

    `text_drift`: compare the texts themselves too, where there are enough; the report then quotes some of them.
    """

    texts: Texts
    presets: Sequence[Preset] = ("drift", "summary")
    numbers: str = "ks"
    flags: str = "z"
    text_drift: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a report, by Evidently's name of its metric; `column` is empty where it is of all rows.

    `method`, `threshold` and `detected`, which is Evidently's own decision, are those of its drift tests.
    """

    metric: str
    column: str
    value: float
    method: str = ""
    threshold: float | None = None
    detected: bool | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the report does not hold, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """All numbers of a report. `rows` are those of the window and of its reference."""

    values: Sequence[Value] = ()
    left_out: Sequence[LeftOut] = ()
    rows: tuple[int, int] = (0, 0)

    @property
    def drift(self) -> Sequence[Value]:
        """The results of Evidently's drift tests, one a column."""
        return [one for one in self.values if one.detected is not None]


@dataclass(frozen=True, slots=True)
class Made:
    """A report: Evidently's page and its numbers."""

    html: str
    numbers: Numbers
