"""The image's build, run as a script in a clean folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import uv

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose" / "Containerfile").read_text().replace("\\\n", " ")
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line.strip() and not line.startswith("#")]


def copied() -> list[str]:
    """What is copied from the project."""
    sources = [step[1].split()[:-1] for step in STEPS if step[0] == "COPY" and "--from" not in step[1]]
    return [source.rstrip("/") for found in sources for source in found]


def build(extras: str, folder: Path) -> Path:
    """The environment that the image has for these extras; the sources that it was built from are gone."""
    source, target = folder / "src", folder / "opt"
    for name in copied():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    # Only what the image has: uv on PATH, nothing of this environment.
    path = f"{Path(uv.find_uv_bin()).parent}:{os.environ['PATH']}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    subprocess.run(["sh", "compose/build.sh", extras, target], cwd=source, env=clean | {"PATH": path}, check=True)
    shutil.rmtree(source)
    return target


def python(target: Path, code: str) -> str:
    """What the environment's Python prints."""
    done = subprocess.run([target / "bin/python", "-c", code], cwd="/", capture_output=True, text=True, check=True)
    return done.stdout


def installed(target: Path) -> set[str]:
    """The distributions of the environment."""
    code = "from importlib.metadata import distributions as d; print(*(x.name.lower() for x in d()))"
    return set(python(target, code).split())
