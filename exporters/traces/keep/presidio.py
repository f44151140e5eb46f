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
from http.client import HTTPException
from urllib.parse import unquote, urlsplit, urlunsplit

from prometheus_client import Counter

from telltale.records import Sample
from telltale.settings import Redaction

log = logging.getLogger(__name__)

Finding = tuple[int, int, str]


class Unavailable(Exception):
    """Presidio did not respond, or not with findings."""


class Presidio:
    """Redacts samples through the service that the settings name."""

    def __init__(self, settings: Redaction, failed: Counter) -> None:
        self._settings = settings
        self._failed = failed
        self._url, self._headers = _endpoint(settings.presidio_url)

    def redact(self, samples: list[Sample]) -> list[Sample]:
        """The samples without what Presidio finds, and without those that it could not analyse."""
        redacted = []
        for sample in samples:
            try:
                redacted.append(self._redact(sample))
            except Unavailable as error:
                self._failed.inc()
                log.warning("a sample is left out: %s", error)
        return redacted

    def _redact(self, sample: Sample) -> Sample:
        counts = dict(sample.redactions)
        prompt = self._redact_text(sample.prompt, counts)
        response = self._redact_text(sample.response, counts)
        return sample._replace(prompt=prompt, response=response, redactions=counts)

    def _redact_text(self, text: str, counts: dict[str, int]) -> str:
        if not text:
            return text
        for start, end, kind in reversed(without_overlap(self._analyse(text), len(text))):
            text = f"{text[:start]}[{kind.upper()}]{text[end:]}"
            counts[kind.lower()] = counts.get(kind.lower(), 0) + 1
        return text

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
