"""What the API accepts about one call: the fields of a submission, checked, and the event made of it.

`read` makes a submission of one plain mapping or says what is wrong with it; `to_event` makes the event to store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from telltale.feedback import MAX_COMMENT, MAX_NAME, build, subject_hash
from telltale.records import Feedback
from telltale.redaction import pseudonym, redact

THUMBS: Mapping[object, float] = {"up": 1.0, "down": 0.0}
EDIT_DISTANCE: Final = "edit_distance"
SIGNALS: Final = ("copy", "retry", "abandon", EDIT_DISTANCE)
"""What a person did instead of saying something: the names of implicit signals."""
MOST_FAULTS: Final = 10
MOST_IN_PLACE: Final = 100

IdempotencyKey = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
IS_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_UUID = re.compile(r"[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
Hex = StringConstraints(to_lower=True, strip_whitespace=True)


class Fault(NamedTuple):
    """What is wrong and where, never the value: it may be somebody's text."""

    where: str
    message: str


class Invalid(ValueError):
    """This is no submission; `faults` say why."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.where}: {fault.message}" for fault in faults))
        self.faults = faults


class Submission(BaseModel):
    """One event of feedback on one call.

    `value` is, for a thumb, true, false, 1, 0, "up" or "down"; for a rating, a number within `scale` (0 to 1 if not
    given); for a category, its name. `comment` holds the text of a comment or a correction and may go with a thumb or
    a rating. An implicit signal is what a person did, named `copy`, `retry`, `abandon` or `edit_distance`; the last has
    a value from 0 (used as it was) to 1 (nothing left of it). `retract` withdraws what the same subject submitted
    before on the call under the same name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trace_id: Annotated[str, Hex, Field(pattern=r"^[0-9a-fA-F]{32}$")]
    span_id: Annotated[str, Hex, Field(pattern=r"^[0-9a-fA-F]{16}$")] | None = None
    kind: Literal["thumb", "rating", "category", "comment", "correction", "implicit", "retract"]
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[\w.:/ -]+$")] = "helpful"
    value: bool | float | Annotated[str, Field(max_length=64)] | None = None
    scale: tuple[float, float] = (0.0, 1.0)
    comment: Annotated[str, Field(max_length=MAX_COMMENT)] | None = None
    subject: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    source: Literal["user", "judge", "system"] = "user"

    @field_validator("trace_id", "span_id")
    @classmethod
    def _is_not_zero(cls, value: str | None) -> str | None:
        if value is not None and not value.strip("0"):
            raise ValueError("is all zeros")
        return value

    @field_validator("comment", "subject", "name")
    @classmethod
    def _is_storable(cls, value: str | None) -> str | None:
        # PostgreSQL cannot store NUL in text.
        if value is not None and "\0" in value:
            raise ValueError("holds a NUL character")
        return value

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        fault = _fault(self)
        if fault:
            raise ValueError(fault)
        return self

    @property
    def number(self) -> float | None:
        """The value in [0, 1]; None for kinds that have none."""
        if self.kind == "thumb":
            return _thumb(self.value)
        if self.kind == "rating" and isinstance(self.value, (int, float)):
            low, high = self.scale
            return (float(self.value) - low) / (high - low)
        if self.kind == "implicit" and self.name == EDIT_DISTANCE and isinstance(self.value, (int, float)):
            return float(self.value)
        return None

    @property
    def text(self) -> str | None:
        """The category's name or the comment, not redacted yet."""
        return str(self.value) if self.kind == "category" else self.comment


class Item(Submission):
    """A submission with its idempotency key beside its other fields, as in a batch."""

    idempotency_key: IdempotencyKey


def read(item: object) -> Item:
    """A submission from a plain mapping, such as an item of a batch or a row of a file. Raises Invalid."""
    try:
        return Item.model_validate(item)
    except ValidationError as error:
        raise Invalid(faults(error)) from None


