"""What a label is: answers to a rubric's questions about one call, and what several people's labels say together. Pure.

A rubric's version is never changed once labels point to it: what was asked is known for every label.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal, get_args

from telltale.feedback import MAX_COMMENT

FieldKind = Literal["choice", "scale", "comparison"]
"""One of several names; one of several ranks, the worst first; which of two answers is better."""
How = Literal["single", "unanimous", "majority", "adjudicated"]
"""How an item was decided."""

FIRST, TIE, SECOND = "first", "tie", "second"
MAX_FIELDS: Final = 12
MAX_OPTIONS: Final = 9
"""As many as there are keys from 1 to 9."""
MAX_NAME: Final = 64
MAX_QUESTION: Final = 400
MAX_GUIDELINES: Final = 20_000
# Two of two may both be wrong in the same way; two of three are more than one person's view.
LEAST_FOR_MAJORITY: Final = 3

Values = Mapping[str, str]
"""The chosen option of each field that was answered, by the field's name."""


class InvalidLabel(ValueError):
    """A label or a rubric that cannot be stored; the message names the field and what it may be."""


@dataclass(frozen=True, slots=True)
class Field:
    """One question. `options` are named as people see them; those of a scale go from worst to best."""

    name: str
    question: str
    kind: FieldKind
    options: tuple[str, ...]
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Rubric:
    """What reviewers are asked, and by which guidelines they answer; `number` is its version, from 1."""

    name: str
    number: int
    fields: tuple[Field, ...]
    guidelines: str = ""
    id: int | None = None

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)


DEFAULT = Rubric(
    "answer quality",
    1,
    (Field("verdict", "Is the answer good?", "choice", ("good", "bad")),),
    "Good: correct, complete, and what was asked for. Bad: wrong, harmful, or of no use to the person who asked.",
)
"""What a queue asks where nobody wrote a rubric."""

COMPARISON = Rubric(
    "which answer",
    1,
    (Field("better", "Which answer is better?", "comparison", (FIRST, TIE, SECOND)),),
    "The better answer is correct, complete, and helps the person who asked more. Equally good or bad ones are a tie.",
)
"""What a queue of two answers each asks where nobody wrote a rubric."""


def digest(rubric: Rubric) -> str:
    """SHA-256 of what a rubric asks: equal for equal questions, options and guidelines."""
    content = json.dumps([[asdict(field) for field in rubric.fields], rubric.guidelines], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def check_rubric(rubric: Rubric) -> None:
    """Raises InvalidLabel, which names all its faults, for a rubric that cannot be answered."""
    if found := list(faults(rubric)):
        raise InvalidLabel("; ".join(found))


def faults(rubric: Rubric) -> Iterator[str]:
    """Why a rubric cannot be answered, each as a sentence's part with place and mend."""
    if not 0 < len(rubric.name.strip()) <= MAX_NAME:
        yield f"the rubric's name has 1 to {MAX_NAME} characters"
    if not 0 < len(rubric.fields) <= MAX_FIELDS:
        yield f"{rubric.name}: a rubric has 1 to {MAX_FIELDS} fields, this one {len(rubric.fields)}"
    if len(rubric.guidelines) > MAX_GUIDELINES:
        yield f"{rubric.name}: guidelines have at most {MAX_GUIDELINES:,} characters"
    names = [field.name for field in rubric.fields]
    if len(set(names)) < len(names):
        yield f"{rubric.name}: two fields have the same name"
    for field in rubric.fields:
        yield from _faults(f"{rubric.name}, field {field.name[:MAX_NAME]!r}", field)
    if any("\0" in text for text in (rubric.name, rubric.guidelines, *map(_texts, rubric.fields))):
        yield "no text holds NUL"


def _texts(field: Field) -> str:
    return "".join((field.name, field.question, *field.options))


def _faults(where: str, field: Field) -> Iterator[str]:
    if not 0 < len(field.name.strip()) <= MAX_NAME or len(field.question) > MAX_QUESTION:
        yield f"{where}: a name has 1 to {MAX_NAME} characters, a question at most {MAX_QUESTION}"
    if field.kind not in get_args(FieldKind):
        yield f"{where}: {field.kind[:MAX_NAME]!r} is no kind; a field is a {', '.join(get_args(FieldKind))}"
    elif field.kind == "comparison":
        if field.options != (FIRST, TIE, SECOND):
            yield f"{where}: a comparison's options are {FIRST}, {TIE}, {SECOND}"
    elif not 2 <= len(field.options) <= MAX_OPTIONS or len(set(field.options)) < len(field.options):
        yield f"{where}: 2 to {MAX_OPTIONS} different options, not {len(field.options)}"
    if not all(0 < len(option.strip()) <= MAX_NAME for option in field.options):
        yield f"{where}: an option has 1 to {MAX_NAME} characters"


def checked(rubric: Rubric, values: Values, comment: str = "", correction: str = "") -> dict[str, str]:
    """The answers to store, in the rubric's order; empty ones are left out. Raises InvalidLabel."""
    for name in values:
        if rubric.field(name) is None:
            known = ", ".join(field.name for field in rubric.fields)
            raise InvalidLabel(f"{name[:MAX_NAME]!r} is no field of {rubric.name} {rubric.number}; its fields: {known}")
    found = {}
    for field in rubric.fields:
        chosen = values.get(field.name, "")
        if chosen and chosen not in field.options:
            raise InvalidLabel(f"{field.name}: {chosen[:MAX_NAME]!r} is none of {', '.join(field.options)}")
        if not chosen and field.is_required:
            raise InvalidLabel(f"{field.name}: choose one of {', '.join(field.options)}")
        if chosen:
            found[field.name] = chosen
    for name, text in (("comment", comment), ("correction", correction)):
        if len(text) > MAX_COMMENT or "\0" in text:
            raise InvalidLabel(f"{name}: at most {MAX_COMMENT:,} characters, none of them NUL")
    return found


def worth(field: Field, option: str) -> float | None:
    """How good an answer is that was labelled so, from 0 to 1: the first option of a choice is good, and the last of a
    scale is best. None for a comparison, which says nothing of one answer, and for an option that the field lacks.
    """
    if field.kind == "comparison" or option not in field.options:
        return None
    place = field.options.index(option)
    return place / (len(field.options) - 1) if field.kind == "scale" else float(place == 0)


def outcome(rubric: Rubric, labels: Sequence[Values]) -> tuple[dict[str, str], How] | None:
    """What these people's labels of one item say together; None where they disagree and somebody must decide.

    A majority counts from LEAST_FOR_MAJORITY labels on, and must be one in every field that is required.
    """
    if not labels:
        return None
    if len(labels) == 1:
        return dict(labels[0]), "single"
    found, how = {}, "unanimous"
    for field in rubric.fields:
        counts = Counter(label.get(field.name, "") for label in labels)
        (value, most), *_ = counts.most_common(1)
        if most < len(labels):
            if len(labels) < LEAST_FOR_MAJORITY or 2 * most <= len(labels):
                if field.is_required:
                    return None
                continue
            how = "majority"
        if value:
            found[field.name] = value
    return found, "majority" if how == "majority" else "unanimous"
