"""What a score of Langfuse says, the same whether its SDK sends it or a file brings it.

A boolean is a thumb, a number in [0, 1] a rating, a string a category, a `TEXT` a comment, a `CORRECTION` a better
response. A number on another scale says nothing by itself: nobody knows which end of it is good.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from telltale.feedback import MAX_COMMENT
from telltale.records import FeedbackKind
from telltale.redaction import redact

MAX_CATEGORY: Final = 64
MAX_SENT_COMMENT: Final = 8000
"""Characters of a comment on a thumb or a rating."""
MAX_ID: Final = 119
_TEXTS: Mapping[str, FeedbackKind] = {"CORRECTION": "correction", "TEXT": "comment"}
# SQLite cannot store a lone surrogate, PostgreSQL cannot store NUL.
_NOT_STORABLE = re.compile(r"[\0\ud800-\udfff]")


class Judged(NamedTuple):
    """`value` is in [0, 1], or a number on a scale that is not known; `text` is a category's name or what was written.

    `most` is how many characters of the text or of the score's comment are kept.
    """

    kind: FeedbackKind
    value: float | None
    text: str
    most: int


def judge(score: Mapping[str, Any]) -> Judged | None:
    """What a score says; None when it says nothing that can be read."""
    value, type_ = score.get("value"), score.get("dataType")
    # What is read back has the text apart, beside a number that stands for it.
    text = value if isinstance(value, str) else score.get("stringValue")
    if kind := _TEXTS.get(str(type_)):
        return Judged(kind, None, text, MAX_COMMENT) if isinstance(text, str) and text.strip() else None
    if isinstance(value, str) or type_ == "CATEGORICAL":
        return Judged("category", None, text, MAX_CATEGORY) if isinstance(text, str) and text.strip() else None
    if not isinstance(value, bool | int | float):
        return None
    if type_ == "BOOLEAN" or isinstance(value, bool):
        return Judged("thumb", float(value), "", MAX_SENT_COMMENT) if 0 <= value <= 1 else None
    return Judged("rating", float(value), "", MAX_SENT_COMMENT)


def score_key(score_id: str, rules: Mapping[str, str]) -> str:
    """The idempotency key of a score.

    It is the id if that can and may be stored as it is, else its hash: two ids that are cut short could become one.
    """
    if len(score_id) > MAX_ID or _NOT_STORABLE.search(score_id) or redact(score_id, rules)[1]:
        score_id = hashlib.sha256(score_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"langfuse:{score_id}"
