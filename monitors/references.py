"""A reference: rows of a healthy span, checked, described by every monitor once, and what they learn of it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitors import calibration, checks, packing, seasons
from monitors.monitor import Monitor
from monitors.rows import Rows, Side, side
from telltale.records import Basis, Direction, Series
from telltale.store.references import Reference

EXAMPLES: Final = 8
AUTOMATIC: Final = "auto"
# A folder of rows beside what a monitor wrote of them.
ROWS: Final = "rows/"

Features = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Learned:
    """What a monitor compares of a reference for one direction, and by how much its features differ by themselves.

    `season` is in which it differs by the hours: `day`, `week` or none.
    """

    side: Side
    times: NDArray[np.float64]
    factors: Mapping[str, float]
    examples: tuple[str, ...]
    season: str = ""


def freeze(
    series: Series, basis: Basis, rows: Rows, begins_at: float, ends_at: float, now: float, *,
    monitors: Iterable[Monitor], least: int, made_by: str = "telltale", why: str = "", id: int | None = None,
    season: str = AUTOMATIC,
) -> Reference:  # fmt: skip
    """The reference that these rows give; bursts of one text are left out and named."""
    found = checks.repeated(rows) if basis == "calls" else []
    kept = checks.without_bursts(rows, found)
    features, restless = _described(kept, basis, monitors, least, season)
    content = zlib.compress(json.dumps(_columns(kept), ensure_ascii=False).encode("utf-8", "replace"), 6)
    told: dict[str, object] = {"repeated": checks.told(found, len(rows))} if found else {}
    return Reference(
        *series, basis, begins_at, ends_at, made_by, why,
        frozen_at=now,
        rows=len(kept),
        content=content,
        features=packing.packed(features),
        checks=told | ({"restless": restless} if restless else {}),
        is_current=True,
        id=id,
    )  # fmt: skip


def is_known(reference: Reference, monitors: Iterable[Monitor]) -> bool:
    """Whether the reference was described by all these monitors; what they wrote is not read."""
    if reference.features is None:
        return False
    names = packing.names(reference.features)
    return all(f"{_place(one, direction)}factors" in names for one in monitors for direction in one.directions)


def learned(reference: Reference, monitor: Monitor, direction: Direction) -> Learned | None:
    """What that monitor knows of the reference; None where it, or its method, did not exist when that was frozen."""
    if reference.features is None:
        return None
    own, common = _place(monitor, direction), f"rows/{direction}/"
    placed = f"{own}{ROWS}"
    stored = packing.unpacked(reference.features, (own, common, placed))
    if f"{own}factors" not in stored:
        return None
    common = placed if f"{placed}groups" in stored else common
    features = {
        name.removeprefix(own): array
        for name, array in stored.items()
        if name.startswith(own) and not name.startswith(placed)
    }
    names, values = features.pop("factors"), features.pop("factor_values")
    season = features.pop("season", None)
    return Learned(
        Side(tuple(stored[f"{common}groups"].tolist()), stored[f"{common}weights"], features),
        stored[f"{common}times"],
        dict(zip(names.tolist(), values.tolist(), strict=True)),
        tuple(stored[f"{common}examples"].tolist()),
        "" if season is None else str(season[0]),
    )


def rows(reference: Reference) -> Rows:
    """The rows themselves, for evidence and for monitors that are newer than the reference.

    Of a reference that an earlier version froze they are not known.
    """
    stored = json.loads(zlib.decompress(reference.content))
    columns: dict[str, Any] = {
        name: {key: tuple(values) for key, values in column.items()} if isinstance(column, dict) else tuple(column)
        for name, column in stored.items()
    }
    return Rows(**{field.name: columns[field.name] for field in fields(Rows) if field.name in columns})


def known_to(
    reference: Reference, monitors: Sequence[Monitor], others: Iterable[Monitor], least: int,
    complete: Callable[[Rows], Rows] = lambda rows: rows, season: str = AUTOMATIC,
) -> Reference:  # fmt: skip
    """The reference as these monitors know it, and all `others` that need no vectors.

    It is described anew where one of them is newer than it, or describes by a newer method; `complete` then adds to
    its rows what is not stored with it.
    """
    if reference.id is None or is_known(reference, monitors):
        return reference
    of_basis = [one for one in others if one.basis == reference.basis]
    chosen = [one for one in of_basis if one in monitors or not one.uses_vectors]
    features, _ = _described(complete(rows(reference)), reference.basis, chosen, least, season)
    return replace(reference, features=packing.packed(features))


def in_season(
    known: Learned, monitor: Monitor, start: float, end: float, season: str, least: int, wanted: int
) -> Learned:
    """The rows of the same hours of other days, or weeks, where there are enough of them; else all.

    By itself (`auto`) where the reference differs by the hours.
    """
    chosen = known.season if season == AUTOMATIC else season
    places = seasons.same_hours(known.times, start, end, chosen, least, wanted)
    if places is None:
        return known
    part = calibration.part(monitor, known.side, places, of=monitor.same_hours)
    return replace(known, side=part, times=known.times[places])


def _described(
    kept: Rows, basis: Basis, monitors: Iterable[Monitor], least: int, season: str
) -> tuple[Features, dict[str, list[str]]]:
    """Everything that monitors compare, by name, and which features differ by themselves."""
    found: Features = {}
    restless: dict[str, list[str]] = {}
    for monitor in monitors:
        for direction in monitor.directions if monitor.basis == basis else ():
            judged = kept.judged(direction, placed=monitor.uses_vectors)
            described = side(judged, monitor.describe(judged, direction))
            whole = replace(described, features=monitor.prepare(described))
            times = np.array(judged.times, dtype=np.float64)
            by = seasons.found(monitor, whole, times, basis, direction) if season == AUTOMATIC else ""
            factors = monitor.learn(
                seasons.blocks(monitor, whole, times, basis, direction, by)
                if by
                else calibration.blocks(monitor, whole, basis, direction, least)
            )
            own = _place(monitor, direction)
            # Those with a vector may be fewer than those that other monitors judge.
            common = f"{own}{ROWS}" if monitor.uses_vectors and kept.spaces else f"rows/{direction}/"
            found |= {f"{own}{name}": array for name, array in whole.features.items()}
            found[f"{own}factors"] = np.array(list(factors), dtype=str)
            found[f"{own}season"] = np.array([by], dtype=str)
            found[f"{own}factor_values"] = np.array(list(factors.values()), dtype=np.float64)
            found[f"{common}groups"] = np.array(whole.groups, dtype=str)
            found[f"{common}weights"] = whole.weights
            found[f"{common}times"] = times
            texts = [text for text in judged.texts.get(direction, ())[:EXAMPLES] if text]
            found[f"{common}examples"] = np.array(texts, dtype=str)
            if factors:
                restless[f"{monitor.name} {direction}"] = sorted(factors, key=lambda name: -factors[name])[:EXAMPLES]
    return found, restless


def _place(monitor: Monitor, direction: Direction) -> str:
    """What the names of its arrays begin with; what another method described has other names."""
    form = monitor.form()
    method = f".{form}" if form != "1" else ""
    return f"{monitor.name}{method}/{direction}/"


def _columns(kept: Rows) -> dict[str, Any]:
    """What is stored of rows: not whole conversations and vectors, which monitors have described."""
    described = ("conversations", "vectors", "spaces")
    return {field.name: getattr(kept, field.name) for field in fields(Rows) if field.name not in described}
