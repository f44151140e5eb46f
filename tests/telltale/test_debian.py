"""Debian's components, fetched without installing them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from telltale.cli import main
from telltale.debian import FetchError, fetch


def test_a_package_is_unpacked_and_nothing_else_is_left(
    require: Callable[[object, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(shutil.which("apt-get"), "apt-get is missing: this test needs Debian or Ubuntu")
    monkeypatch.chdir(tmp_path)
    messages: list[str] = []
    fetch(["hostname"], Path("tools"), messages.append)
    assert list((tmp_path / "tools").rglob("hostname"))
    assert not list((tmp_path / "tools").glob("fetch-*"))
    assert any("hostname" in line for line in messages)


def test_an_unknown_package_is_an_error_with_apts_word(require: Callable[[object, str], None], tmp_path: Path) -> None:
    require(shutil.which("apt-get"), "apt-get is missing: this test needs Debian or Ubuntu")
    with pytest.raises(FetchError, match="no-such-package-here"):
        fetch(["no-such-package-here"], tmp_path / "tools")


def test_elsewhere_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="compose/"):
        fetch(["prometheus"], tmp_path / "tools")


@pytest.fixture
def release(tmp_path: Path, require: Callable[[object, str], None], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release of this test's own with a Prometheus and an Alertmanager; its mirror has no unstable suite.

    What fails of the newest suite is then apt's own word, and no network is needed.
    """
    require(shutil.which("apt-get") and shutil.which("dpkg-deb"), "apt-get is missing: this test needs Debian")
    mirror = tmp_path / "mirror"
    index = [package(mirror, "prometheus", "prometheus, version 2.1.0 (branch: debian)")]
    index.append(package(mirror, "prometheus-alertmanager", "alertmanager, version 0.9.1 (branch: debian)"))
    (mirror / "Packages").write_text("\n".join(index))
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] file:{mirror} ./\n")
    conf = tmp_path / "apt.conf"
    conf.write_text(f'Dir::Etc::SourceList "{sources}";\nDir::Etc::SourceParts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(conf))
    return mirror


def package(mirror: Path, name: str, says: str) -> str:
    """Builds a package whose program prints a line; returns its entry of the index."""
    root = mirror.parent / "build" / name
    program, control = root / "usr/bin" / name, root / "DEBIAN/control"
    for file in (program, control):
        file.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    control.write_text(f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\nDescription: a\n")
    mirror.mkdir(exist_ok=True)
    archive = mirror / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, archive], check=True, capture_output=True)
    content = archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control.read_text()}Filename: ./{archive.name}\nSize: {len(content)}\nSHA256: {digest}\n"


@pytest.mark.usefixtures("release")
def test_where_no_newer_ones_can_be_had_the_word_says_so_and_those_of_the_release_are_taken(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fetch", "--into", "tools"]) == 0
    said = capfd.readouterr().out
    assert (
        "no newer ones: this machine's package sources name no mirror of Debian; taking those of this release" in said
    )
    assert "fetch: prometheus 2.1.0" in said
    assert "fetch: alertmanager 0.9.1" in said


@pytest.mark.usefixtures("release")
def test_the_newest_alone_is_an_error_where_there_is_none_and_leaves_what_was_here(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tools = tmp_path / "tools"
    assert main(["fetch", "--suite", "stable", "--into", str(tools)]) == 0
    before = sorted(path for path in tools.rglob("*"))
    assert main(["fetch", "--suite", "newest", "--into", str(tools)]) == 1
    assert "name no mirror of Debian" in capfd.readouterr().err
    assert sorted(path for path in tools.rglob("*")) == before
    # Both are here, so nothing is read.
    assert main(["fetch", "--suite", "newest", "--into", str(tools), "--missing"]) == 0


def test_what_does_not_run_here_is_not_taken(release: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "build")
    (release / "Packages").write_text(package(release, "prometheus", "version GLIBC_9.9 not found"))
    with pytest.raises(FetchError, match="prometheus does not run"):
        fetch(["prometheus"], tmp_path / "tools")
    assert list((tmp_path / "tools").iterdir()) == []
