"""The collector as its image has it: the per-span path is compiled, and passes the same tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import image

ROOT = Path(__file__).parents[3]
EXTRAS = "traces,postgres"
# Those that go through every compiled module, none of which starts a process of the checkout.
TRACES = (
    "otlp_protobuf",
    "fast_path",
    "fields",
    "conventions",
    "particulars",
    "drafting",
    "redacting",
    "series",
    "rate_sampler",
    "call_metrics",
    "dedup",
    "unsampled",
    "interning",
    "duplicates",
    "same_call",
    "resends",
    "journal",
    "sample_collector",
    "tenants",
    "http2",
    "otlp_json",
    "bounds",
    "vectors_in_spans",
)
SAME = ("telltale/test_redaction.py", *(f"exporters/traces/test_{name}.py" for name in TRACES))


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_compiled_it_passes_the_same_tests(tmp_path: Path, require: Callable[[object, str], None]) -> None:
    require(shutil.which("gcc"), "apt install gcc libc6-dev")
    target = image.build(EXTRAS, tmp_path)
    image.python(target, "import exporters.traces.serve")
    assert not {"pandas", "fastapi", "evidently"} & image.installed(target)
    [site] = target.glob("lib/python*/site-packages")
    assert list(site.glob("exporters/traces/calls/fast_path.*.so"))
    assert list(site.glob("telltale/redaction/rules.*.so"))
    tests = [str(ROOT / "tests" / name) for name in SAME]
    # From another folder: `python -m` puts the current folder before all others.
    check = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"),
             "--rootdir", str(ROOT), "-o", f"pythonpath={site} tests", *tests]  # fmt: skip
    marker = {**os.environ, "TELLTALE_TEST_FROM": str(site)}
    done = subprocess.run(check, cwd=tmp_path, env=marker, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
