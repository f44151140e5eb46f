"""Fetch Debian's builds of real components without installing them: nothing becomes a service, no root is needed.

`apt-get update` and `download` run with lists and caches of their own, then `dpkg-deb -x` unpacks into a folder
(apt-get(8), dpkg-deb(1)).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from telltale.relocate import relocate

PROMETHEUS = ("prometheus", "prometheus-alertmanager")


class FetchError(Exception):
    """A package could not be fetched; the message says what to do instead."""


def fetch(packages: Sequence[str], folder: Path, report: Callable[[str], None] = lambda _: None) -> None:
    """Download Debian packages and unpack them under `folder`; `report` gets each step. Raises FetchError."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise FetchError(
                f"{tool} is not here, so this is not Debian or Ubuntu: install Prometheus and Alertmanager "
                "so that they are on PATH (or name them in prometheus.binary and alertmanager.binary), "
                "or use compose/"
            )
    # The commands run in a folder of their own.
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="fetch-") as name:
        work = Path(name)
        options = _private_folders(work)
        report("reading the package lists")
        _run(["apt-get", *options, "-q", "update"], work)
        report(f"downloading {', '.join(packages)}")
        _run(["apt-get", *options, "-q", "download", *packages], work)
        for archive in sorted(work.glob("*.deb")):
            report(f"unpacking {archive.name.partition('_')[0]}")
            _run(["dpkg-deb", "-x", str(archive), str(folder)], work)
    relocate(folder)


def _private_folders(work: Path) -> list[str]:
    for part in ("lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    return [
        *("-o", f"Dir::State::Lists={work / 'lists'}"),
        *("-o", f"Dir::Cache={work / 'cache'}"),
        # As root apt would drop to a user who may not write here.
        *("-o", "APT::Sandbox::User="),
        *("-o", "Acquire::Retries=3"),
    ]


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise FetchError(f"{' '.join(command[:1])} failed: {lines[-1] if lines else done.returncode}")
