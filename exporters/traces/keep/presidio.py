"""Redaction by Microsoft Presidio, after our own rules: names and places, which no pattern finds.

Asks Presidio's analyzer service (`POST /analyze`). It takes tens of milliseconds a text, so only samples go there. A
sample that it could not analyse is left out: what nobody could redact is not stored.
"""

from __future__ import annotations

import base64
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from telltale.redaction.json_marks import quoted
from telltale.settings import Redaction

log = logging.getLogger(__name__)

Finding = tuple[int, int, str]

# Characters of short texts that go there in one request: what it looks through in a fraction of its time.
TOGETHER: Final = 8_000
_BETWEEN: Final = "\n\n"


class Unavailable(Exception):
    """Presidio did not respond, or not with findings."""

    def log(self) -> None:
        """Say that a sample is lost by it."""
        log.warning("a sample is left out: %s", self)


class Presidio:
    """Redacts texts through the service that the settings name."""

    def __init__(self, settings: Redaction) -> None:
        self._settings = settings
        self._url, self._headers = _endpoint(settings.presidio_url)

    def redact(self, texts: list[str], counts: dict[str, int]) -> list[str]:
        """The texts without what Presidio finds, which is counted in `counts`. Raises Unavailable.

        Short texts go there together, a blank line apart: each request costs more than some words.
        """
        found: list[list[Finding]] = [[] for _ in texts]
        for places in _batches(texts):
            start = 0
            findings = self._analyse(_BETWEEN.join([texts[place] for place in places]))
            for place in places:
                size = len(texts[place])
                found[place] = without_overlap([(s - start, e - start, kind) for s, e, kind in findings], size)
                start += size + len(_BETWEEN)
        return [_without(text, mine, counts) for text, mine in zip(texts, found, strict=True)]

    def _analyse(self, text: str) -> list[Finding]:
        query: dict[str, object] = {
            "text": text,
            "language": self._settings.presidio_language,
            "score_threshold": self._settings.presidio_score,
        }
        if self._settings.presidio_entities:
            query["entities"] = list(self._settings.presidio_entities)
        request = urllib.request.Request(  # noqa: S310 - the settings take http and https only
            f"{self._url}/analyze",
            json.dumps(query).encode(),
            self._headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=self._settings.presidio_timeout) as response:  # noqa: S310 - as above
                return [(int(one["start"]), int(one["end"]), str(one["entity_type"])) for one in json.load(response)]
        except (OSError, HTTPException, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            # Not the error's own text: a response may hold the prompt.
            reason = error.reason if isinstance(error, urllib.error.URLError) else type(error).__name__
            raise Unavailable(f"redaction.presidio_url = {self._url}: {reason}") from None


def _batches(texts: list[str]) -> Iterator[list[int]]:
    """Which texts go there together. Empty ones do not."""
    batch: list[int] = []
    size = 0
    for place, text in enumerate(texts):
        if not text:
            continue
        if batch and size + len(text) > TOGETHER:
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += len(text) + len(_BETWEEN)
    if batch:
        yield batch


def _without(text: str, findings: list[Finding], counts: dict[str, int]) -> str:
    if not findings:
        return text
    marks = set[bytes]()
    for start, end, kind in reversed(findings):
        text = f"{text[:start]}[{kind.upper()}]{text[end:]}"
        counts[kind.lower()] = counts.get(kind.lower(), 0) + 1
        marks.add(f"[{kind.upper()}]".encode())
    # In JSON a number may have been found.
    return quoted(text.encode(), marks).decode()


def _endpoint(url: str) -> tuple[str, dict[str, str]]:
    """Address and headers of a service: a name and password in its URL are for the service, not for logs."""
    parts = urlsplit(url.rstrip("/"))
    headers = {"Content-Type": "application/json"}
    credentials, _, host = parts.netloc.rpartition("@")
    if credentials:
        headers["Authorization"] = f"Basic {base64.b64encode(unquote(credentials).encode()).decode()}"
    return urlunsplit(parts._replace(netloc=host)), headers


def without_overlap(findings: list[Finding], length: int) -> list[Finding]:
    """Findings within a text of `length` characters, in order; of two that overlap the longer, covering both."""
    merged: list[Finding] = []
    for start, end, kind in sorted(findings):
        start, end = max(0, start), min(end, length)
        if start >= end:
            continue
        if merged and start < merged[-1][1]:
            first, last, name = merged[-1]
            merged[-1] = (first, max(last, end), kind if end - start > last - first else name)
        else:
            merged.append((start, end, kind))
    return merged
