"""What redaction made of texts, for those that come again: system prompts, names, turns that each call repeats."""

from __future__ import annotations

from typing import Final

from telltale.redaction import Counts, Redactor

# Characters. In memory a text takes one to four bytes a character.
MOST: Final = 4 << 20
# What an entry takes besides.
_FIXED: Final = 200
_CLEAN: Final[Counts] = {}


class KnownTexts:
    """Redacts texts, those that were redacted lately by looking them up. Safe to use from several threads.

    They are kept in two generations: where the younger one is full, the older one, which nobody asked for, goes.
    """

    def __init__(self, redactor: Redactor, most: int = MOST) -> None:
        """Keeps texts of at most `most` characters."""
        self._redactor = redactor
        self._most = most // 2
        self._size = 0
        self._young: dict[str, tuple[str, Counts]] = {}
        self._old: dict[str, tuple[str, Counts]] = {}

    def redact(self, texts: list[str], counts: Counts) -> list[str]:
        """The texts redacted; how many of each kind were removed is added to `counts`."""
        results = [self._find(text) for text in texts]
        unknown = list(dict.fromkeys([text for text, known in zip(texts, results, strict=True) if known is None]))
        fresh = self._redact(unknown) if unknown else {}
        made: list[str] = []
        for text, known in zip(texts, results, strict=True):
            redacted, found = fresh[text] if known is None else known
            made.append(redacted)
            for kind, number in found.items():
                counts[kind] = counts.get(kind, 0) + number
        return made

    def _redact(self, unknown: list[str]) -> dict[str, tuple[str, Counts]]:
        """Texts that come for the first time: one search for all of them."""
        redacted, found = self._redactor.redact(*unknown)
        made: dict[str, tuple[str, Counts]] = {}
        changed = [place for place, text in enumerate(unknown) if redacted[place] != text] if found else []
        for place, text in enumerate(unknown):
            # Whose the counts are is plain if only one has changed.
            mine = _CLEAN if not found else found if changed == [place] else None
            if place not in changed or mine is not None:
                made[text] = self._keep(text, (redacted[place], _CLEAN if mine is None else mine))
        for place in changed:
            if unknown[place] not in made:
                made[unknown[place]] = self._alone(unknown[place])
        return made

    def _alone(self, text: str) -> tuple[str, Counts]:
        [redacted], found = self._redactor.redact(text)
        return self._keep(text, (redacted, found))

    def _find(self, text: str) -> tuple[str, Counts] | None:
        known = self._young.get(text)
        if known is None and (known := self._old.get(text)) is not None:
            self._keep(text, known)
        return known

    def _keep(self, text: str, known: tuple[str, Counts]) -> tuple[str, Counts]:
        self._size += len(text) + _FIXED
        if self._size > self._most:
            self._old, self._young, self._size = self._young, {}, len(text) + _FIXED
        self._young[text] = known
        return known
