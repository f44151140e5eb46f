"""What a person changed in a model's answer, as pieces that stayed, went and came. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple

from markupsafe import Markup

# Comparing costs the square of what is compared: longer texts are compared by lines.
MOST_WORDS: Final = 1500
_WORD: Final = re.compile(r"\s+|\w+|[^\w\s]")


class Piece(NamedTuple):
    kind: Literal["kept", "gone", "new"]
    text: str


def changes(before: str, after: str) -> list[Piece]:
    """The pieces in their order: those that are kept and gone make `before`, those kept and new `after`."""
    one, other = _parts(before), _parts(after)
    if max(len(one), len(other)) > MOST_WORDS:
        one, other = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(len(one), len(other)) > MOST_WORDS:
        one, other = [before], [after]
    return list(_pieces(one, other))


def changed(before: str, after: str) -> Markup:
    """The same for a page."""
    named = {"kept": "{}", "gone": "<del>{}</del>", "new": "<ins>{}</ins>"}
    return Markup("").join(Markup(named[piece.kind]).format(piece.text) for piece in changes(before, after))  # noqa: S704


def is_same(before: str, after: str) -> bool:
    """Whether two texts say the same but for white space: a form's lines end otherwise than a model's."""
    return before.split() == after.split()


def _parts(text: str) -> list[str]:
    return _WORD.findall(text)


def _pieces(one: list[str], other: list[str]) -> Iterator[Piece]:
    for tag, i, j, k, m in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Piece("kept", "".join(one[i:j]))
            continue
        if i < j:
            yield Piece("gone", "".join(one[i:j]))
        if k < m:
            yield Piece("new", "".join(other[k:m]))
