"""OTel GenAI conventions, current and older generations, and what unknown senders write in the same way."""

from __future__ import annotations

from typing import Final

from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode.spans import Span

SERVER: Final = 2


def _refine(span: Span, found: Found) -> None:
    if span.kind == SERVER:
        # A server that writes its calls as clients do stands between its clients and a model.
        found["layer"] = "gateway"


CONVENTION = Convention("otel", refine=_refine)
