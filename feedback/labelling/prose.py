"""What a model wrote, as people read it: Markdown made safe. Nothing in it can run, load or hide anything."""

from __future__ import annotations

from functools import cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markupsafe import Markup

MOST_CHARACTERS: Final = 20_000


def prose(text: str) -> Markup:
    """Markdown as HTML: raw HTML stays text, links are shown with their address and lead nowhere, images are named."""
    return Markup(_reader().render(text[:MOST_CHARACTERS]))  # noqa: S704 - the renderer escapes; its tests say so


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("table")
    reader.add_render_rule("link_open", lambda _self, tokens, index, *_: f"<u>{_address(tokens[index])} ")
    reader.add_render_rule("link_close", lambda *_: "</u>")
    reader.add_render_rule("image", lambda _self, tokens, index, *_: f"[image: {escapeHtml(tokens[index].content)}]")
    # The page has headings of its own.
    reader.add_render_rule("heading_open", lambda *_: "<p><strong>")
    reader.add_render_rule("heading_close", lambda *_: "</strong></p>")
    return reader


def _address(token: Token) -> str:
    return f"&lt;{escapeHtml(str(token.attrGet('href') or ''))}&gt;"
