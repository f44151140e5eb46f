"""How far back an alert's expression looks: a signal that is younger than that says nothing of the time before."""

from __future__ import annotations

import re

_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'|`[^`]*`")
_RANGE = re.compile(r"\[\s*([0-9a-z]+)\s*(?::[^\]]*)?\]")
_OFFSET = re.compile(r"\boffset\s+([0-9a-z]+)")
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}


def lookback(expression: str) -> float:
    """Seconds: the longest range and the longest offset of a PromQL expression, one before the other."""
    bare = _QUOTED.sub("", expression)
    return sum(max(map(_seconds, found.findall(bare)), default=0.0) for found in (_RANGE, _OFFSET))


def _seconds(duration: str) -> float:
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(duration))
