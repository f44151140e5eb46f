"""Values to exposition text: one template, filled at every reading and made anew only when a series comes or goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporters.gpu.expose import dcgm
from exporters.gpu.nvml.table import Key
from telltale.catalogue_gpu import DEVICE, Row


class Unit(NamedTuple):
    """A GPU or MIG instance: labels of its native and DCGM series, and its values."""

    labels: str
    dcgm_labels: str
    values: dict[Key, float]


class Template:
    """The text of a page with holes, and where each hole's value is found."""

    def __init__(self, lines: Sequence[str], holes: Sequence[tuple[dict[Key, float], Key]]) -> None:
        self._text = "".join(lines)
        self._holes = tuple(holes)

    def fill(self) -> bytes:
        return (self._text % tuple([values[key] for values, key in self._holes])).encode()


class Renderer:
    """Renders the native page and the DCGM page of the same units."""

    def __init__(self, extra: str = "") -> None:
        self._extra = extra
        self._shape: object = None
        self._native = Template((), ())
        self._compat: tuple[str, list[dcgm.Hole]] = "", []

    def render(self, units: Sequence[Unit]) -> tuple[bytes, bytes]:
        shape = [(unit.labels, unit.dcgm_labels, id(unit.values), tuple(unit.values)) for unit in units]
        if shape != self._shape:
            self._native = self._compile(units)
            self._compat = dcgm.compile_page(units, self._extra)
            self._shape = shape
        return self._native.fill(), dcgm.fill(*self._compat)

    def _compile(self, units: Sequence[Unit]) -> Template:
        lines: list[str] = []
        holes: list[tuple[dict[Key, float], Key]] = []
        by_family = [_by_family(unit.values) for unit in units]
        for row in DEVICE:
            series = [(unit, key) for unit, keys in zip(units, by_family, strict=True) for key in keys.get(row[0], ())]
            if series:
                lines.append(header(row))
            for unit, key in series:
                labels = (unit.labels + key[1] + self._extra).replace("%", "%%")
                lines.append(f"{row[0]}{{{labels}}} %s\n")
                holes.append((unit.values, key))
        return Template(lines, holes)


def header(row: Row) -> str:
    return f"# HELP {row[0]} {row[4]}\n# TYPE {row[0]} {row[1]}\n".replace("%", "%%")


def family(row: Row, samples: Iterable[tuple[str, float]]) -> str:
    """A whole family in exposition text; '' without samples. Labels are written out, without braces."""
    lines = [f"{row[0]}{{{labels}}} {value}\n" if labels else f"{row[0]} {value}\n" for labels, value in samples]
    return f"# HELP {row[0]} {row[4]}\n# TYPE {row[0]} {row[1]}\n{''.join(lines)}" if lines else ""


def _by_family(values: dict[Key, float]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for key in values:
        found.setdefault(key[0], []).append(key)
    return found
