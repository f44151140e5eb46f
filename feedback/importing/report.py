"""What became of an import's records: counts, and each fault with its place, never with its value."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Final, TextIO

MOST_SHOWN: Final = 20
MOST_REASONS: Final = 20


class Report:
    """Faults go to `shown` until there are many, and all of them to `errors`, one JSON object a line."""

    def __init__(self, files: list[Path], shown: TextIO, errors: TextIO | None = None) -> None:
        self._files = files
        self._shown = shown
        self._errors = errors
        self.refused = Counter[int]()
        self._reasons = Counter[str]()

    def refuse(self, file: int, line: int, where: str, reason: str) -> None:
        self.refused[file] += 1
        told = f"{where}: {reason}" if where else reason
        self._reasons[told if told in self._reasons or len(self._reasons) < MOST_REASONS else "other reasons"] += 1
        path = self._files[file]
        if self.refused.total() <= MOST_SHOWN:
            print(f"{path}:{line}: {told}", file=self._shown)
        elif self.refused.total() == MOST_SHOWN + 1:
            print("more are refused; --errors FILE lists all of them", file=self._shown)
        if self._errors:
            fault = {"file": str(path), "line": line, "field": where, "reason": reason}
            print(json.dumps(fault), file=self._errors)

    def reasons(self) -> list[tuple[str, int]]:
        """Why records were refused and how many, the most frequent first."""
        return self._reasons.most_common()
