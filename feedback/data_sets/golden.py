"""Held-out prompts: what a model is tested with must not be in what it learns from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from feedback.data_sets.alike import Alike, sketch
from feedback.data_sets.formats import Candidate
from feedback.data_sets.spec import ExportRefused, Golden

MAX_BYTES = 256 << 20
_NAMES = ("prompt", "messages", "question", "input", "instruction", "text")
_HOW = (
    f"each line is a JSON object with one of {', '.join(_NAMES)} (text, or messages with `role` and `content`), "
    "or a JSON text; lines of a .txt file are prompts as they are"
)


class GoldenPrompts:
    """The prompts of files, compared with the talk and the newest turn of rows."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Reads the files. Raises ExportRefused for one that cannot be read, with the line and what it should be."""
        self.files: list[Golden] = []
        self._exact: set[str] = set()
        self._alike = Alike()
        for path in paths:
            data = _bytes(path)
            self.files.append(Golden(path.name, hashlib.sha256(data).hexdigest()))
            for prompt in _prompts(path, data):
                self._exact.add(_plain(prompt))
                self._alike.add(sketch(prompt))

    def __bool__(self) -> bool:
        return bool(self._exact)

    def holds(self, row: Candidate) -> Literal["golden", "near_golden"] | None:
        """Whether a row's prompt is one of these, or nearly."""
        texts = {row.talk, row.newest}
        if any(_plain(text) in self._exact for text in texts):
            return "golden"
        sketches = (row.talk_sketch, sketch(row.newest))
        return "near_golden" if any(self._alike.find(one) is not None for one in sketches) else None


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ExportRefused(f"--golden {path}: {size:,} bytes are more than {MAX_BYTES:,}; give its prompts alone")
        return path.read_bytes()
    except OSError as error:
        raise ExportRefused(f"--golden {path}: {error.strerror}; name a file of held-out prompts") from error


def _prompts(path: Path, data: bytes) -> Iterator[str]:
    try:
        lines = data.decode("utf-8-sig").splitlines() if path.suffix == ".txt" else data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ExportRefused(f"--golden {path}: not UTF-8 text at byte {error.start}; {_HOW}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        prompt = line if path.suffix == ".txt" else _prompt(line)
        if not prompt:
            shown = line.strip()[:60]
            raise ExportRefused(f"--golden {path}, line {number}: {shown!r} holds no prompt; {_HOW}")
        yield prompt


def _prompt(line: str) -> str | None:
    try:
        value: Any = json.loads(line)
    except ValueError:
        return None
    if isinstance(value, dict):
        value = next((value[name] for name in _NAMES if value.get(name)), None)
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        return None
    # Without the answer, if there is one, and without the system's instructions, as rows are compared.
    asked = [turn for turn in value if turn.get("role") != "system"]
    while asked and asked[-1].get("role") == "assistant":
        asked.pop()
    texts = [_text(turn.get("content")) for turn in asked]
    return None if None in texts else "\n".join(text for text in texts if text) or None


def _text(content: object) -> str | None:
    """What a message says: text, or parts with `text`; None for what is neither."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        return None
    parts = [part.get("text", "") if isinstance(part, dict) else part for part in content]
    return "\n".join(part for part in parts if part) if all(isinstance(part, str) for part in parts) else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
