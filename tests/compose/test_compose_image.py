"""The image: what its file says, and its build run as a script in a clean folder.

The collector's build is tested in exporters/traces/test_compiled.py.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.image import STEPS, TEXT, build, copied, installed, python

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
PACKAGES = ("telltale", "exporters", "monitors", "alerting", "dashboards", "feedback")


def test_base_images_are_pinned() -> None:
    bases = [step[1].split()[0] for step in STEPS if step[0] == "FROM"]
    bases += [step[1].partition("=")[2] for step in STEPS if step[0] == "ARG" and step[1].startswith("PYTHON=")]
    for base in set(bases) - {"${PYTHON}"}:
        assert re.search(r":\d+\.\d+\.\d+(-[\w-]+)?$", base), base


def test_everything_that_is_copied_exists_and_is_let_through() -> None:
    let_through = {
        line.removeprefix("!")
        for line in (COMPOSE / "Containerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for source in copied():
        assert (ROOT / source).exists(), source
    assert set(copied()) == let_through


def test_every_package_of_the_wheel_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copied())


def test_nothing_runs_as_root() -> None:
    last: dict[str, str] = {}
    stage = ""
    for word, rest in STEPS:
        if word == "FROM":
            stage = rest.split()[-1]
        elif word == "USER":
            last[stage] = rest
    assert last == {"part": "10001:10001", "front": "10001:10001"}


def test_the_image_takes_the_uv_that_the_lock_pins() -> None:
    pinned = re.search(r"^uv==([\d.]+)", (ROOT / "requirements.lock").read_text(), re.M)
    assert pinned
    assert f"astral-sh/uv:{pinned[1]} " in TEXT


def test_secrets_are_made_once_and_only_their_folder_keeps_others_out(tmp_path: Path) -> None:
    shutil.copy(COMPOSE / "secrets.sh", tmp_path)
    subprocess.run(["sh", "secrets.sh"], cwd=tmp_path, check=True, capture_output=True)
    folder = tmp_path / "secrets"
    first = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    assert set(first) == {"postgres_password", "store_url", "webhook_token", "grafana_password"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in first} == {0o444}
    assert f":{first['postgres_password']}@postgres:5432/" in first["store_url"]
    assert len({first["postgres_password"], first["webhook_token"], first["grafana_password"]}) == 3
    assert min(len(value) for value in first.values()) >= 64
    receivers = folder / "receivers"
    (receivers / "slack").write_text("https://hooks.example")
    (receivers / "slack").chmod(0o600)
    subprocess.run(["sh", "secrets.sh"], cwd=tmp_path, check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir() if path.is_file()} == first
    # Alertmanager enters it as a user of its own; the folder above keeps others out.
    assert [stat.S_IMODE(path.stat().st_mode) for path in (receivers, receivers / "slack")] == [0o755, 0o444]


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("extras", "runs", "absent"),
    [
        ("gpu", "exporters.gpu", {"pandas", "fastapi", "sqlalchemy", "numpy", "grpcio"}),
        (
            "web,tickets,postgres",
            "alerting.report.pages, feedback.routes, telltale.web.app",
            {"pandas", "evidently", "grpcio"},
        ),
        ("tickets,alerting,postgres", "alerting.serve", {"pandas", "evidently", "grpcio"}),
    ],
)
def test_the_image_s_build_works_in_a_clean_folder(
    extras: str, runs: str, absent: set[str], services: dict[str, Json], tmp_path: Path
) -> None:
    assert 'RUN sh compose/build.sh "${EXTRAS}" /opt/telltale' in TEXT
    assert extras in {service["build"]["args"]["EXTRAS"] for service in services.values() if _is_part(service)}
    target = build(extras, tmp_path)
    assert (
        "collect" in subprocess.run([target / "bin/telltale", "--help"], cwd="/", capture_output=True, text=True).stdout
    )
    python(target, f"import {runs}")
    if extras == "gpu":
        once = [target / "bin/telltale", "gpu", "--once", "--simulate", "1"]
        assert "simulated" in subprocess.run(once, cwd="/", capture_output=True, text=True, check=True).stdout.lower()
    found = installed(target)
    assert "telltale-llm" in found
    assert not absent & found


def _is_part(service: Json) -> bool:
    return "build" in service and service["build"]["target"] == "part"
