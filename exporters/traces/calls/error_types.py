"""The kind of a failed call's error, from class names, HTTP and gRPC codes and messages: few enough for a label."""

from __future__ import annotations

import re
from typing import Final

from exporters.traces.decode import attributes
from exporters.traces.decode.attributes import Attributes
from exporters.traces.decode.spans import Event, Span

CANCELLED: Final = "cancelled"
# Of the call's own HTTP response, or as its provider's error has it.
CODES: Final[tuple[str, ...]] = (
    *("http.response.status_code", "error.code", "http.status_code", "gen_ai.response.status_code"),
    *("llm.response.status_code", "status_code"),
)
RPC_CODES: Final[tuple[str, ...]] = ("rpc.grpc.status_code", "rpc.response.status_code")

# Not a part of a decimal number, and no number of things.
_CODE = re.compile(
    r"(?<![\d.,])\b([45]\d\d)\b(?![.,]\d)(?!\s*(?:tokens?|characters|chars|bytes|[km]b|words|items|messages|s|ms|seconds"
    r"|milliseconds|minutes|times|requests)\b)",
    re.ASCII | re.IGNORECASE,
)
_CODES = {
    400: "bad_request", 401: "authentication", 403: "permission", 404: "not_found", 408: "timeout",
    413: "bad_request", 422: "bad_request", 429: "rate_limit", 499: CANCELLED, 503: "overloaded", 504: "timeout",
    529: "overloaded",
}  # fmt: skip
# gRPC's codes by number (grpc/grpc, doc/statuscodes.md); 0 is OK.
_RPC_NAMES: Final[tuple[str, ...]] = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_RPC_KINDS = {
    "CANCELLED": CANCELLED, "INVALID_ARGUMENT": "bad_request", "DEADLINE_EXCEEDED": "timeout",
    "NOT_FOUND": "not_found", "PERMISSION_DENIED": "permission", "RESOURCE_EXHAUSTED": "rate_limit",
    "INTERNAL": "server_error", "UNAVAILABLE": "overloaded", "UNAUTHENTICATED": "authentication",
}  # fmt: skip
# Parts of class names, in lower case and without underscores; the first that matches.
_CLASSES = (
    ("ratelimit", "rate_limit"), ("quota", "rate_limit"), ("resourceexhausted", "rate_limit"),
    ("throttl", "rate_limit"), ("toomanyrequests", "rate_limit"),
    ("overloaded", "overloaded"), ("timeout", "timeout"), ("timedout", "timeout"), ("deadline", "timeout"),
    ("connectionabort", "connection"), ("econn", "connection"), ("epipe", "connection"),
    ("clientdisconnect", CANCELLED), ("cancel", CANCELLED), ("abort", CANCELLED),
    ("generatorexit", CANCELLED), ("keyboardinterrupt", CANCELLED), ("interrupted", CANCELLED),
    ("systemexit", CANCELLED),
    ("connection", "connection"), ("connect", "connection"), ("brokenpipe", "connection"),
    ("remoteprotocol", "connection"), ("incompleteread", "connection"), ("chunkedencoding", "connection"),
    ("readerror", "connection"), ("writeerror", "connection"),
    ("authentication", "authentication"), ("unauthenticated", "authentication"), ("unauthorized", "authentication"),
    ("apikey", "authentication"), ("permission", "permission"), ("accessdenied", "permission"),
    ("contextwindow", "context_length"), ("contextlength", "context_length"), ("contentpolicy", "content_filter"),
    ("contentfilter", "content_filter"), ("notfound", "not_found"), ("badrequest", "bad_request"),
    ("invalidrequest", "bad_request"), ("invalidargument", "bad_request"), ("unprocessable", "bad_request"),
    ("internalserver", "server_error"), ("apierror", "server_error"), ("serviceunavailable", "overloaded"),
    ("unavailable", "overloaded"), ("notready", "overloaded"),
)  # fmt: skip
# A message names much besides the error: a cancelled subscription, a connection that a server aborted.
_IN_MESSAGES = tuple((part, found) for part, found in _CLASSES if found != CANCELLED)
_CANCELLED = re.compile(
    r"\W*(?:cancell?ed|aborted|canceled)\W*"
    r"|.*\b(?:requests?|operation|call|task|stream|response|generation|context|run|query)\W+"
    r"(?:(?:was|has been|is|been|got)\W+)?(?:abort|cancel)"
    r"|.*\b(?:cancell?ed|aborted|interrupted) by (?:the |a )?(?:user|client|caller|consumer|application)"
    r"|.*\b(?:user|client|caller) (?:has )?(?:abort|cancel|disconnect|went away|hung up|closed (?:the )?request)"
    r"|.*\bclient closed request|.*\b(?:CancelledError|GeneratorExit|KeyboardInterrupt|AbortError)\b",
    re.IGNORECASE | re.DOTALL,
)
_TIMED_OUT = re.compile(r"time[ -]?out|timed out|deadline exceeded", re.IGNORECASE)
# Ends that Python tells by an exception.
_ENDS = frozenset(("StopIteration", "StopAsyncIteration"))
_EXCEPTIONS: Final = frozenset(("exception", "gen_ai.client.operation.exception", "gen_ai.client.inference.exception"))
_MESSAGES: Final[tuple[str, ...]] = ("langfuse.observation.status_message", "error.message", "error")
# Of a message; it may be a whole response, or a stack of calls.
_LONGEST: Final = 500


def kind(span: Span, error_type: str | None) -> str:
    """The kind of a failed call's error."""
    known = code(span.attributes)
    if known is not None:
        return known
    event = exception(span)
    details = event.attributes if event else {}
    name = error_type or attributes.word(details, "exception.type", "error.type") or ""
    if _CODE.fullmatch(name):
        return _by_code(int(name))
    message = _message(span, details)
    flat = name.lower().replace("_", "").replace(".", "")
    for part, found in _CLASSES:
        if part in flat:
            # .NET and OkHttp tell by a cancelled task that its time was up.
            return "timeout" if found == CANCELLED and _TIMED_OUT.search(message) else found
    if _CANCELLED.match(message):
        return "timeout" if _TIMED_OUT.search(message) else CANCELLED
    match = _CODE.search(message)
    if match:
        return _by_code(int(match[1]))
    flat = message.lower().replace(" ", "")
    return next((found for part, found in _IN_MESSAGES if part in flat), "other")


def code(a: Attributes) -> str | None:
    """The kind that an HTTP or a gRPC status stands for; None without one, or for one of success."""
    for name in CODES:
        number = attributes.count(a, name) if name in a else None
        if number is not None and 400 <= number < 600:
            return _by_code(number)
    for name in RPC_CODES:
        if name in a:
            number = attributes.whole(a[name])
            word = str(a[name]).upper() if number is None else _RPC_NAMES[number] if number < len(_RPC_NAMES) else "OK"
            if word in _RPC_NAMES and word != "OK":
                return _RPC_KINDS.get(word, "other")
    return None


def exception(span: Span) -> Event | None:
    """The first event of an exception that is no ordinary end."""
    for event in span.events:
        if event.name in _EXCEPTIONS and attributes.word(event.attributes, "exception.type") not in _ENDS:
            return event
    return None


def _message(span: Span, details: Attributes) -> str:
    texts = [span.status_message, details.get("exception.message"), *(span.attributes.get(name) for name in _MESSAGES)]
    return " ".join(text[:_LONGEST] for text in texts if isinstance(text, str) and text)


def _by_code(number: int) -> str:
    return _CODES.get(number, "bad_request" if number < 500 else "server_error")
