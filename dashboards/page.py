"""A dashboard from its rows: grid, ids, variables, annotations and links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboards.query import SOURCE
from dashboards.style import Json

SCHEMA = 41
COLUMNS = 24
TAG = "telltale"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one heading, flowing from left to right. Without a title the heading is left out."""

    title: str
    panels: Sequence[Json]
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the page: the values of `label` in `series`."""

    name: str
    heading: str
    series: str
    label: str
    several: bool = True
    matches_absent: bool = False

    def json(self) -> Json:
        query = f"label_values({self.series}, {self.label})"
        every: Json = {
            "allValue": ".*" if self.matches_absent else ".+",
            "current": {"text": ["All"], "value": ["$__all"]},
        }
        return {
            "type": "query",
            "name": self.name,
            "label": self.heading,
            "datasource": SOURCE,
            "definition": query,
            "query": {"query": query, "refId": "StandardVariableQuery", "qryType": 5},
            "refresh": 2,
            "sort": 1,
            "regex": "",
            "hide": 0,
            "multi": self.several,
            "includeAll": self.several,
            "options": [],
            **(every if self.several else {}),
        }


def choice(name: str, heading: str, values: Sequence[str], default: str) -> Json:
    """A choice among fixed values."""
    return {
        "type": "custom",
        "name": name,
        "label": heading,
        "query": ",".join(values),
        "options": [{"text": value, "value": value, "selected": value == default} for value in values],
        "current": {"text": default, "value": default},
        "multi": False,
        "includeAll": False,
        "hide": 0,
    }


def dashboard(
    uid: str,
    title: str,
    about: str,
    variables: Iterable[Variable | Json],
    rows: Sequence[Row],
    pages_url: str,
    span: str = "now-1h",
) -> Json:
    """The whole page. `pages_url` is where Telltale's own pages are; `span` the range that is shown first."""
    listed = [value.json() if isinstance(value, Variable) else value for value in variables]
    return {
        "id": None,
        "uid": uid,
        "title": title,
        "description": about,
        "tags": [TAG],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "refresh": "30s",
        "timezone": "",
        "time": {"from": span, "to": "now"},
        "timepicker": {},
        "templating": {"list": [_datasource(), *listed]},
        "annotations": {"list": events()},
        "links": links(pages_url),
        "panels": place(rows),
    }


def place(rows: Sequence[Row]) -> list[Json]:
    """Put panels on the grid, from left to right and from top to bottom, and number them."""
    placed: list[Json] = []
    top = 0
    for row in rows:
        heading, inner, top = _row(row, top)
        if heading and row.collapsed:
            placed.append(heading | {"panels": inner})
        else:
            placed += [heading, *inner] if heading else inner
    number = 0
    for panel in placed:
        for one in (panel, *(panel.get("panels") or [])):
            number += 1
            one["id"] = number
    return placed


def events() -> list[Json]:
    """Events on every graph: alerts that begin to fire, tickets that open, versions that appear."""
    firing = 'ALERTS{alertstate="firing",severity!="info"}'
    seen = '{__name__=~"gen_ai_(client_operation|server_request)_duration_seconds_count"}'
    version = f"count by (gen_ai_request_model, gen_ai_response_model) ({seen}"
    known = f"count by (gen_ai_request_model) ({seen}"
    opened = 'telltale_tickets{state="open"}'
    return [
        _annotation(
            "Alerts", "red", f"{firing} unless {firing} offset 1m", "{{alertname}} {{model}} {{version}}", "alert"
        ),
        _annotation("Tickets", "orange", f"{opened} - {opened} offset 1m > 0", "Ticket opened: {{lane}}", "ticket"),
        _annotation(
            "Versions",
            "blue",
            f"{version}) unless {version} offset 1m)\n  and on (gen_ai_request_model) {known} offset 1m)",
            "{{gen_ai_request_model}} now served by {{gen_ai_response_model}}",
            "version",
        ),
    ]


def links(pages_url: str) -> list[Json]:
    """To the other dashboards, with time and choices kept, and to Telltale's own pages."""
    plain = {"icon": "external link", "tooltip": "", "targetBlank": True, "keepTime": False, "includeVars": False}
    return [
        {
            "type": "dashboards",
            "title": "Dashboards",
            "tags": [TAG],
            "asDropdown": True,
            "keepTime": True,
            "includeVars": True,
            "icon": "dashboard",
            "targetBlank": False,
            "tooltip": "",
            "url": "",
        },
        {
            "type": "link",
            "title": "Tickets and feedback",
            "url": f"{pages_url}/",
            "tags": [],
            "asDropdown": False,
            **plain,
        },
    ]


def _row(row: Row, top: int) -> tuple[Json | None, list[Json], int]:
    heading: Json | None = None
    if row.title:
        heading = {
            "type": "row",
            "title": row.title,
            "collapsed": row.collapsed,
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        top += 1
    left = height = 0
    below = top
    inner: list[Json] = []
    for panel in row.panels:
        size = panel["gridPos"]
        if left + size["w"] > COLUMNS:
            left, below, height = 0, below + height, 0
        inner.append(panel | {"gridPos": {"x": left, "y": below, "w": size["w"], "h": size["h"]}})
        left += size["w"]
        height = max(height, size["h"])
    # A collapsed row's panels take no room until it is opened.
    return heading, inner, top if row.collapsed else below + height


def _datasource() -> Json:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
    }


def _annotation(name: str, color: str, expr: str, text: str, tag: str) -> Json:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "step": "15s",
        "titleFormat": text,
        "textFormat": "",
        "tagKeys": "severity" if tag == "alert" else "",
        "useValueForTime": False,
    }
