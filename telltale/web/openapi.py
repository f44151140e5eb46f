"""The API's description: FastAPI's own, with what holds for every operation added in one place.

How requests are authorized, that errors are problem documents (RFC 9457), and which of them may come.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

Document = dict[str, Any]
KEY: Final = "apiKey"
SESSION: Final = "session"
PROBLEM: Final = "application/problem+json"
_RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before."}}
_ERRORS: Final = {
    "401": ("No API key and no session, or one that is unknown, revoked or expired.", {}),
    "403": ("The key lacks the scope, or the person the role.", {}),
    "413": ("The body is longer than what is accepted there; nothing was read.", {}),
    "422": ("The request does not fit; `errors` says where. Sent again as it is, it will not fit either.", {}),
    "429": ("Too many requests: send the same again after `Retry-After` seconds.", _RETRY_AFTER),
    "503": ("The store cannot be used now: send the same again after `Retry-After` seconds.", _RETRY_AFTER),
}
_SCHEMES: Final = {
    KEY: {"type": "http", "scheme": "bearer", "description": "An API key: `telltale key add NAME --scope …`."},
    SESSION: {"type": "apiKey", "in": "cookie", "name": "telltale", "description": "Of a person who signed in."},
}
_PROBLEM_SCHEMA: Final = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Unprocessable Entity"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {"type": "string", "description": "What is wrong, for people; never the value that was sent."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def describe(app: FastAPI) -> Document:
    """The application's routes in OpenAPI 3.1."""
    found = app.openapi()
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM_SCHEMA
    # FastAPI describes errors in a form of its own, which is not what `telltale.web.problems` sends.
    for foreign in ("HTTPValidationError", "ValidationError"):
        schemas.pop(foreign, None)
    components["securitySchemes"] = _SCHEMES
    for operations in found["paths"].values():
        for method, operation in operations.items():
            _complete(method, operation)
    return found


def _complete(method: str, operation: Document) -> None:
    operation.setdefault("security", [{SESSION: []}, {KEY: []}])
    responses = operation.setdefault("responses", {})
    for status, (description, headers) in _ERRORS.items():
        if status == "413" and method == "get":
            continue
        if status in ("401", "403") and operation["security"] == []:
            continue
        # What FastAPI says of 422 is its own form of errors.
        known = {} if status == "422" else responses.get(status, {})
        problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[status] = {
            "description": known.get("description", description),
            "content": known.get("content", {}) | problem,
        } | ({"headers": headers} if headers else {})
