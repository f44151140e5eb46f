"""The rules on a made-up cluster: quiet in a clean night, awake for incidents; the whole week is a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from alerting.rules.survivors import bare, read
from benchmarks import rules_week
from benchmarks.rules_world import INCIDENTS, Incident, healthy
from telltale.binaries import Component, find
from telltale.settings import Settings

Require = Callable[[object, str], None]
SHORT = ("GpuXidFatal", "LlmEngineStuck", "LlmErrorRatioHigh")


@pytest.fixture
def promtool(require: Require) -> Path:
    component: Component = "promtool"
    path = find(Settings(), component)
    require(path, "promtool is missing: telltale fetch")
    assert path is not None
    return path.absolute()


@pytest.mark.timeout(400)
def test_a_clean_night_wakes_nobody(promtool: Path) -> None:
    # With a rolling restart, scrapes that fail, a blip of errors and an application's XID in it.
    assert rules_week.replay(promtool, bare(Settings()), healthy(420)) == {}


@pytest.mark.parametrize("incident", [one for one in INCIDENTS if one.alert in SHORT], ids=lambda one: one.alert)
def test_an_incident_is_found_in_time(promtool: Path, incident: Incident) -> None:
    rules = read({incident.alert}, bare(Settings()))
    fired = rules_week.replay(promtool, rules, rules_week.with_incident(incident, seed=1))
    assert rules_week.missed(incident, fired) == ""


def test_there_are_fourteen_incidents_each_with_its_own_alert() -> None:
    assert len({incident.alert for incident in INCIDENTS}) == len(INCIDENTS) >= 14


@pytest.mark.parametrize(
    ("fired", "why"),
    [
        ({}, "X did not fire"),
        ({"X": 666.0}, "X fired after 6 minutes"),
        ({"X": 661.0, "Y": 3.0}, "before it happened: Y"),
    ],
)
def test_an_incident_is_missed_late_or_early(fired: dict[str, float], why: str) -> None:
    assert rules_week.missed(Incident("x", "X", 5, lambda *_: None), fired) == why


def test_samples_are_written_as_promtool_reads_them() -> None:
    assert rules_week.written([1.0, 1.0, None, None, 2.5, 0.0]) == "1x1 _x2 2.5 0"
