"""A benchmark that nobody can run proves nothing: each step runs briefly, its figures are ignored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
