"""Every link leads to a dashboard of ours, with variables that it has."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

import alerting.rules
from telltale.settings import Settings

Json = dict[str, Any]
LINK = re.compile(r"/d/([\w-]+)\?([^\"\\]*)")


def test_links_between_dashboards_resolve(boards: list[Json]) -> None:
    variables = {board["uid"]: {v["name"] for v in board["templating"]["list"]} for board in boards}
    found = [link for board in boards for link in LINK.findall(json.dumps(board))]
    assert len(found) > 10
    for uid, query in found:
        assert uid in variables, uid
        assert set(re.findall(r"var-(\w+)=", query)) <= variables[uid], (uid, query)
        assert "${datasource:queryparam}" in query
        assert "${__url_time_range}" in query


def test_row_links_use_the_values_of_columns_that_are_shown(boards: list[Json], every_panel: Any) -> None:
    for board in boards:
        for panel in every_panel(board):
            shown = {
                heading
                for step in panel.get("transformations") or []
                if step["id"] == "organize"
                for heading in step["options"]["renameByName"].values()
            }
            used = set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel)))
            assert used <= shown, panel["title"]


def test_alerts_link_to_dashboards_that_exist(boards: list[Json]) -> None:
    settings = Settings.model_validate({"grafana": {"url": "http://grafana"}})
    rules = [rule for group in yaml.safe_load(alerting.rules.render(settings))["groups"] for rule in group["rules"]]
    variables = {board["uid"]: {v["name"] for v in board["templating"]["list"]} for board in boards}
    links = [rule["annotations"]["dashboard_url"] for rule in rules if "alert" in rule]
    assert links
    for link in links:
        uid, _, query = link.removeprefix("http://grafana/d/").partition("?")
        assert uid in variables, link
        assert set(re.findall(r"var-(\w+)=", query)) <= variables[uid], link


def test_every_dashboard_offers_the_others_with_time_and_choices_kept(board: Json) -> None:
    link = next(link for link in board["links"] if link["type"] == "dashboards")
    assert link["keepTime"]
    assert link["includeVars"]
    assert set(link["tags"]) <= set(board["tags"])
