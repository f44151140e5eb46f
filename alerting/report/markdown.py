"""A ticket's summary as Markdown (CommonMark with GitHub's tables), for trackers and chats. All text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable

from alerting.report.summary import Fact, Grid, Part, Quote, Summary

# What could begin or end markup anywhere in a line; `@` and `#` would name people and issues in a tracker.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~@&$])")
_FENCE = re.compile(r"`+")


def markdown(summary: Summary, web_url: str) -> str:
    """The summary as Markdown; `web_url` is where this site is."""
    return "\n\n".join(_blocks(summary, web_url)) + "\n"


def _blocks(summary: Summary, web_url: str) -> Iterable[str]:
    yield f"# {escape(summary.title)}"
    yield f"**{escape(summary.sentence)}**"
    yield "\n".join(_fact(fact, web_url) for fact in summary.facts)
    if summary.command:
        yield "Data set:"
        yield _fenced(summary.command)
    yield from _grid(summary.reasons, "##")
    if summary.parts:
        yield "## What changed"
    for part in summary.parts:
        yield from _part(part)
    yield from _grid(summary.alerts, "##")
    yield from _grid(summary.timeline, "##")
    if summary.hidden:
        yield f"*{escape(summary.hidden)}*"


def _part(part: Part) -> Iterable[str]:
    yield f"### {escape(part.title)}: {escape(part.state)}"
    if part.lead:
        yield escape(part.lead)
    for grid in (*part.figures, *part.grids):
        yield from _grid(grid, "####")
    for quote in (*part.typical, *part.quotes):
        yield from _quote(quote)


def _fact(fact: Fact, web_url: str) -> str:
    address = fact.absolute(web_url)
    text = f"[{escape(fact.text)}](<{_address(address)}>)" if address else escape(fact.text)
    return f"- **{escape(fact.label)}:** {text}"


def _grid(grid: Grid, level: str) -> Iterable[str]:
    if not grid.rows:
        return
    yield f"{level} {escape(grid.title)}"
    lines = (grid.heads, tuple("---" for _ in grid.heads))
    head = [_row(lines[0]), "| " + " | ".join(lines[1]) + " |"]
    yield "\n".join([*head, *(_row(row) for row in grid.rows)])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _quote(quote: Quote) -> Iterable[str]:
    yield escape(quote.title)
    yield _fenced(quote.text)


def escape(text: str) -> str:
    """The text as one line that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _fenced(text: str) -> str:
    fence = "`" * max(3, 1 + max((len(found) for found in _FENCE.findall(text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _address(address: str) -> str:
    return address.replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C").replace("\n", "")
