"""Whose an alert is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.teams import expression, team_of
from telltale.settings import Settings

TEAMS: list[dict[str, Any]] = [
    {"name": "support", "models": ["support*", "faq-[v2]"], "lanes": ["retrain"]},
    {"name": "acme desk", "tenants": ["acme"]},
    {"name": "any tenant", "tenants": ["*"]},
    {"name": "machines", "components": ["gpu", "stack"]},
]


@pytest.mark.parametrize(
    ("labels", "team"),
    [
        ({"model": "support-eu", "lane": "retrain"}, "support"),
        ({"model": "support-eu", "lane": "retrain", "tenant": "acme"}, "support"),
        ({"model": "support-eu", "lane": "ops", "tenant": "acme"}, "acme desk"),
        ({"model": "faq-[v2]", "lane": "retrain"}, "support"),
        ({"model": "faq-v", "lane": "retrain"}, ""),
        ({"model": "my-support", "lane": "retrain"}, ""),
        ({"tenant": "Acme"}, "any tenant"),
        ({"tenant": ""}, ""),
        ({"component": "gpu"}, "machines"),
        ({}, ""),
    ],
)
def test_the_first_team_that_matches_owns(labels: dict[str, str], team: str) -> None:
    assert team_of(labels, Settings.model_validate({"teams": TEAMS})) == team


def test_a_team_without_patterns_owns_what_is_left() -> None:
    settings = Settings.model_validate({"teams": [*TEAMS, {"name": "everybody"}]})
    assert team_of({"component": "gpu"}, settings) == "machines"
    assert team_of({}, settings) == "everybody"


def test_nobody_is_named_by_default() -> None:
    assert team_of({"model": "support"}, Settings()) == ""


ODD = st.text("ab*?[]!.\\|^$+(){}-\n é\"'", max_size=8)


@given(st.lists(ODD.filter(lambda glob: glob.strip() and "\n" not in glob), min_size=1, max_size=3), ODD)
def test_alertmanager_is_told_the_same(globs: list[str], value: str) -> None:
    settings = Settings.model_validate({"teams": [{"name": "x", "models": globs}]})
    assert bool(re.fullmatch(expression(globs), value)) == (team_of({"model": value}, settings) == "x")