def faults(error: ValidationError) -> list[Fault]:
    """What pydantic found, in words for the sender."""
    found: dict[str, str] = {}
    for fault in error.errors(include_input=False, include_context=False, include_url=False):
        # A union's members are named behind the field; of those the sender knows nothing.
        field = str(fault["loc"][0])[:MOST_IN_PLACE] if fault["loc"] else "body"
        is_union = len(fault["loc"]) > 1 and field == "value"
        message = "is neither a number, a text, true nor false" if is_union else fault["msg"]
        found.setdefault(field, _MESSAGES.get(fault["type"], message).removeprefix("Value error, "))
    return [Fault(where, message) for where, message in found.items()][:MOST_FAULTS]


_MESSAGES = {
    "model_type": "is no JSON object",
    "json_invalid": "is no valid JSON",
    "missing": "is missing",
    "extra_forbidden": "is no field of feedback",
}


def to_event(
    submission: Submission,
    *,
    tenant: str,
    idempotency_key: str,
    now: float,
    key: bytes,
    rules: Mapping[str, str],
    key_id: str | None = None,
) -> Feedback:
    """The event to store: text redacted, the subject replaced by a hash that only `key` can make.

    So is an idempotency key in which redaction finds something, such as one made of an e-mail address.
    """
    # A UUID is nobody's, whatever its digits look like.
    if not _UUID.fullmatch(idempotency_key) and redact(idempotency_key, rules)[1]:
        idempotency_key = pseudonym(key, f"{tenant}\0{idempotency_key}")
    return build(
        received_at=now,
        tenant=tenant,
        trace_id=submission.trace_id,
        span_id=submission.span_id,
        kind=submission.kind,
        name=submission.name,
        value=submission.number,
        source=submission.source,
        idempotency_key=idempotency_key,
        comment=submission.text,
        subject=subject_hash(key, tenant, submission.subject) if submission.subject else None,
        rules=rules,
        key_id=key_id,
    )


def fingerprint(submission: Submission, key: bytes) -> str:
    """Equal for equal bodies. Keyed, because a plain hash of a short comment could be guessed."""
    return pseudonym(key, _encode(submission.model_dump(exclude=_BESIDE)))


_BESIDE = {"idempotency_key"}
# Made once: `json.dumps` makes one each time.
_encode = json.JSONEncoder(sort_keys=True).encode


def _thumb(value: object) -> float | None:
    if isinstance(value, str):
        return THUMBS.get(value)
    return float(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None


def _fault(submission: Submission) -> str | None:
    """Why a submission does not fit its kind; None when it does."""
    kind, value, comment = submission.kind, submission.value, submission.comment
    if kind == "thumb" and _thumb(value) is None:
        return 'a thumb\'s value is true, false, 1, 0, "up" or "down"'
    if kind == "rating":
        return _rating_fault(value, submission.scale)
    if kind == "category":
        if not isinstance(value, str) or not value.strip():
            return "a category's value is its name"
        return "a category has no comment; send the comment as an event of its own" if comment else None
    if kind == "implicit":
        return _signal_fault(submission)
    if kind in ("comment", "correction") and not (comment and comment.strip()):
        return f"a {kind} has its text in `comment`"
    if kind in ("comment", "correction", "retract") and value is not None:
        return f"a {kind} has no value"
    return None


def _signal_fault(submission: Submission) -> str | None:
    value = submission.value
    if submission.name not in SIGNALS:
        return f"an implicit signal's name is one of {', '.join(SIGNALS)}"
    if submission.comment:
        return "an implicit signal has no comment; send the comment as an event of its own"
    if submission.name != EDIT_DISTANCE:
        return None if value is None or value is True else f"{submission.name} has no value, or true"
    if isinstance(value, (bool, str)) or value is None or not 0 <= value <= 1:
        return f"{EDIT_DISTANCE} has a value from 0 (unchanged) to 1 (all of it)"
    return None


def _rating_fault(value: object, scale: tuple[float, float]) -> str | None:
    low, high = scale
    if not low < high or not high - low < float("inf"):
        return "scale is [lowest, highest]"
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float)) or not low <= value <= high:
        return f"a rating's value is a number from {low:g} to {high:g} (`scale`)"
    return None
