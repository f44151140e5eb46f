"""The recording rules: joules and GPU-seconds per tenant and per 1,000 tokens, by Prometheus' own rule tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import exporters.gpu
from telltale import binaries
from telltale.settings import Settings

RULES = Path(exporters.gpu.__file__).with_name("recording.yml")


def test_recorded_numbers(tmp_path: Path, require: Callable[[object, str], None]) -> None:
    promtool = binaries.find(Settings(), "promtool")
    require(promtool, "needs promtool: make demo fetches it, or apt install prometheus")
    cases = tmp_path / "recording.test.yml"
    cases.write_text(Path(__file__).with_name("recording.test.yml").read_text().replace("RULES", str(RULES)))
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(cases)]):
        done = subprocess.run([str(promtool), *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
