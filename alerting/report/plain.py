"""A ticket's summary as plain text, for mails and terminals."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

from alerting.report.summary import Fact, Grid, Summary
from telltale.terminal import harmless


def plain(summary: Summary, web_url: str) -> str:
    """The summary as plain text; `web_url` is where this site is."""
    return harmless("\n\n".join(_blocks(summary, web_url))) + "\n"


def _blocks(summary: Summary, web_url: str) -> Iterable[str]:
    yield f"{_line(summary.title)}\n{'=' * min(78, len(summary.title))}"
    yield _line(summary.sentence)
    width = max((len(fact.label) for fact in summary.facts), default=0) + 1
    yield "\n".join(line for fact in summary.facts for line in _fact(fact, width, web_url))
    if summary.command:
        yield f"Data set:\n  {summary.command}"
    yield from _grid(summary.reasons)
    if summary.parts:
        yield _heading("What changed")
    for part in summary.parts:
        yield f"{_line(part.title)}: {part.state}"
        if part.lead:
            yield _line(part.lead)
        for grid in (*part.figures, *part.grids):
            yield from _grid(grid)
        for quote in (*part.typical, *part.quotes):
            yield f"{_line(quote.title)}\n{indent(_lines(quote.text), '  | ', lambda _: True)}"
    yield from _grid(summary.alerts)
    yield from _grid(summary.timeline)
    if summary.hidden:
        yield summary.hidden


def _fact(fact: Fact, width: int, web_url: str) -> Iterable[str]:
    yield f"{fact.label}:".ljust(width) + f" {_line(fact.text)}"
    if fact.address:
        yield " " * width + f" {fact.absolute(web_url)}"


def _grid(grid: Grid) -> Iterable[str]:
    """Each row as a line that names its cells: columns would break at the width of a mail."""
    if not grid.rows:
        return
    yield _heading(grid.title)
    lines = []
    for first, *others in grid.rows:
        named = (f"{head.lower()}: {_line(cell)}" for head, cell in zip(grid.heads[1:], others, strict=True))
        lines.append(f"- {_line(first)}; {'; '.join(named)}")
    yield "\n".join(lines)


def _heading(text: str) -> str:
    return f"{text}\n{'-' * min(78, len(text))}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _lines(text: str) -> str:
    return "\n".join(text.splitlines())
