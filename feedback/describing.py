"""How the feedback API describes itself in OpenAPI: bodies with examples, and what is answered."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from feedback.submission import Item, Submission

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
UUID: Final = "0b8a3d5e-9c43-4f0e-8d7c-6d5f1f0c2a91"
KEY_ONLY: Final[list[dict[str, list[str]]]] = [{"apiKey": []}]
EXAMPLES: Final[dict[str, dict[str, object]]] = {
    "a thumb with a comment": {"kind": "thumb", "value": "down", "subject": "user-17", "comment": "wrong city"},
    "stars": {"kind": "rating", "value": 4, "scale": [1, 5], "name": "tone"},
    "a category": {"kind": "category", "value": "hallucination", "name": "fault"},
    "a better response": {"kind": "correction", "comment": "It arrives in Busan on Friday."},
    "a comment on one span": {"kind": "comment", "comment": "the second source is old", "span_id": "00f067aa0ba902b7"},
    "copied": {"kind": "implicit", "name": "copy"},
    "a third of it rewritten": {"kind": "implicit", "name": "edit_distance", "value": 0.33},
    "taken back": {"kind": "retract", "subject": "user-17"},
}


class Stored(BaseModel):
    """The event is durable. The same submission sent again has the same id and time."""

    status: int
    id: int
    received_at: float
    trace_id: str


class Result(BaseModel):
    """What became of one item: 201 stored, 200 stored before, 422 invalid (`errors` says where), 503 to send again."""

    index: int
    status: int
    id: int | None = None
    received_at: float | None = None
    detail: str | None = None
    errors: list[dict[str, str]] | None = None


class Results(BaseModel):
    """One result for each item, in their order."""

    results: list[Result]


class Token(BaseModel):
    """What a page needs to send feedback: pass it all on. `expires_at` is in Unix seconds."""

    token: str
    expires_at: float
    url: str


class Taken(BaseModel):
    """201: stored; 200: this is how the person voted already."""

    status: int


def body(schema: dict[str, Any], examples: dict[str, object]) -> dict[str, Any]:
    """The `requestBody` of an operation that reads its body itself."""
    written = {name: {"value": value} for name, value in examples.items()}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": written}}}


_REPLAYED: Final = {
    "model": Stored,
    "description": "Stored before, with the same body.",
    "headers": {"Idempotent-Replayed": {"schema": {"const": "true"}}},
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Names this submission: a new UUID for each, the same one when you send it again. With another body "
    "it is refused (422).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
    "example": UUID,
}

SUBMIT: Final[dict[str, Any]] = {
    "responses": {201: {"model": Stored, "description": "Stored; it survives a crash."}, 200: _REPLAYED},
    "openapi_extra": {
        "security": KEY_ONLY,
        "parameters": [_IDEMPOTENCY_KEY],
        "requestBody": body(
            Submission.model_json_schema(), {name: {"trace_id": TRACE, **said} for name, said in EXAMPLES.items()}
        ),
    },
}
_ITEMS: Final = {"type": "array", "minItems": 1, "maxItems": 200, "items": Item.model_json_schema()}
BATCH: Final[dict[str, Any]] = {
    "responses": {
        200: {"model": Results, "description": "Every item has its result; invalid ones keep no other out."},
        503: {"model": Results, "description": "Some items must be sent again; all may be."},
    },
    "openapi_extra": {
        "security": KEY_ONLY,
        "requestBody": body(
            {"type": "object", "required": ["items"], "properties": {"items": _ITEMS}},
            {
                "two": {
                    "items": [
                        {"trace_id": TRACE, "kind": "thumb", "value": "up", "idempotency_key": UUID},
                        {"trace_id": TRACE, "kind": "implicit", "name": "retry", "idempotency_key": f"{UUID}-2"},
                    ]
                }
            },
        ),
    },
}


TOKENS: Final[dict[str, Any]] = {
    "responses": {201: {"model": Token}},
    "openapi_extra": {"security": KEY_ONLY},
}


def vote(schema: dict[str, Any]) -> dict[str, Any]:
    """Of the route that browsers use, whose bodies have this schema."""
    token = "WyJzaG9wIiwiNGJmOTJm….signature"  # noqa: S105 - an example
    examples: dict[str, object] = {
        "a thumb": {"token": token, "value": "up"},
        "a comment": {"token": token, "kind": "comment", "comment": "too long"},
        "copied": {"token": token, "kind": "implicit", "signal": "copy"},
        "taken back": {"token": token, "kind": "retract"},
    }
    answers = {201: {"model": Taken}, 200: {"model": Taken, "description": "This person's last word already."}}
    conflict = {409: {"description": "Changed too often."}, 401: {"description": "The token is invalid or expired."}}
    return {"responses": answers | conflict, "openapi_extra": {"security": [], "requestBody": body(schema, examples)}}
