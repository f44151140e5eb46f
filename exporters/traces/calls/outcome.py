"""How a call ended: `error` when it failed, `aborted` when it was broken off or cancelled, whoever says it and however.

The span's status comes first. Where its sender set none, an HTTP or gRPC status on the call's own span says it; errors
and exceptions say it whatever the status is (LangSmith sets OK on failed calls). A cancelled call is no failed one: its
client gave up. Finish reasons are looked at where nothing failed (see `conventions.finish`).
"""

from __future__ import annotations

from typing import Final

from exporters.traces.calls import error_types
from exporters.traces.conventions import first_token
from exporters.traces.conventions.convention import Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span
from telltale.records import Status

UNSET: Final = 0
ERROR: Final = 2
# What only failed calls have: Claude Code, Genkit, Langfuse, tracers before OTel, and their translations into OTLP.
_SUCCESS: Final = "success"
_ERROR: Final = "error"
_STATES: Final = {"langfuse.observation.level": "ERROR", "genkit:state": "error", "otel.status_code": "ERROR"}
_NOTHING: Final = frozenset(("false", "0", "none", "null", "no", "{}", "[]"))

# All attributes that say how a call ended, beside finish reasons.
NAMES: Final[tuple[str, ...]] = (*error_types.CODES, *error_types.RPC_CODES, _SUCCESS, _ERROR, *_STATES)


def of_span(span: Span, found: Found) -> tuple[Status | None, str | None]:
    """How the call of a span ended, None where nothing says that it ended badly; and the kind of its error."""
    if not _has_failed(span, found):
        return ("aborted" if found.get("aborted") else None), None
    kind = error_types.kind(span, found["error_type"])
    return ("aborted", None) if kind == error_types.CANCELLED else ("error", kind)


def is_limit(reasons: tuple[str, ...], response_id: str | None) -> bool:
    """Whether a response of OpenAI's Responses API met a limit on tokens or a filter: `incomplete` is its status."""
    return reasons == ("incomplete",) and first_token.is_response_id(response_id)


def _has_failed(span: Span, found: Found) -> bool:
    a = span.attributes
    if span.status == ERROR or found["error_type"] or found.get("failed") or error_types.exception(span) is not None:
        return True
    if span.status == UNSET and error_types.code(a) is not None:
        return True
    return (
        attributes.flag(a, _SUCCESS) is False
        or _says_error(a.get(_ERROR))
        or any(attributes.word(a, name) == state for name, state in _STATES.items() if name in a)
    )


def _says_error(value: object) -> bool:
    """Whether an attribute of this name says that there was one: a flag, or what it was."""
    if isinstance(value, str):
        return bool(value.strip('" ')) and value.strip('" ').lower() not in _NOTHING
    return value is True
