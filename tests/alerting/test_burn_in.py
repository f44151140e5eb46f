"""Burn-in: replayed alerts fire when Prometheus' own would, and a real Prometheus' past is read as it is."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.ports import free_addresses

from alerting.burn_in.replay import Span, firing, merged, spans
from alerting.burn_in.report import metrics
from telltale import exits
from telltale.binaries import Component
from telltale.cli import main

STEP = 15.0
HOUR = 3600


@pytest.mark.parametrize(
    ("held", "hold", "keep", "fires"),
    [
        ([Span(60, 120)], 0, 0, [Span(60, 120)]),
        ([Span(60, 120)], 60, 0, [Span(120, 120)]),
        ([Span(60, 120)], 61, 0, []),
        # Kept until an evaluation finds it gone for a minute: the one at 135 is the first, the one at 195 ends it.
        ([Span(60, 120)], 0, 60, [Span(60, 180)]),
        # Back while it is kept: it fires on, without waiting again; and later: it waits again.
        ([Span(60, 120), Span(180, 180)], 30, 60, [Span(90, 240)]),
        ([Span(60, 120), Span(300, 315)], 30, 60, [Span(90, 180)]),
        # One evaluation without it starts the wait anew.
        ([Span(0, 45), Span(75, 120)], 60, 0, []),
    ],
)
def test_an_alert_fires_and_ends_as_prometheus_does_it(
    held: list[Span], hold: float, keep: float, fires: list[Span]
) -> None:
    assert firing(held, hold, keep, STEP) == fires


def test_evaluations_without_a_gap_are_one_span() -> None:
    assert spans([0, 15, 30, 60, 75], STEP) == [Span(0, 30), Span(60, 75)]
    assert merged([Span(60, 90), Span(0, 45), Span(70, 200)], STEP) == [Span(0, 200)]


def test_what_an_expression_reads() -> None:
    expr = 'sum by (model) (rate(a_total{b="c_d"}[5m])) / on (model) group_left () vllm:e > 3 and up{job="x"} offset 1d'
    assert metrics(expr) == {"a_total", "vllm:e", "up"}


@pytest.fixture
def past(binary: Callable[[Component], Path], tmp_path: Path) -> Iterator[tuple[str, float]]:
    """A real Prometheus with six hours in blocks, and when they end: of two exporters one goes away."""
    end = time.time() // 60 * 60 - 3 * HOUR
    down = (*range(HOUR, HOUR + 600), *range(3 * HOUR, 3 * HOUR + 60))
    lines = [
        f'up{{job="{job}",instance="{instance}"}} {int(at not in gone)} {end - 6 * HOUR + at:.0f}'
        for job, instance, gone in (
            ("telltale-gpu", "n1", down),
            ("telltale-gpu", "n2", ()),
            ("telltale-collector", "c", range(5 * HOUR, 6 * HOUR)),
        )
        for at in range(0, 6 * HOUR, 60)
    ]
    (tmp_path / "past.om").write_text("\n".join(["# TYPE up gauge", *lines, "# EOF", ""]))
    made = ["tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "past.om"), str(tmp_path / "data")]
    subprocess.run([str(binary("promtool")), *made], check=True, capture_output=True)
    (tmp_path / "prometheus.yml").write_text("{}\n")
    (address,) = free_addresses(1)
    command = [
        *(str(binary("prometheus")), f"--config.file={tmp_path / 'prometheus.yml'}", f"--web.listen-address={address}"),
        *(f"--storage.tsdb.path={tmp_path / 'data'}", "--storage.tsdb.retention.time=9d", "--log.level=error"),
    ]
    with subprocess.Popen(command) as process:
        try:
            _ready(f"http://{address}")
            yield f"http://{address}", end
        finally:
            process.terminate()


def _ready(url: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("Prometheus is not ready")


def test_a_real_past_says_what_would_have_fired(past: tuple[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    url, end = past
    command = ["rules", "burn-in", "--days", "0.5", "--step", "60", "--prometheus", url]
    assert main([*command, "--json"]) == exits.FOUND
    table = json.loads(capsys.readouterr().out)
    lines = {line["rule"]: line for line in table["rules"]}
    # Down for ten minutes, then for one: it holds three, and keeps five.
    gpu = lines["GpuExporterDown"]
    assert (gpu["times"], gpu["alerts"], gpu["left_out"]) == (1, 1, "")
    assert gpu["first"] == pytest.approx(end - 5 * HOUR + 180, abs=61)
    # Down 600 s, seen gone for 300 s after that, of which the first 180 s are the hold.
    assert gpu["minutes"] == pytest.approx(12, abs=2)
    assert lines["CollectorDown"]["severity"] == "page"
    assert lines["CollectorDown"]["times"] == 1
    assert table["pages"] == 1
    assert table["pages_a_day"] == 2
    # What was never there is not found to be well.
    assert lines["GpuXidFatal"]["left_out"] == "no series of gpu_xid_errors_total"
    assert "ALERTS" in lines["ModelRetrainRecommended"]["left_out"]
    assert main(command) == exits.FOUND
    out = capsys.readouterr().out
    assert "pages: 1 (2.00 a day)" in out
    assert "GpuXidFatal: no series of gpu_xid_errors_total" in out


def test_a_prometheus_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    (address,) = free_addresses(1)
    assert main(["rules", "burn-in", "--prometheus", f"http://{address}"]) == exits.FAILED
    assert f"burn-in: http://{address}: " in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "-1", "soon", "1000"])
def test_days_that_are_none_are_refused(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["rules", "burn-in", "--days", days])
    assert refused.value.code == exits.USAGE
    assert days in capsys.readouterr().err
