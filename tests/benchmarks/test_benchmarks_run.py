"""A benchmark that nobody can run proves nothing: each step runs briefly, its figures are ignored."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_collectors_layers_are_measured_to_the_last_step() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.traces", "--rounds", "1"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "redaction of a text" in done.stdout.splitlines()[-1]


def test_redaction_is_measured_on_every_kind_of_text() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.redaction", "--rounds", "1", "--sizes", "2"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("\n") > 20


def test_attacks_are_carried_out_on_real_parts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.attacks", "--seconds", "0.5", "--attack", "web: one pipelines and reads",
         "collector: 900 read nothing, and gzip, empty spans", "480"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert [row[0].partition(":")[0] for row in rows[2:]] == ["web", "collector", "collector, gRPC"]
    # Of each attack: somebody was asked meanwhile.
    assert all(int(row[5]) > 0 for row in rows[2:])


def test_contents_take_a_part_of_their_text_in_the_store() -> None:
    """Bytes do not depend on the machine, unlike times, so that they can be judged."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.contents", "--calls", "200", "--together", "10", "100"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    kinds = re.findall(r"^(.+): [\d,]+ calls, ", done.stdout, re.M)
    bounds = {
        "calls of 1 KB": 0.95,
        "calls of 5 KB": 0.6,
        "all calls": 0.2,
        "the last call": 0.6,
        "agents' loops": 0.2,
    }
    for kind, (name, bound) in zip(kinds, bounds.items(), strict=True):
        assert name in kind
        rows = done.stdout.partition(kind)[2].splitlines()[1:3]
        for row in rows:
            in_columns, stored, merged = (float(ratio) for ratio in re.findall(r"\((\d+\.\d+)x\)", row))
            assert merged <= stored < in_columns, row
            assert merged <= bound, row


def test_no_crash_loses_or_doubles_a_ticket() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tickets_crashes", "--kills", "40"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    rows = [line.split() for line in done.stdout.splitlines()[1:9]]
    assert [(int(killed), int(missed)) for _, killed, missed in rows] == [(5, 0)] * 8


@pytest.mark.e2e
def test_no_ticket_closes_while_its_source_is_silent() -> None:
    """The cases that the chain's own tests do not have: a locked store, a clock that jumps."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tickets_silent", "--runs", "1", "--case", "store", "clock"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [["store", "1", "0"], ["clock", "1", "0"]]


@pytest.mark.e2e
def test_the_time_from_a_condition_to_its_ticket_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tickets_latency", "--conditions", "3"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    # The figures are the machine's; that each condition got its ticket is not.
    assert "conditions 3: median" in done.stdout, done.stdout + done.stderr[-2000:]
    assert "inf" not in done.stdout
