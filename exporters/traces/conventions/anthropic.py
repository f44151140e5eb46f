"""Anthropic's SDK, which writes spans of its calls itself, without content."""

from __future__ import annotations

from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode.spans import Span

UNSET = 0


def _refine(span: Span, found: Found) -> None:
    # A call that its application cancelled, or a stream that it closed early; what ended well has OK.
    is_answered = found["streaming"] is not True and (found["response_id"] or found["output_tokens"] is not None)
    found["aborted"] = span.status == UNSET and not is_answered and not found["finish_reasons"]


CONVENTION = Convention("anthropic", refine=_refine)
