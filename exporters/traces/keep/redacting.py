"""Redaction of samples before they are stored: by our rules, then by Presidio where there is one.

Long texts are redacted in a thread, where nobody else's request waits for it: a request of many long texts takes
hundreds of milliseconds. Short ones are done at once, because handing them over would cost more.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from prometheus_client import Counter

from exporters.traces.keep.presidio import Presidio
from telltale.records import Sample
from telltale.redaction import BEYOND, Redactor, pseudonym, within
from telltale.settings import Settings

# Characters of a request's samples from which on a thread redacts them: a few milliseconds of the costliest text.
MOST_AT_ONCE: Final = 100_000
# They may wait for Presidio.
WORKERS: Final = 4


class SampleRedactor:
    """Makes what may be stored of samples; a sample that Presidio could not look at is left out."""

    def __init__(self, settings: Settings, key: bytes, failed: Counter) -> None:
        """`key` is that of pseudonyms for names of conversations; `failed` counts samples that are left out."""
        self._limit = settings.collector.max_text_bytes
        self._redactor = Redactor(settings.redaction.rules)
        self._key = key
        self._presidio = Presidio(settings.redaction, failed) if settings.redaction.presidio_url else None
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="redact")

    def redact(self, samples: list[Sample]) -> list[Sample]:
        """What may be stored of these samples."""
        redacted = [self._redact(sample) for sample in samples]
        return self._presidio.redact(redacted) if self._presidio is not None else redacted

    def save(
        self,
        samples: list[Sample],
        submit: Callable[[list[Sample]], Future[int]],
        write: Callable[[list[Sample]], int],
    ) -> Future[int]:
        """Redact samples and store them: at once through `submit`, or in a thread through `write`, which waits."""
        characters = 0
        for sample in samples:
            characters += len(sample.prompt) + len(sample.response)
        if self._presidio is None and characters <= MOST_AT_ONCE:
            return submit(self.redact(samples))
        return self._pool.submit(lambda: write(self.redact(samples)))

    def _redact(self, sample: Sample) -> Sample:
        limit = self._limit
        prompt, response, conversation = sample.prompt, sample.response, sample.conversation_id or ""
        texts, removed = self._redactor.redact(prompt[: limit + BEYOND], response[: limit + BEYOND], conversation)
        if texts[2] != conversation:
            # Somebody's name, under which the conversation must still hold together.
            conversation = pseudonym(self._key, f"{sample.tenant}\0{conversation}")
        return sample._replace(
            prompt=within(texts[0], len(prompt), limit),
            response=within(texts[1], len(response), limit),
            conversation_id=conversation or None,
            redactions=removed,
        )
