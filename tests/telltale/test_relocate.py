"""Debian's programs find their files wherever they were unpacked."""

from __future__ import annotations

import subprocess
from pathlib import Path

from telltale.relocate import FOLDERS, relocate


def unpack(root: Path) -> None:
    """A program that, like Debian's, reads a file in a folder whose name is hard-coded."""
    for name, folder in FOLDERS.items():
        program, files = root / "usr/bin" / name, root / folder.lstrip("/")
        program.parent.mkdir(parents=True, exist_ok=True)
        files.mkdir(parents=True)
        (files / "template").write_text(f"of {name}")
        # Without a shebang, but a script that a shell runs.
        program.write_text(f': compiled\ncat "{folder}/template"; echo " $*"\n')
        program.chmod(0o755)


def test_a_relocated_program_reads_its_own_files_and_gets_its_arguments(tmp_path: Path) -> None:
    root = tmp_path / "a folder's name"
    unpack(root)
    assert relocate(root) == list(FOLDERS)
    moved = root.rename(tmp_path / "moved on")
    for name in FOLDERS:
        done = subprocess.run([moved / "usr/bin" / name, "--one", "two words"], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (f"of {name} --one two words\n", "")


def test_relocating_twice_and_without_files_changes_nothing(tmp_path: Path) -> None:
    assert relocate(tmp_path) == []
    unpack(tmp_path)
    relocate(tmp_path)
    before = {file: file.read_bytes() for file in (tmp_path / "usr/bin").iterdir()}
    assert relocate(tmp_path) == []
    assert {file: file.read_bytes() for file in (tmp_path / "usr/bin").iterdir()} == before
