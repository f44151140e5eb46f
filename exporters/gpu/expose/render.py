"""Values to exposition text: one template, filled at every reading and made anew only when a series comes or goes."""

from __future__ import annotations

from collections.abc import Sequence

from exporters.gpu.expose import dcgm
from exporters.gpu.series import Entity, Key, Values, header
from telltale.catalogue.gpu import DEVICE


class Template:
    """The text of a page with placeholders, and where each one's value is found."""

    def __init__(self, lines: Sequence[str], placeholders: Sequence[tuple[Values, Key]]) -> None:
        self._text = "".join(lines)
        self._placeholders = tuple(placeholders)

    def fill(self) -> bytes:
        return (self._text % tuple([values[key] for values, key in self._placeholders])).encode()


class Renderer:
    """Renders the native page and the DCGM page of the same GPUs and MIG instances."""

    def __init__(self, extra: str = "") -> None:
        self._extra = extra
        self._shape: object = None
        self._native = Template((), ())
        self._compat: tuple[str, list[dcgm.Placeholder]] = "", []

    def render(self, entities: Sequence[Entity]) -> tuple[bytes, bytes]:
        shape = [(entity.labels, entity.dcgm_labels, id(entity.values), tuple(entity.values)) for entity in entities]
        if shape != self._shape:
            self._native = self._compile(entities)
            self._compat = dcgm.compile_page(entities, self._extra)
            self._shape = shape
        return self._native.fill(), dcgm.fill(*self._compat)

    def _compile(self, entities: Sequence[Entity]) -> Template:
        lines: list[str] = []
        placeholders: list[tuple[Values, Key]] = []
        by_family = [_by_family(entity.values) for entity in entities]
        for metric in DEVICE:
            families = [(entity, keys.get(metric.name, ())) for entity, keys in zip(entities, by_family, strict=True)]
            series = [(entity, key) for entity, keys in families for key in keys]
            if series:
                lines.append(header(metric))
            for entity, key in series:
                labels = (entity.labels + key[1] + self._extra).replace("%", "%%")
                lines.append(f"{metric.name}{{{labels}}} %s\n")
                placeholders.append((entity.values, key))
        return Template(lines, placeholders)


def _by_family(values: Values) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for key in values:
        found.setdefault(key[0], []).append(key)
    return found
