"""Splits a JSON array into its elements without holding it in memory.

Only brackets and strings are looked at, so an element that is no JSON harms no other, and the time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_OUTSIDE = re.compile(r'["{}\[\]\n,]')
_INSIDE = re.compile(r'\\.|"|\n', re.DOTALL)
_UNDECODED = re.compile("[\udc80-\udcff]")
_ELEMENT = 2
"""The depth within an element, counted from outside of the array."""


class Element(NamedTuple):
    """`text` is None where `fault` says why it cannot be read; `line` is where it begins."""

    line: int
    text: str | None
    fault: str = ""


def split(pieces: Iterable[str], most: int) -> Iterator[Element]:
    """The elements of the array that is in these pieces of text; those longer than `most` characters are faulty."""
    splitter = _Splitter(most)
    held = ""
    for piece in pieces:
        text = held + piece
        # An escape must not be cut in two.
        held = text[-1:] if text.endswith("\\") else ""
        yield from splitter.feed(text[: len(text) - len(held)])
    yield from splitter.end()


class _Splitter:
    def __init__(self, most: int) -> None:
        self._most = most
        self._depth = 0
        self._in_string = False
        self._line = self._begins = 1
        self._text = ""
        self._is_long = False
        self._is_over = False

    def feed(self, piece: str) -> Iterator[Element]:
        at = begin = 0
        while not self._is_over and (found := (_INSIDE if self._in_string else _OUTSIDE).search(piece, at)):
            mark, at = found.group(), found.end()
            if mark == "\n":
                self._line += 1
            elif mark == '"':
                self._in_string = not self._in_string
            elif mark == "," and self._depth == 1:
                self._keep(piece[begin : at - 1])
                yield from self._take()
                begin = at
            elif mark in "{[":
                self._depth += 1
                if self._depth == 1:
                    begin = at
                elif self._depth == _ELEMENT and not (self._text + piece[begin : at - 1]).strip():
                    self._begins, self._text, begin = self._line, "", at - 1
            elif mark in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self._keep(piece[begin : at - 1])
                    yield from self._take()
                    begin, self._is_over = at, True
        self._keep(piece[begin:])

    def end(self) -> Iterator[Element]:
        if self._depth > 0 or not self._is_over:
            yield Element(self._begins, None, "the array does not end: a bracket or a quote is missing from here on")
        elif self._text.strip() or self._is_long:
            yield Element(self._line, None, "stands behind the end of the array")

    def _keep(self, text: str) -> None:
        if len(self._text) + len(text) > self._most:
            self._is_long = True
            self._text = ""
        elif not self._is_long:
            self._text += text

    def _take(self) -> Iterator[Element]:
        text, is_long = self._text.strip(), self._is_long
        self._text, self._is_long = "", False
        if is_long:
            yield Element(self._begins, None, f"is longer than {self._most:,} characters")
        elif _UNDECODED.search(text):
            yield Element(self._begins, None, "is no UTF-8: save the file as UTF-8")
        elif text:
            yield Element(self._begins, text)
        self._begins = self._line
