"""What the monitors read of samples: which series there are, how many rows they have, and a draw of them.

Promoted calls are left out: they do not represent traffic. Texts are read of drawn rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)

from telltale.records import Sample
from telltale.store import samples as store
from telltale.store.schema import samples

OTHER: Final = "other"
"""The value of attributes in the series that holds what has no series of its own."""
COLUMNS: Final = frozenset(
    (
        *("tenant", "app", "environment", "agent_name", "agent_version", "prompt_name", "prompt_version"),
        *("language", "operation", "layer"),
    )
)
"""Attributes that every sample has; others are those that `sampling.attributes` keeps."""
# Knuth, The Art of Computer Programming 3, 6.4: multiples of the golden ratio spread evenly.
_GOLDEN: Final = 2654435761
_WORD: Final = 1 << 32
# Databases take a bounded number of values in one statement.
AT_ONCE: Final = 1000


class Arrived(NamedTuple):
    """How many sampled calls arrived of a model's version whose attributes have these values.

    Their calls ended in the `bin`-th stretch of time since 1970; `None` is an attribute that a call does not have.
    Of the `rows`, so many `went_well`.
    """

    model: str
    version: str
    values: tuple[str | None, ...]
    bin: int
    rows: int
    went_well: int


class Part(NamedTuple):
    """A part of a model's traffic: of one version, with the `values` that attributes have, without those `excluded`."""

    model: str
    version: str
    values: Mapping[str, str]
    excluded: Sequence[Mapping[str, str]] = ()


class Drawn(NamedTuple):
    """Rows that stand for `total` rows of their part; each has the number of calls that it stands for.

    `answers` is how many answers were recorded of each, empty ones too.
    """

    samples: list[Sample]
    weights: list[float]
    answers: list[int]
    total: int


def last_id(connection: Connection) -> int:
    """The newest sample's id; 0 when there is none."""
    return store.last_id(connection)


def first_id_since(connection: Connection, stored_at: float) -> int:
    """The id of the first sample that was stored since then: ids grow with time."""
    low, high = 1, store.last_id(connection) + 1
    while low < high:
        middle = (low + high) // 2
        query = select(samples.c.stored_at).where(samples.c.id >= middle).order_by(samples.c.id).limit(1)
        found = connection.execute(query).scalar()
        if found is not None and found < stored_at:
            low = middle + 1
        else:
            high = middle
    return low


def arrived(connection: Connection, names: Sequence[str], after_id: int, until_id: int, length: float) -> list[Arrived]:
    """What arrived with ids in (after_id, until_id], by these attributes and by stretches of `length` seconds."""
    stretch = _stretch(connection, length)
    values = [attribute(name) for name in names]
    keys = [samples.c.model, samples.c.version, *values, stretch]
    query = (
        select(*keys, func.count(), func.sum(case((samples.c.status == "ok", 1), else_=0)))
        .where(samples.c.id > after_id, samples.c.id <= until_id, samples.c.inclusion_probability.is_not(None))
        .group_by(*(literal_column(str(place)) for place in range(1, len(keys) + 1)))
    )
    return [
        Arrived(row[0], row[1], tuple(row[2:-3]), *(int(number) for number in row[-3:]))
        for row in connection.execute(query)
    ]


def draw(
    connection: Connection, part: Part, since: float, until: float, most: int, seed: int, *, whole: bool = False
) -> Drawn:
    """At most `most` of the part's calls that ended in [since, until), in proportion to the calls they stand for.

    Sequential Poisson sampling (Ohlsson, Journal of Official Statistics 14, 1998): rows in the order of a random number
    times the probability with which they were kept. The same seed draws the same rows. `whole`: with conversations.
    """
    where = _conditions(part, since, until)
    kept = samples.c.inclusion_probability
    total, calls = connection.execute(select(func.count(), func.sum(1.0 / kept)).where(where)).one()
    query = select(samples.c.id).where(where)
    if total > most:
        query = query.order_by(_random(seed) * kept, samples.c.id).limit(most)
    pairs = _load(connection, query, whole)
    found = [sample for sample, _ in pairs]
    weights = [1.0 / (sample.inclusion_probability or 1.0) for sample in found]
    spread_out = spread(weights, float(calls)) if total > most else weights
    return Drawn(found, spread_out, [answers for _, answers in pairs], int(total))


def spread(weights: Sequence[float], calls: float) -> list[float]:
    """How many of all these calls each drawn row stands for; `weights` are those that the rows had before.

    They are equal: rows were drawn in proportion to their weights. But a row stands for no fewer than its own calls.
    """
    left, rows, found = calls, len(weights), list(weights)
    for place in sorted(range(rows), key=lambda place: -weights[place]):
        if weights[place] < left / rows:
            found[place] = left / rows
        else:
            left, rows = max(left - weights[place], 0.0), rows - 1
    return found


def _load(connection: Connection, query: Select[Any], whole: bool) -> list[tuple[Sample, int]]:
    ids = list(connection.scalars(query))
    found = [
        pair
        for begin in range(0, len(ids), AT_ONCE)
        for pair in store.with_answers(connection, ids[begin : begin + AT_ONCE], whole)
    ]
    return sorted(found, key=lambda pair: (pair[0].observed_at, pair[0].id or 0))


def _conditions(part: Part, since: float, until: float) -> ColumnElement[bool]:
    found = and_(
        samples.c.model == part.model,
        samples.c.version == part.version,
        samples.c.observed_at >= since,
        samples.c.observed_at < until,
        samples.c.inclusion_probability.is_not(None),
        *(attribute(name) == value for name, value in part.values.items()),
    )
    if part.excluded:
        named = (and_(*(attribute(name) == value for name, value in one.items())) for one in part.excluded)
        # A call without the attribute is none of those that are excluded.
        found = and_(found, not_(func.coalesce(or_(*named), False)))
    return found


def attribute(name: str) -> ColumnElement[str]:
    return samples.c[name] if name in COLUMNS else samples.c.attributes[name].as_string()


def _stretch(connection: Connection, length: float) -> ColumnElement[int]:
    # Times are after 1970, so cutting off is rounding down.
    share = samples.c.observed_at / literal(length)
    return cast(share if connection.dialect.name == "sqlite" else func.floor(share), BigInteger)


def _random(seed: int) -> ColumnElement[int]:
    """The same number, from 1 to 2**32, for the same sample and seed."""
    number = (samples.c.id + literal(seed, Integer)) % (1 << 31)
    return number * _GOLDEN % _WORD + 1
