"""What a data set is made of. The same spec over the same rows of the store gives the same bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

Format = Literal["sft", "dpo", "kto", "reward", "prompts", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
Span = tuple[float | None, float | None]
"""Unix seconds [since, until); None where it has no end on that side."""


class ExportRefused(Exception):
    """Why there is no data set."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A file of held-out prompts, by its name and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Spec:
    """Samples of a tenant's calls of a model, of these versions (none: all), observed in one of these spans.

    Rows of the store that came after `last_sample_id`, `last_feedback_id` and `last_label_id` are none of it, so that a
    spec whose last span is open tells the same for good. At most `per_prompt` pairs are made of a prompt, and one
    person's feedback supports `per_subject` rows, one API key's `per_key` (0: any number); without `own_votes` no row
    is there that only the person supports who made the call. About `test_share` of the conversations are set aside for
    tests.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    format: Format
    model: str
    tenant: str
    last_sample_id: int
    last_feedback_id: int
    last_label_id: int = 0
    versions: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ((None, None),)
    ticket: str | None = None
    ticket_key: str | None = None
    per_prompt: int = 2
    per_subject: int = 0
    per_key: int = 0
    own_votes: bool = True
    test_share: float = 0.0
    golden: tuple[Golden, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(stored: object) -> Spec:
    """The spec that a manifest holds. Raises ExportRefused for one of another version of Telltale."""
    try:
        return _SPEC.validate_python(stored)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "spec"
        raise ExportRefused(
            f"the manifest's spec cannot be used: {where}: {first['msg']}; it is of another version of Telltale, "
            "with which it can be repeated"
        ) from error


_SPEC = TypeAdapter(Spec)
