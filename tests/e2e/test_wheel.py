"""The wheel, installed in its own environment and run from `/`: it needs nothing of the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parents[2]
PACKAGES = ("telltale", "exporters", "monitors", "alerting", "dashboards", "feedback")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `telltale` command of an environment that holds the wheel and what the lock pins."""
    folder = tmp_path_factory.mktemp("env")
    lock = ROOT / "requirements.lock"
    uv_bin = uv.find_uv_bin()
    subprocess.run([uv_bin, "venv", "-q", "--python", sys.executable, folder / "v"], check=True)
    install = [uv_bin, "pip", "install", "-q", "--python", folder / "v/bin/python"]
    subprocess.run([*install, "--require-hashes", "--no-deps", "-r", lock], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    return folder / "v/bin/telltale"


def test_the_wheel_holds_every_file_that_is_not_code(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    missing = [name for name in tracked.stdout.split() if name not in inside]
    assert not missing


def test_the_command_runs_from_the_root_folder(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run([installed, "--help"], cwd="/", capture_output=True, text=True, check=True)
    assert "telltale COMMAND --help" in done.stdout
    environment = {"TELLTALE_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([installed, "db", "upgrade"], cwd="/", env=environment, capture_output=True, check=True)
    subprocess.run([installed, "rules"], cwd="/", env=environment, capture_output=True, check=True)
    subprocess.run([installed, "dashboards"], cwd="/", env=environment, capture_output=True, check=True)
    assert (tmp_path / "generated/rules.yml").stat().st_size > 1000
    assert list((tmp_path / "grafana").rglob("*.json"))


def test_each_top_level_package_has_one_owner(installed: Path) -> None:
    code = (
        "import importlib.metadata as m, json; d = m.packages_distributions(); print(json.dumps({n: d[n] for n in %r}))"
    )
    done = subprocess.run(
        [installed.with_name("python"), "-c", code % (PACKAGES,)], cwd="/", capture_output=True, text=True, check=True
    )
    assert {name: set(owners) for name, owners in json.loads(done.stdout).items()} == {
        name: {"telltale-llm"} for name in PACKAGES
    }


def test_a_gpu_node_needs_neither_pandas_nor_fastapi() -> None:
    """What an extra brings, by the resolved lock's own metadata."""
    brings = requirements_of("gpu")
    assert "pydantic-settings" in brings
    assert not brings & {"pandas", "fastapi", "sqlalchemy", "numpy", "grpcio", "scikit-learn", "evidently"}


def requirements_of(extra: str) -> set[str]:
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting = [*project["dependencies"], *project["optional-dependencies"][extra]]
    seen: set[str] = set()
    while waiting:
        needed = Requirement(waiting.pop())
        if needed.name in seen or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        seen.add(needed.name)
        waiting.extend(requires(needed.name) or [])
    return seen
