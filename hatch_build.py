"""Compiles the collector's per-span path with mypyc when a wheel is built with TELLTALE_COMPILE=1.

The same files run uncompiled, and without the variable the wheel is pure Python. It needs gcc. The public mypyc plugin
of hatch is not maintained; this is all that is needed of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HTTP2 = (
    *("frames", "settings", "headers", "block_shape", "fields", "stream", "flow", "budget", "closed", "connection"),
)
# Below exporters/traces/: what every span passes.
_TRACES = (
    *("core/interning", "core/journal", "core/series"),
    *("decode/protobuf", "decode/otlp_protobuf", "decode/spans", "decode/attributes"),
    *("decode/otlp_json", "decode/bounds", "decode/faults"),
    *(f"messages/{name}" for name in ("joining", "media", "parts", "envelopes", "bodies", "places")),
    *(f"messages/{name}" for name in ("inputs", "placeholders")),
    *("conventions/__init__", "conventions/convention", "conventions/fields", "conventions/otel"),
    "conventions/usage_evidence",
    *("conventions/openllmetry", "conventions/particulars"),
    *("conventions/finish", "conventions/first_token", "conventions/stream_ends"),
    *("conventions/operations", "conventions/evidence", "conventions/providers"),
    *("calls/call", "calls/fast_path", "calls/fast_content", "calls/normalise", "calls/call_index", "calls/dedup"),
    *("calls/error_types", "calls/outcome", "calls/owners"),
    *("calls/same_call", "calls/model_names"),
    *("calls/families", "calls/grouping", "calls/whole_call"),
    *("keep/forced", "keep/metrics", "keep/pending_samples", "keep/rate_sampler", "keep/sample_collector"),
    "keep/sample_groups",
    *("keep/drafting", "keep/known_texts", "keep/redacting"),
    *("keep/tally", "keep/uncounted", "keep/unsampled"),
    "pipeline",
    *(f"receive/http2/{name}" for name in _HTTP2),
)
_REDACTION = (
    *("__init__", "rules", "shape", "writing", "json_marks"),
    *("keys", "named", "network", "payment", "identity", "phones"),
)
MODULES = (
    *(f"telltale/redaction/{name}" for name in _REDACTION),
    *(f"telltale/conversation/{name}" for name in ("message", "texts")),
    *(f"exporters/traces/{name}" for name in _TRACES),
)
SETUP = """
from mypyc.build import mypycify
from setuptools import setup
files = [f"{name}.py" for name in %r]
setup(name="compiled", packages=[], ext_modules=mypycify(["--config-file", %r, *files], opt_level="3"))
"""


def _wanted() -> bool:
    return os.environ.get("TELLTALE_COMPILE") == "1"


class Compile(BuildHookInterface[Any]):
    """Adds the compiled modules beside their sources and tags the wheel with its platform."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling: mypyc, and what the compiled modules import, for its types."""
        if not _wanted():
            return []
        project = self.metadata.core
        return ["mypy[mypyc]", "types-protobuf", *project.dependencies, *project.optional_dependencies["traces"]]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or not _wanted():
            return
        self._folder = tempfile.TemporaryDirectory()
        work = Path(self._folder.name)
        # Without pyproject.toml beside setup.py: setuptools would read in it what is meant for hatchling.
        for package in ("exporters", "telltale"):
            shutil.copytree(Path(self.root) / package, work / package)
        (work / "setup.py").write_text(SETUP % (MODULES, str(Path(self.root) / "pyproject.toml")))
        subprocess.run([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=work, check=True)
        for library in work.rglob("*.so"):
            name = library.relative_to(work)
            if name.parts[0] != "build":
                build_data["force_include"][str(library)] = str(name)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
