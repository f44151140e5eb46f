"""The per-span path, compiled as in a wheel built with TELLTALE_COMPILE=1, passes the same tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Tests that use every compiled module and start no process from the checkout.
TRACES = (
    "otlp_protobuf",
    "fast_path",
    "fields",
    "conventions",
    "series",
    "rate_sampler",
    "call_metrics",
    "dedup",
    "unsampled",
    "interning",
    "duplicates",
    "resends",
    "sample_collector",
    "http2",
    "otlp_json",
    "bounds",
)
SAME = ("telltale/test_redaction.py", *(f"exporters/traces/test_{name}.py" for name in TRACES))


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_compiled_it_passes_the_same_tests(tmp_path: Path, require: Callable[[object, str], None]) -> None:
    require(shutil.which("gcc"), "apt install gcc libc6-dev")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    environment = {**os.environ, "TELLTALE_COMPILE": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    [wheel] = tmp_path.glob("*.whl")
    assert "none-any" not in wheel.name
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    assert list(site.glob("exporters/traces/calls/fast_path.*.so"))
    assert list(site.glob("telltale/redaction/rules.*.so"))
    tests = [str(ROOT / "tests" / name) for name in SAME]
    # From another folder: `python -m` puts the current folder before all others.
    check = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"),
             "--rootdir", str(ROOT), "-o", f"pythonpath={site} tests", *tests]  # fmt: skip
    marker = {**environment, "TELLTALE_TEST_FROM": str(site)}
    done = subprocess.run(check, cwd=tmp_path, env=marker, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
