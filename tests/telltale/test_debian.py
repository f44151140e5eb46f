"""Debian's components, fetched without installing them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

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
