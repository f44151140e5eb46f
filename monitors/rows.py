"""What is judged: rows of one series as columns, and the two sides of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from telltale.conversation import Conversation
from telltale.records import Basis, Direction, Score, Series

Features = Mapping[str, NDArray[Any]]
"""What a monitor compares of each row, as arrays by name; a reference keeps them."""

SPACE: Final = "space"
"""Of features: which space their vectors are of, where that is not the same for all windows."""
# Of the texts of a window or a reference so many need a vector, where calls bring vectors along.
LEAST_PLACED: Final = 0.9


@dataclass(frozen=True, slots=True)
class Rows:
    """Calls, or votes on calls, of one series, as columns in order of time.

    All columns are as long as `ids`, but those that nobody asked for, which are empty. `None` is what is not known.

    - `ids` are the samples', `times` Unix seconds: of a call its end, of a vote when it was received.
    - `groups` names what each row belongs together with: rows of a group are not independent of each other.
    - `weights` say how many calls a row stands for; they are positive.
    - `texts` by direction, redacted; an empty text is an empty answer.
    - `numbers`: tokens, seconds. `categories`: status, finish reason, language and others. `attributes`: the rest.
    - `votes` are 1 for a negative vote and 0 for any other; of calls, None where nobody voted.
    - `vectors` by direction: one row of numbers for each text, where texts come with them.
    - `spaces` by direction, where calls bring vectors along: what made each text's; None where it has none.
    - `conversations`: whole ones, for monitors that ask for them.
    """

    ids: tuple[int, ...] = ()
    times: tuple[float, ...] = ()
    groups: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    texts: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    numbers: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    categories: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    attributes: tuple[Mapping[str, str], ...] = ()
    votes: tuple[int | None, ...] = ()
    conversations: tuple[Conversation, ...] = ()
    vectors: Mapping[str, NDArray[np.float16]] = field(default_factory=dict)
    spaces: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: Sequence[int]) -> Rows:
        """The rows at these places."""

        def of(column: Any) -> Any:
            if isinstance(column, Mapping):
                return {name: of(values) for name, values in column.items()}
            if isinstance(column, np.ndarray):
                return column[list(places)]
            return tuple([column[place] for place in places]) if column else ()

        taken: dict[str, Any] = {one.name: of(getattr(self, one.name)) for one in fields(self)}
        return replace(self, **taken)

    def judged(self, direction: Direction, *, placed: bool = False) -> Rows:
        """The rows that tell anything of that direction: those with a text, or all votes.

        `placed`: where calls bring vectors along, only those whose text has one. None where a good part has none, for
        which those are is no chance.
        """
        column = self.texts.get(direction)
        if direction == "feedback" or column is None:
            return self
        spaces = self.spaces.get(direction) if placed else None
        if spaces is not None and not self.is_placed(direction):
            return self.take([])
        return self.take(
            [
                place
                for place, text in enumerate(column)
                if text is not None and (spaces is None or spaces[place] is not None)
            ]
        )

    def placed(self, direction: Direction) -> tuple[int, int]:
        """How many texts there are, and how many of them have the vectors that calls brought along."""
        texts = [place for place, text in enumerate(self.texts.get(direction, ())) if text is not None]
        spaces = self.spaces.get(direction)
        return len(texts), len(texts) if spaces is None else sum(spaces[place] is not None for place in texts)

    def is_placed(self, direction: Direction) -> bool:
        """Whether enough of the texts have such vectors."""
        texts, found = self.placed(direction)
        return found >= LEAST_PLACED * texts


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: `features` of its rows, with their groups and weights."""

    groups: tuple[str, ...]
    weights: NDArray[np.float64]
    features: Features

    def __len__(self) -> int:
        return len(self.groups)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a monitor judges: a window of one series and direction against its reference.

    `factors` are learned from the reference: by how much, at least 1, a feature of that name differs between the
    reference's own blocks beyond chance. `earlier` are the monitor's scores of windows before this one against the
    same reference, oldest first.
    """

    series: Series
    basis: Basis
    direction: Direction
    start: float
    end: float
    current: Side
    reference: Side
    factors: Mapping[str, float] = field(default_factory=dict)
    earlier: tuple[Score, ...] = ()


def side(rows: Rows, features: Features) -> Side:
    """Rows with what is compared of them; their weights are 1 on average."""
    weights = np.asarray(rows.weights, dtype=np.float64)
    return Side(rows.groups, weights / weights.mean() if weights.size else weights, features)
