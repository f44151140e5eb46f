"""The house style, on every panel of every dashboard."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from dashboards.query import Query, metrics

Json = dict[str, Any]
LATENCY = ("time_to_first", "time_per_output_token", "duration_seconds")


def test_every_panel_has_title_unit_and_description(board: Json, every_panel: Any) -> None:
    for panel in every_panel(board):
        where = (board["title"], panel["title"])
        assert panel["title"], where
        assert panel["fieldConfig"]["defaults"]["unit"], where
        what, metric, action = panel["description"].split("\n\n")
        assert what.endswith("."), where
        assert action.startswith("To do: "), where
        assert action.endswith("."), where
        named = set(re.findall(r"`([\w:]+)`", metric))
        read = set(metrics([Query(target["expr"]) for target in panel["targets"]]))
        assert named == read != set(), where


def test_ids_are_unique_and_uids_are_fixed(boards: list[Json], every_panel: Any) -> None:
    for board in boards:
        everything = [panel for panel in board["panels"] if panel["type"] == "row"] + list(every_panel(board))
        assert len({panel["id"] for panel in everything}) == len(everything)
        assert board["id"] is None
        assert not board["editable"]
    assert len({board["uid"] for board in boards}) == len(boards)


def test_panels_fill_the_grid_without_overlap(board: Json) -> None:
    spots = [panel["gridPos"] for panel in board["panels"]]
    for row in board["panels"]:
        spots_inside = [panel["gridPos"] for panel in row.get("panels") or []]
        assert not any(_overlap(a, b) for a, b in itertools.combinations(spots_inside, 2))
    assert not any(_overlap(a, b) for a, b in itertools.combinations(spots, 2))
    assert all(spot["x"] + spot["w"] <= 24 for spot in spots)


def test_a_page_can_be_read_in_one_go(board: Json) -> None:
    shown = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len(shown) <= 25
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) <= 60


def test_graphs_of_latency_show_traces(boards: list[Json], every_panel: Any) -> None:
    graphs = [
        panel
        for board in boards
        for panel in every_panel(board)
        if panel["type"] == "timeseries"
        and any("histogram_quantile" in target["expr"] for target in panel["targets"])
        and any(name in target["expr"] for target in panel["targets"] for name in LATENCY)
    ]
    assert graphs
    for panel in graphs:
        # One target only: the traces of every quantile would be the same ones.
        assert sum(target["exemplar"] for target in panel["targets"]) == 1, panel["title"]


def test_lines_of_several_queries_have_names(board: Json, every_panel: Any) -> None:
    for panel in every_panel(board):
        if panel["type"] in ("timeseries", "state-timeline"):
            legends = [target["legendFormat"] for target in panel["targets"]]
            assert len(set(legends)) == len(legends), panel["title"]
            assert len(legends) == 1 or "__auto" not in legends, panel["title"]


def test_every_variable_is_used_and_every_use_is_defined(board: Json) -> None:
    named = [variable["name"] for variable in board["templating"]["list"]]
    rest = json.dumps({key: value for key, value in board.items() if key != "templating"})
    used = set(re.findall(r"\$\{?([a-z]\w*)", rest))
    assert used == set(named)


def test_events_stand_on_every_dashboard(board: Json) -> None:
    events = board["annotations"]["list"]
    assert [event["name"] for event in events] == ["Alerts", "Tickets", "Versions"]
    assert all(event["enable"] and event["titleFormat"] for event in events)


def _overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not (beside or above)
