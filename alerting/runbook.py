"""Runbooks as HTML: the little Markdown that they are written in (headings, lists, code, links, paragraphs)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup, escape

RUNBOOKS = Path(__file__).parent / "runbooks"
_INLINE = re.compile(r"`([^`]+)`|\*([^*]+)\*|\[([^\]]+)\]\((https?://[^)\s]+)\)")
_ITEM = re.compile(r"(- |\d+\. )(.*)")


def names() -> list[str]:
    """Alerts that have a runbook."""
    return sorted(file.stem for file in RUNBOOKS.glob("*.md"))


def page(name: str, level: int = 1) -> Markup | None:
    """The runbook of an alert, its title as a heading of that level; None when there is none."""
    if name not in names():
        return None
    return html((RUNBOOKS / f"{name}.md").read_text(), level)


def first_action(name: str) -> str:
    """What to do first against an alert, as plain text: how its runbook's Mitigation begins; empty when it has none."""
    if name not in names():
        return ""
    _, _, rest = (RUNBOOKS / f"{name}.md").read_text().partition("\n## Mitigation\n")
    lines = next(_blocks(rest.partition("\n## ")[0]), [""])
    item = _ITEM.fullmatch(lines[0])
    return _INLINE.sub(lambda found: next(filter(None, found.groups())), item[2] if item else " ".join(lines))


def html(text: str, level: int = 1) -> Markup:
    """Markdown as HTML; everything in it is escaped."""
    return Markup("\n").join(_block(block, level) for block in _blocks(text))


def _blocks(text: str) -> Iterator[list[str]]:
    for block in re.split(r"\n\s*\n", text.strip()):
        if lines := [line for line in block.splitlines() if line.strip()]:
            yield lines


def _block(lines: list[str], level: int) -> Markup:
    if heading := re.fullmatch(r"(#+) (.*)", lines[0]):
        tag = f"h{min(6, len(heading[1]) + level - 1)}"
        return _tagged(tag, _inline(heading[2]))
    if items := [item for line in lines if (item := _ITEM.fullmatch(line))]:
        tag = "ul" if items[0][1] == "- " else "ol"
        return _tagged(tag, Markup("").join(_tagged("li", _inline(item[2])) for item in items))
    return _tagged("p", _inline(" ".join(lines)))


def _tagged(tag: str, inner: Markup) -> Markup:
    return Markup("<{0}>{1}</{0}>").format(tag, inner)


def _inline(text: str) -> Markup:
    result, end = Markup(""), 0
    for found in _INLINE.finditer(text):
        result += escape(text[end : found.start()]) + _mark(found)
        end = found.end()
    return result + escape(text[end:])


def _mark(found: re.Match[str]) -> Markup:
    code, emphasis, label, address = found.groups()
    if code:
        return Markup("<code>{}</code>").format(code)
    if emphasis:
        return Markup("<em>{}</em>").format(emphasis)
    return Markup('<a href="{}">{}</a>').format(address, label)
