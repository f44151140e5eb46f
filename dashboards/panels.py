"""Panels as Grafana's classic JSON. Each says what it shows, which metric it reads, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dashboards import style
from dashboards.query import SOURCE, Query, metrics, targets
from dashboards.style import Json


@dataclass(frozen=True, slots=True)
class About:
    """What a panel shows, and what to do when it looks bad."""

    what: str
    do: str

    def text(self, queries: Sequence[Query]) -> str:
        names = ", ".join(f"`{name}`" for name in metrics(queries))
        return f"{self.what}\n\nMetric: {names}\n\nTo do: {self.do}"


@dataclass(frozen=True, slots=True)
class Look:
    """How values are shown. `unit` is Grafana's name of it."""

    unit: str
    thresholds: Json = field(default_factory=style.plain)
    mappings: Sequence[Json] = ()
    overrides: Sequence[Json] = ()
    decimals: int | None = None
    low: float | None = 0.0
    high: float | None = None
    none: str = ""
    link: str = ""
    link_title: str = ""

    def defaults(self, custom: Mapping[str, Any]) -> Json:
        optional = {"decimals": self.decimals, "min": self.low, "max": self.high, "noValue": self.none or None}
        return {
            "unit": self.unit,
            "thresholds": self.thresholds,
            "mappings": list(self.mappings),
            "links": [{"title": self.link_title, "url": self.link, "targetBlank": False}] if self.link else [],
            **{name: value for name, value in optional.items() if value is not None},
            "custom": dict(custom),
        }


def stat(title: str, about: About, look: Look, query: Query, *, width: int = 3, height: int = 4) -> Json:
    """One number, coloured where it judges; by its legend, where the query has one, several with their names."""
    judged = len(look.thresholds["steps"]) > 1 or bool(look.mappings)
    options = {
        "colorMode": "value" if judged else "none",
        "graphMode": "none",
        "justifyMode": "auto",
        "textMode": "value_and_name" if query.legend else "value",
        "wideLayout": True,
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return _panel("stat", title, about, look, [query], options, width, height, color={"mode": "thresholds"})


def lines(
    title: str,
    about: About,
    look: Look,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    legend: Literal["below", "beside"] = "below",
    stacked: bool = False,
    repeat: str = "",
) -> Json:
    """Values over time, one line per series."""
    bounded = any(step["value"] is not None for step in look.thresholds["steps"])
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 25 if stacked else 8,
        "gradientMode": "none",
        "lineInterpolation": "linear",
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if bounded else "off"},
        "axisPlacement": "auto",
        # A flat line at zero must not get an axis up to 10000 %.
        **({"axisSoftMax": 0.1} if look.unit == "percentunit" else {}),
    }
    options = {
        "legend": _legend(legend == "beside"),
        "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": stacked},
    }
    panel = _panel("timeseries", title, about, look, queries, options, width, height, custom=custom)
    return panel | ({"repeat": repeat, "repeatDirection": "h", "maxPerRow": 3} if repeat else {})


def states(title: str, about: About, look: Look, *queries: Query, width: int = 24, height: int = 8) -> Json:
    """States over time, one band per series."""
    custom = {"fillOpacity": 75, "lineWidth": 0}
    options = {
        "mergeValues": True,
        "showValue": "never",
        "alignValue": "left",
        "rowHeight": 0.85,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none", "hideZeros": False},
    }
    panel = _panel("state-timeline", title, about, look, queries, options, width, height, custom=custom)
    panel["fieldConfig"]["defaults"]["color"] = {"mode": "thresholds"}
    return panel


def bars(title: str, about: About, look: Look, query: Query, *, width: int = 12, height: int = 8) -> Json:
    """The newest value of each series as a bar."""
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "text",
        "namePlacement": "auto",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizHeight": 16,
        "minVizWidth": 8,
        "maxVizHeight": 40,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
    }
    return _panel("bargauge", title, about, look, [query], options, width, height, color={"mode": "thresholds"})


def table(
    title: str,
    about: About,
    look: Look,
    columns: Mapping[str, str],
    *queries: Query,
    width: int = 24,
    height: int = 8,
    sort: str = "",
    ascending: bool = False,
) -> Json:
    """Rows from the newest values. `columns` maps field to heading, in order; all other fields are hidden.

    With several queries the value of query A is the field `Value #A`, with one it is `Value`.
    """
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False, "minWidth": 60}
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [{"displayName": sort, "desc": not ascending}] if sort else [],
    }
    by_threshold = {"mode": "thresholds"}
    panel = _panel("table", title, about, look, queries, options, width, height, color=by_threshold, custom=custom)
    merge: list[Json] = [{"id": "merge", "options": {}}] if len(queries) > 1 else []
    order = {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}}
    rename = {
        "id": "organize",
        "options": {
            "excludeByName": {},
            "indexByName": {name: index for index, name in enumerate(columns)},
            "renameByName": dict(columns),
        },
    }
    return panel | {"transformations": [*merge, order, rename]}


def _legend(beside: bool) -> Json:
    shape: Json = {"displayMode": "list", "placement": "bottom", "calcs": []}
    if beside:
        # A table with numbers, for more series than fit below.
        shape = {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"], "width": 420}
    return shape | {"showLegend": True}


def _panel(
    kind: str,
    title: str,
    about: About,
    look: Look,
    queries: Sequence[Query],
    options: Json,
    width: int,
    height: int,
    color: Json | None = None,
    custom: Mapping[str, Any] | None = None,
) -> Json:
    defaults = look.defaults(custom or {})
    defaults["color"] = color or {"mode": "palette-classic"}
    return {
        "type": kind,
        "title": title,
        "description": about.text(queries),
        "datasource": SOURCE,
        "gridPos": {"w": width, "h": height},
        "fieldConfig": {"defaults": defaults, "overrides": list(look.overrides)},
        "options": options,
        "targets": targets(queries),
    }
