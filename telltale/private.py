"""Files and folders for this user alone, whatever the umask: prompts, hashes of API keys and the audit log are in them.

What we make is 0600 and 0700 from its first moment. What is there with wider modes is tightened; a folder that may be
somebody else's too (`data_dir = "."`, `/tmp`) keeps its mode, and a warning names it.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = 0o700
FILE = 0o600
# What Telltale puts into its data folder: one that holds anything else is not ours alone.
OURS = (
    "telltale.db",
    "up.",
    "audit.",
    "stack.log",
    "generated",
    "tools",
    "prometheus",
    "alertmanager",
    "grafana",
    "demo",
    "data-sets",
)


def opener(path: str, flags: int) -> int:
    """For `open(…, opener=opener)`: a file that this makes is for this user alone."""
    return os.open(path, flags, FILE)


def make_folder(folder: Path) -> None:
    """Make a folder for this user alone, or tighten one that is there, if it holds only what is ours."""
    # A link to a folder elsewhere is the operator's way to name it.
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir(mode=FOLDER)
        except FileExistsError:
            if not folder.is_dir():
                raise
    mode = _excess(folder, FOLDER)
    if mode is None:
        return
    if not mode & stat.S_ISVTX and all(entry.name.startswith(OURS) for entry in folder.iterdir()):
        _tighten(folder, mode, FOLDER)
    else:
        log.warning(
            "%s is open to other users (mode %o) and holds more than Telltale's files; those are made private, the "
            "folder is left: name a folder of Telltale's own in data_dir, or chmod 700 it",
            folder.absolute(), mode,
        )  # fmt: skip


def make_file(file: Path) -> None:
    """Make an empty file for this user alone, unless it is there."""
    os.close(os.open(file, os.O_RDONLY | os.O_CREAT, FILE))


def tighten(file: Path) -> None:
    """Take a file's modes back to this user; one that is absent, or no plain file, is left."""
    if file.is_file() and (mode := _excess(file, FILE)) is not None:
        _tighten(file, mode, FILE)


def _excess(path: Path, most: int) -> int | None:
    """The path's mode where it allows more than `most` and is ours to change; else None."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    mode = stat.S_IMODE(found.st_mode)
    return mode if mode & 0o077 & ~most and found.st_uid == os.geteuid() else None


def _tighten(path: Path, mode: int, most: int) -> None:
    try:
        path.chmod(mode & most)
    except OSError as error:
        log.warning("%s is open to other users (mode %o): %s; chmod %o it", path.absolute(), mode, error.strerror, most)
    else:
        log.warning("%s was open to other users (mode %o); it is this user's alone now", path.absolute(), mode)
