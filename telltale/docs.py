"""The generated parts of this README: commands, exit codes, settings, metrics. `python -m telltale.docs` writes them.

A test compares them with the README, so that it never falls behind.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from telltale import exits
from telltale.catalogue import METRICS
from telltale.cli import COMMANDS
from telltale.settings import walk

README = Path(__file__).with_name("README.md")


def settings() -> str:
    """The table of settings."""
    rows = [f"| `{key}` | {f'`{default}`' if default else ''} | {text} |" for key, default, text in walk()]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def metrics() -> str:
    """The table of metrics."""
    rows = [f"| `{entry.name}` | {entry.kind} | {' '.join(entry.labels)} | {entry.help} |" for entry in METRICS]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])


def commands() -> str:
    """The list of commands."""
    return "\n".join(f"- `telltale {name}`: {text}" for name, text in COMMANDS.items())


def exit_codes() -> str:
    """The table of exit codes."""
    rows = [f"| {code} | {meaning} |" for code, meaning in exits.MEANINGS.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


SECTIONS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "exit codes": exit_codes,
    "settings": settings,
    "metrics": metrics,
}


def fill(text: str) -> str:
    """`text` with every section between its markers written anew."""
    for name, write in SECTIONS.items():
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{write()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    README.write_text(fill(README.read_text()))
