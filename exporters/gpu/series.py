"""A series inside the exporter, a key among the values of its GPU or MIG instance, and how it is written out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from telltale.catalogue.metric import Metric

Key = tuple[str, str]
"""(family, labels): the family's name in the catalogue and the labels beside the GPU's own, written out.

A family that begins with `_` has no series of its own; only the DCGM page reads it.
"""

Values = dict[Key, float]


class Entity(NamedTuple):
    """A GPU or MIG instance: the labels of its series, native and on the DCGM page, and its values."""

    labels: str
    dcgm_labels: str
    values: Values


@lru_cache(4096)
def label(name: str, value: object) -> str:
    """`,name="value"`, escaped as the exposition format requires."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f',{name}="{text}"'


def header(metric: Metric) -> str:
    """The head of a family, in a text that is filled with `%`."""
    return _head(metric).replace("%", "%%")


def family(metric: Metric, samples: Iterable[tuple[str, float]]) -> str:
    """A whole family in exposition text; '' without samples. Labels are written out, without braces."""
    name = metric.name
    lines = [f"{name}{{{labels}}} {value}\n" if labels else f"{name} {value}\n" for labels, value in samples]
    return _head(metric) + "".join(lines) if lines else ""


def _head(metric: Metric) -> str:
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
