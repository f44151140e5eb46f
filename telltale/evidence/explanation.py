"""What a score means, for people: what changed, by how much, since when, where. A sentence first, then its figures.

Times are Unix seconds, shares are in [0, 1]. What is not known is `None`, and the sentence says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["percent", "number"]
Where = Literal["concentrated", "even", "too_few", "unknown"]
"""`too_few`: no segment stands out, but so few rows show the change that none could."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How many rows show the change: their share, or the mean of a property; `name` says what of a row is looked at.

    `lower` and `upper` are the bounds of the 95 % interval of `current`: rows of one group count as what they are worth
    together.
    """

    name: str
    unit: Unit
    current: float
    lower: float
    upper: float
    reference: float
    rows: int
    groups: int
    reference_rows: int


@dataclass(frozen=True, slots=True)
class Onset:
    """When it began: the likeliest moment, and the bounds between which it lies with 95 % confidence.

    `p_value`: how often rows among which nothing changed look as changed. `rows` were looked at, from `since` on.
    """

    at: float
    earliest: float
    latest: float
    p_value: float
    rows: int
    since: float


@dataclass(frozen=True, slots=True)
class Segment:
    """What one value of an attribute adds to the change.

    `share_of_change` is of the whole change, below 0 where it works against it; those of all values of an attribute add
    up to 1. `grown` is the part of it that comes from the segment's own growth, the rest is what changed within it.
    `current` and `reference` are the measure within the segment, `reference` is None where it had no rows.
    """

    attribute: str
    value: str
    share_of_change: float
    share_of_rows: float
    reference_share_of_rows: float
    grown: float
    current: float
    reference: float | None
    rows: int
    p_value: float
    stands_out: bool


@dataclass(frozen=True, slots=True)
class Segments:
    """Where the change is: in some segments more than their size explains, evenly over all, or not known.

    `told_apart` names the attributes that were looked at: those with more than one value.
    """

    state: Where
    largest: tuple[Segment, ...] = ()
    tested: int = 0
    told_apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrase:
    """Two words in a row that are typical of the rows that show the change.

    `share` is of these rows; `elsewhere` of the rows of the other side: the reference's, or now's where something went.
    """

    phrase: str
    share: float
    elsewhere: float


@dataclass(frozen=True, slots=True)
class Theme:
    """A cluster of the rows that show the change, named by its words.

    `current` and `reference` are its shares of all rows of each side. Typical ones are ids of samples where it is new
    or has grown, and redacted texts of the reference where it is gone or has shrunk.
    """

    name: str
    turn: Literal["new", "grown", "shrunk", "gone"]
    current: float
    reference: float
    ids: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """`sentence` is plain text of bounded length. The rest is what it says, and more."""

    sentence: str
    measure: Measure | None = None
    onset: Onset | None = None
    segments: Segments | None = None
    phrases: tuple[Phrase, ...] = ()
    themes: tuple[Theme, ...] = ()
