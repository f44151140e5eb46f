"""Fetch Debian's builds of real components without installing them: nothing becomes a service, no root is needed.

`apt-get update` and `download` run with lists and caches of their own, then `dpkg-deb -x` unpacks into a folder
(apt-get(8), dpkg-deb(1)). The newest ones come from Debian's unstable suite on the mirror that this machine uses; they
need little more than a libc, and are kept only if they run on the one that is here.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from telltale.binaries import COMPONENTS, find_in, version
from telltale.relocate import relocate

Suite = Literal["newest", "stable"]
Report = Callable[[str], None]

# Since Debian 13 promtool is a package by itself; before, Prometheus brings it.
PROMETHEUS = ("prometheus", "prometheus-alertmanager")
COMPANIONS = {"prometheus": "promtool"}
NEWEST = "unstable"
# Without it, apt takes any key that this machine trusts.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class FetchError(Exception):
    """A package could not be fetched; the message says what to do instead."""


def fetch(
    packages: Sequence[str], folder: Path, report: Report = lambda _: None, suite: Suite = "stable"
) -> dict[str, str]:
    """Download Debian packages and unpack them under `folder`; `report` gets each step.

    `stable` is the release that this machine's own package sources name. Returns each component's version. Raises
    FetchError, and then `folder` is as it was.
    """
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
        work, unpacked = Path(name), Path(name) / "unpacked"
        options = _lists(work / "stable", [], report)
        if suite == "newest":
            options = _lists(work / "newest", _newest_source(options, work), report)
        wanted = [*packages, *(more for one, more in COMPANIONS.items() if one in packages and _known(more, options))]
        report(f"downloading {', '.join(wanted)}")
        _run(["apt-get", *options, "-q", "download", *wanted], work)
        for archive in sorted(work.glob("*.deb")):
            report(f"unpacking {archive.name.partition('_')[0]}")
            _run(["dpkg-deb", "-x", str(archive), str(unpacked)], work)
        relocate(unpacked)
        versions = _versions(unpacked)
        _move(unpacked, folder)
    return versions


def _lists(work: Path, source: list[str], report: Report) -> list[str]:
    """The options with which apt keeps to folders of its own; its lists are read then."""
    for part in ("lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    options = [
        *("-o", f"Dir::State::Lists={work / 'lists'}"),
        *("-o", f"Dir::Cache={work / 'cache'}"),
        # As root apt would drop to a user who may not write here.
        *("-o", "APT::Sandbox::User="),
        *("-o", "Acquire::Retries=3"),
        *("-o", "Acquire::Languages=none"),
        *source,
    ]
    report(f"reading the package lists of {NEWEST if source else 'this release'}")
    _run(["apt-get", *options, "-q", "update"], work)
    return options


def _newest_source(options: list[str], work: Path) -> list[str]:
    """Options that name the unstable suite of the mirror this machine's own release comes from."""
    wanted = "$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)"
    targets = _run(["apt-get", *options, "indextargets", "--format", wanted, "Created-By: Packages"], work)
    mirrors = [line.split()[-1] for line in targets.splitlines() if line.startswith("Debian Debian main ")]
    if not mirrors:
        raise FetchError("this machine's package sources name no mirror of Debian")
    signed = f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""
    file = work / "newest.list"
    file.write_text(f"deb {signed}{mirrors[0]} {NEWEST} main\n")
    return ["-o", f"Dir::Etc::SourceList={file}", "-o", "Dir::Etc::SourceParts=/dev/null"]


def _known(package: str, options: list[str]) -> bool:
    command = ["apt-cache", *options, "show", package]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def _versions(root: Path) -> dict[str, str]:
    """What was unpacked under `root`, each run once. Raises FetchError for one that does not run here."""
    found = {component: path for component in COMPONENTS if (path := find_in(root, component))}
    versions = {component: version(path) for component, path in found.items()}
    for component, known in versions.items():
        if known is None:
            raise FetchError(f"{component} does not run on this machine's libc")
    return {component: known for component, known in versions.items() if known}


def _move(source: Path, target: Path) -> None:
    """Move every file; one that runs now keeps running, because its name, not its content, is replaced."""
    for path in source.rglob("*"):
        if path.is_symlink() or path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{command[0]} did not end within 600 s") from error
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise FetchError(f"{command[0]} failed: {lines[-1] if lines else done.returncode}")
    return done.stdout
