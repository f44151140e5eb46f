"""The generated parts of this README: settings, metrics, commands. `python -m telltale.reference` writes them.

A test compares them with what stands there, so that the README never falls behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from telltale.catalogue import METRICS
from telltale.cli import COMMANDS
from telltale.settings import walk

README = Path(__file__).with_name("README.md")


def settings() -> str:
    """The table of settings."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for key, default, text in walk():
        lines.append(f"| `{key}` | {f'`{default}`' if default else ''} | {text} |")
    return "\n".join(lines)


def metrics() -> str:
    """The table of metrics."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for entry in METRICS:
        lines.append(f"| `{entry.name}` | {entry.kind} | {' '.join(entry.labels)} | {entry.help} |")
    return "\n".join(lines)


def commands() -> str:
    """The list of commands."""
    return "\n".join(f"- `telltale {name}`: {text}" for name, text in COMMANDS.items())


SECTIONS: dict[str, Callable[[], str]] = {"commands": commands, "settings": settings, "metrics": metrics}


def fill(text: str) -> str:
    """`text` with every section between its markers written anew."""
    for name, write in SECTIONS.items():
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        body = f"{begin}\n{write()}\n{end}"
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, body=body: body, text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    README.write_text(fill(README.read_text()))
