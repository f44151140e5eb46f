"""The kind of a failed call's error, from class names, HTTP codes and messages: a small set, fit for a label."""

from __future__ import annotations

import re

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_CODE = re.compile(r"\b([45]\d\d)\b", re.ASCII)
_CODES = {
    400: "bad_request", 401: "authentication", 403: "permission", 404: "not_found", 408: "timeout",
    413: "bad_request", 422: "bad_request", 429: "rate_limit", 499: "cancelled", 503: "overloaded", 504: "timeout",
    529: "overloaded",
}  # fmt: skip
# Parts of class names, in lower case and without underscores; the first that matches.
_CLASSES = (
    ("ratelimit", "rate_limit"), ("quota", "rate_limit"), ("overloaded", "overloaded"), ("timeout", "timeout"),
    ("deadline", "timeout"), ("cancel", "cancelled"), ("connection", "connection"), ("connect", "connection"),
    ("remoteprotocol", "connection"), ("readerror", "connection"), ("writeerror", "connection"),
    ("authentication", "authentication"), ("permission", "permission"),
    ("contextwindow", "context_length"), ("contextlength", "context_length"), ("contentpolicy", "content_filter"),
    ("contentfilter", "content_filter"), ("notfound", "not_found"), ("badrequest", "bad_request"),
    ("invalidrequest", "bad_request"), ("unprocessable", "bad_request"), ("internalserver", "server_error"),
    ("apierror", "server_error"), ("serviceunavailable", "overloaded"),
)  # fmt: skip


def kind(span: Span, error_type: str | None) -> str:
    """The kind of a failed call's error."""
    a = span.attributes
    exception = span.event("exception")
    details = exception.attributes if exception else {}
    code = attributes.count(a, "http.response.status_code", "error.code", "http.status_code")
    name = error_type or attributes.word(details, "exception.type") or ""
    if _CODE.fullmatch(name):
        code = int(name)
    if code is not None and 400 <= code < 600:
        return _by_code(code)
    flat = name.lower().replace("_", "").replace(".", "")
    for part, found in _CLASSES:
        if part in flat:
            return found
    message = " ".join(filter(None, (span.status_message[:500], attributes.word(details, "exception.message"))))
    match = _CODE.search(message)
    if match:
        return _by_code(int(match[1]))
    flat = message.lower().replace(" ", "")
    return next((found for part, found in _CLASSES if part in flat), "other")


def _by_code(code: int) -> str:
    return _CODES.get(code, "bad_request" if code < 500 else "server_error")
