"""Which series there are: a model's versions, and what `monitor.series` splits them into; the rest is `other`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from telltale.records import Series
from telltale.settings import Split
from telltale.store.traffic import OTHER, Part

TENANT = "tenant"


def names(splits: Sequence[Split]) -> tuple[str, ...]:
    """All attributes that series are split by."""
    return tuple(dict.fromkeys(name for split in splits for name in split.by))


class SeriesTable:
    """The series that are judged, each with the part of the traffic that it is.

    The first values of an attribute get series of their own, up to the split's `most`; what comes later is one series,
    `other`. `folded` counts the rows that had none of their own, by model.
    """

    def __init__(self, splits: Sequence[Split], most: int) -> None:
        self._splits = splits
        self._names = names(splits)
        self._most = most
        self._values: dict[Series, dict[str, str]] = {}
        self._own: dict[tuple[int, str, str], dict[tuple[str, ...], Series]] = defaultdict(dict)
        self._others: dict[Series, tuple[int, str, str]] = {}
        self.folded: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Series]:
        return iter(list(self._values))

    def __contains__(self, series: Series) -> bool:
        return series in self._values

    def of(self, model: str, version: str, told: Sequence[str | None], rows: int = 1) -> list[Series]:
        """The series that rows with these values of `names` belong to; none where there is no room for one more."""
        given = dict(zip(self._names, told, strict=True))
        found = [self._admit(Series(model, version), {}, rows)]
        for place, split in enumerate(self._splits):
            own = {name: given[name] or "" for name in split.by}
            if all(own.values()) and any(fnmatchcase(model, pattern) for pattern in split.models):
                found.append(self._split((place, model, version), own, rows))
        return [series for series in found if series is not None]

    def part(self, series: Series) -> Part:
        """The part of the traffic that a series is."""
        split = self._others.get(series)
        if split is None:
            # A person may name a series that had no rows lately.
            values = self._values.get(series, series.attributes)
            return Part(series.model, series.version, values)
        by = self._splits[split[0]].by
        return Part(series.model, series.version, {}, [dict(zip(by, own, strict=True)) for own in self._own[split]])

    def keep(self, series: Collection[Series]) -> None:
        """Forget all others: there is room again for what comes."""
        self._values = {one: values for one, values in self._values.items() if one in series}
        self._others = {one: split for one, split in self._others.items() if one in series}
        for split, own in list(self._own.items()):
            self._own[split] = {key: one for key, one in own.items() if one in series}
            if not self._own[split]:
                del self._own[split]

    def _split(self, split: tuple[int, str, str], own: dict[str, str], rows: int) -> Series | None:
        known, key = self._own[split], tuple(own.values())
        if key in known:
            return known[key]
        series = _named(*split[1:], own)
        if len(known) < self._splits[split[0]].most and (admitted := self._admit(series, own, 0)) is not None:
            known[key] = admitted
            return admitted
        self.folded[split[1]] += rows
        other = self._admit(_named(*split[1:], dict.fromkeys(own, OTHER)), own, 0)
        if other is not None:
            self._others[other] = split
        return other

    def _admit(self, series: Series, values: dict[str, str], rows: int) -> Series | None:
        if series not in self._values:
            if len(self._values) >= self._most:
                self.folded[series.model] += rows
                return None
            self._values[series] = values
        return series


def _named(model: str, version: str, values: Mapping[str, str]) -> Series:
    segment = ",".join(f"{name}={_written(value)}" for name, value in values.items() if name != TENANT)
    return Series(model, version, values.get(TENANT, ""), segment)


def _written(value: str) -> str:
    """So that a value that holds what separates values is still one."""
    return value.replace("%", "%25").replace(",", "%2C").replace("=", "%3D")
