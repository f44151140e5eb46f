"""A new file of rows as JSON, one a line, that is whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO


class NewFile:
    """A new file that only its owner may read, removed again unless the whole data set is written."""

    def __init__(self, path: Path, undo: ExitStack) -> None:
        self.path = path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        undo.callback(path.unlink)
        undo.callback(self._file.close)
        self._hash = hashlib.sha256()
        self._size = 0

    def add(self, row: Mapping[str, object]) -> None:
        self.text(_line(row) + "\n")

    def text(self, text: str) -> None:
        # Every text was redacted, which leaves no half surrogates, but names and ids were not.
        data = text.encode("utf-8", "replace")
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def seal(self) -> dict[str, object]:
        """Make it durable; returns its entry in the manifest."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return {"name": self.path.name, "bytes": self._size, "sha256": self._hash.hexdigest()}


# What Python reads and writes as JSON, and others do not: one such number would make the whole file unreadable.
_ODD = re.compile(r"NaN|Infinity|\d{19}")


def _line(row: Mapping[str, object]) -> str:
    """A row as JSON that everybody reads: a number that is none is null, one beyond 64 bits is its text."""
    line = json.dumps(row, ensure_ascii=False, default=str)
    if _ODD.search(line) is None:
        return line
    return json.dumps(json.loads(line, parse_constant=lambda _: None, parse_int=_whole), ensure_ascii=False)


def _whole(digits: str) -> int | str:
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else digits
