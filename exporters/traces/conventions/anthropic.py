"""Anthropic's SDK, which writes spans of its calls itself, without content."""

from __future__ import annotations

from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode.spans import Span

UNSET = 0


def _refine(span: Span, found: Found) -> None:
    # A stream that its application closed early; one that ended well has OK.
    found["aborted"] = span.status == UNSET and found["streaming"] is True and not found["finish_reasons"]


CONVENTION = Convention("anthropic", refine=_refine)
