"""What the boards say of the monitors' series, asked of Prometheus itself: no part is counted twice, none hidden."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from dashboards import models, overview, style
from telltale.binaries import find, how_to_get
from telltale.records import SeriesState
from telltale.settings import Settings

Json = dict[str, Any]
PLACE = {state: number for number, state in enumerate(style.STATES)}
# (monitor, direction, version, tenant, state) of one model.
SERIES = (
    ("words", "prompt", "v1", "", "stale"),
    ("words", "prompt", "v2", "", "ok"),
    ("words", "prompt", "v2", "shop", "gathering"),
    ("words", "response", "v2", "", "alert"),
    ("words", "response", "v2", "shop", "alert"),
    ("words", "response", "v2", "bank", "suspect"),
    ("votes", "feedback", "v2", "", "no_reference"),
)
LABELS = ("monitor", "direction", "version", "tenant")


def name(metric: str, **labels: str) -> str:
    written = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{metric}{{{written}}}"


def page() -> list[Json]:
    """What Prometheus scraped: of every series each state, from two processes that read the same store."""
    of = {"signal": "s", "model": "m", "segment": "", "lane": "retrain"}
    states = [
        (
            name("telltale_monitor_state", **dict(zip(LABELS, labels, strict=True)), **of, state=s, instance=i),
            s == state,
        )
        for *labels, state in SERIES
        for s in get_args(SeriesState)
        for i in ("a", "b")
    ]
    votes = {"model": "m", "version": "v2", "segment": ""}
    numbers = [
        (name(f"telltale_feedback_{metric}", **votes, tenant=tenant), value)
        for tenant, ratio, number in (("", 0.1, 300), ("shop", 0.9, 100))
        for metric, value in (("negative_ratio", ratio), ("votes", number))
    ]
    frozen = [
        (name("telltale_monitor_reference_timestamp_seconds", basis="calls", **votes | {"version": v}, tenant=""), at)
        for v, at in (("v1", -9000), ("v2", -1000))
    ]
    return [{"series": series, "values": f"{float(value)}x5"} for series, value in (*states, *numbers, *frozen)]


def query(board: Json, title: str, place: int = 0) -> str:
    panel = next(panel for panel in board["panels"] if panel["title"] == title)
    expr: str = panel["targets"][place]["expr"]
    return expr.replace("$model", ".*").replace("$tenant", ".*").replace("$segment", ".*").replace("$direction", ".+")


MODELS, OVERVIEW = models.build("http://pages"), overview.build("http://pages")


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (query(MODELS, "In alert"), {"{}": 1}),
        (query(MODELS, "Suspect"), {"{}": 1}),
        (query(OVERVIEW, "In alert"), {"{}": 1}),
        (
            query(MODELS, "Not judged"),
            {'{state="gathering"}': 1, '{state="no_reference"}': 1, '{state="not_enough_data"}': 0},
        ),
        (query(MODELS, "Negative feedback"), {"{}": 0.1}),
        (query(MODELS, "Oldest reference"), {'{basis="calls"}': 1000}),
        (query(OVERVIEW, "Worst state of each model's monitors"), {'{model="m"}': PLACE["alert"]}),
        (
            query(MODELS, "State of each series"),
            {
                '{monitor="words",signal="s",direction="prompt",model="m"}': PLACE["ok"],
                '{monitor="words",signal="s",direction="prompt",model="m",tenant="shop"}': PLACE["gathering"],
                '{monitor="words",signal="s",direction="response",model="m"}': PLACE["alert"],
                '{monitor="words",signal="s",direction="response",model="m",tenant="shop"}': PLACE["alert"],
                '{monitor="words",signal="s",direction="response",model="m",tenant="bank"}': PLACE["suspect"],
                '{monitor="votes",signal="s",direction="feedback",model="m"}': PLACE["no_reference"],
            },
        ),
    ],
    ids=["alert", "suspect", "alert on overview", "not judged", "feedback", "reference", "worst", "timeline"],
)
def test_a_panel_shows(
    expr: str, expected: dict[str, float], tmp_path: Path, require: Callable[[object, str], None]
) -> None:
    promtool = find(Settings(), "promtool")
    require(promtool, how_to_get("promtool"))
    assert promtool
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    asked = {"expr": expr, "eval_time": "0s", "exp_samples": samples}
    test = {"interval": "1m", "input_series": page(), "promql_expr_test": [asked]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    command = [promtool.absolute(), "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_state_has_its_word_and_colour() -> None:
    assert set(style.STATES) == set(get_args(SeriesState))
    assert len({color for _, color in style.STATES.values()}) == len(style.STATES)
    assert {"stale", *style.UNJUDGED, *style.JUDGED} == set(style.STATES)
