"""What a model wrote, as people read it: Markdown made safe. Nothing in it can run, load or hide anything."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markupsafe import Markup, escape

MOST_CHARACTERS: Final = 20_000
"""Of a longer text the rest follows as it was written."""
MOST_NESTED: Final = 20
MOST_GROWTH: Final = 10
"""Markup may be so many times as long as its text; a table of empty cells is 34 times as long."""
_TAG: Final = re.compile(r"<[^>]*>")
_WORD: Final = re.compile(r"[^\W\d_]+")


def prose(text: str) -> Markup:
    """Markdown as HTML: raw HTML stays text, links and images are shown with their address and lead nowhere.

    Where Markdown would hide a word, as in a table's row that has too many cells, all is shown as it was written.
    """
    begin, rest = text[:MOST_CHARACTERS], text[MOST_CHARACTERS:]
    rendered = _rendered(begin)
    if rendered is None:
        return _as_written(text)
    return Markup(rendered) + (_as_written(rest) if rest else "")  # noqa: S704 - the renderer escapes; its tests say so


def _rendered(text: str) -> str | None:
    found = str(_reader().render(text))
    if len(found) > MOST_GROWTH * len(text) + 1000:
        return None
    shown = html.unescape(_TAG.sub(" ", found))
    return found if _words(html.unescape(text)) <= _words(shown) else None


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text))


def _as_written(text: str) -> Markup:
    return Markup("<pre>{}</pre>").format(text)


@cache
def _reader() -> MarkdownIt:
    # A definition of a link's address is left where it stands, for it shows nothing where it is read as one.
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": MOST_NESTED}).enable("table")
    reader.disable("reference")
    # Addresses are shown as they were written.
    reader.normalizeLink = lambda url: url  # type: ignore[method-assign]  # the library's own way to set it
    reader.add_render_rule("link_open", lambda _self, tokens, index, *_: f"<u>{_address(tokens[index], 'href')} ")
    reader.add_render_rule("link_close", lambda *_: "</u>")
    reader.add_render_rule("image", lambda _self, tokens, index, *_: _image(tokens[index]))
    reader.add_render_rule("fence", lambda _self, tokens, index, *_: _code(tokens[index]))
    for cell in ("th", "td"):
        # Its alignment is a style, which the page's policy forbids.
        reader.add_render_rule(f"{cell}_open", lambda _self, tokens, index, *_: f"<{tokens[index].tag}>")
    # The page has headings of its own.
    reader.add_render_rule("heading_open", lambda *_: "<p><strong>")
    reader.add_render_rule("heading_close", lambda *_: "</strong></p>")
    return reader


def _image(token: Token) -> str:
    """Addresses of images are how an answer may carry away what was said: they are read, and not fetched."""
    return f"[image: {escapeHtml(token.content)} {_address(token, 'src')}]"


def _code(token: Token) -> str:
    named = f'<span class="small">{escape(token.info.strip())}</span>\n' if token.info.strip() else ""
    return f"<pre>{named}<code>{escapeHtml(token.content)}</code></pre>\n"


def _address(token: Token, name: str) -> str:
    title = token.attrGet("title")
    told = f"{token.attrGet(name) or ''}" + (f' "{title}"' if title else "")
    return f"&lt;{escapeHtml(told)}&gt;"
