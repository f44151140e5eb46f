"""Redaction of samples before they are stored: by our rules, then by Presidio where there is one.

Long texts are redacted in a thread, where nobody else's request waits for it: a request of many long texts takes
hundreds of milliseconds. Short ones are done at once, because handing them over would cost more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from prometheus_client import Counter

from exporters.traces.decode.attributes import MAX_WORD
from exporters.traces.keep.drafting import Draft
from exporters.traces.keep.known_texts import KnownTexts
from exporters.traces.keep.presidio import Presidio, Unavailable
from exporters.traces.keep.tally import Late
from telltale.conversation import Conversation, language, texts
from telltale.feedback import caller_hash
from telltale.records import Sample
from telltale.redaction import BEYOND, Counts, Redactor, is_version, pseudonym, within
from telltale.redaction.writing import readable
from telltale.settings import Settings

# Characters of a request's samples from which on a thread redacts them: a few milliseconds of the costliest text.
MOST_AT_ONCE: Final = 100_000
# Characters of one call from which on it may have been much longer.
LONG: Final = 16_000
# They may wait for Presidio.
WORKERS: Final = 4
# Characters of a name, and of a value of `sampling.attributes`.
MOST_OF_A_NAME: Final = 128
MOST_OF_AN_ATTRIBUTE: Final = 256
# From as many characters on a user's name is found within other texts; a shorter one stands in many by chance.
TELLING: Final = 4


class SampleRedactor:
    """Makes what may be stored of samples; a sample that Presidio could not look at is left out."""

    def __init__(self, settings: Settings, key: bytes, people: bytes, failed: Counter) -> None:
        """`key` is that of pseudonyms for conversations, `people` that for users, who may be those who give feedback;
        `failed` counts samples that are left out.
        """
        self._most_a_text = settings.collector.max_text_bytes
        self._most = settings.collector.max_conversation_bytes
        self._reasoning = settings.sampling.reasoning
        self._texts = KnownTexts(Redactor(settings.redaction.rules))
        self._key = key
        self._people = people
        self._failed = failed
        self._presidio = Presidio(settings.redaction) if settings.redaction.presidio_url else None
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="redact")

    def redact(self, samples: list[Sample]) -> list[Sample]:
        """What may be stored of these samples."""
        return self._finish(samples, [self._draft(sample) for sample in samples])

    def save(
        self,
        samples: list[Sample],
        late: list[Late],
        read: Callable[[Late], Sample | None],
        submit: Callable[[list[Sample]], Future[int]],
        write: Callable[[list[Sample]], int],
    ) -> Future[int]:
        """Redact samples and store them: at once through `submit`, or in a thread through `write`, which waits.

        `read` makes samples of `late` ones, in that thread.
        """
        drafts = [self._draft(sample) for sample in samples]
        if not late and self._presidio is None and sum([draft.characters for draft in drafts]) <= MOST_AT_ONCE:
            return submit(self._finish(samples, drafts))
        # What waits for a thread must not hold megabytes that are not kept.
        waiting = [
            sample._replace(conversation=None) if draft.characters > LONG else sample
            for sample, draft in zip(samples, drafts, strict=True)
        ]
        return self._pool.submit(lambda: write(self._finish(waiting, drafts) + self._read(late, read)))

    def _read(self, late: list[Late], read: Callable[[Late], Sample | None]) -> list[Sample]:
        """What may be stored of late samples. One after the other: each is many times its bytes while it is read."""
        made: list[Sample] = []
        for one in late:
            sample = read(one)
            if sample is not None:
                made += self.redact([sample])
            # Compiled code lets no other thread run by itself.
            time.sleep(0)
        late.clear()
        return made

    def _draft(self, sample: Sample) -> Draft:
        draft = Draft(self._most_a_text, self._most, self._reasoning)
        draft.take(sample.conversation or Conversation())
        return draft

    def _finish(self, samples: list[Sample], drafts: list[Draft]) -> list[Sample]:
        made: list[Sample] = []
        for sample, draft in zip(samples, drafts, strict=True):
            try:
                made.append(self._redact(sample, draft))
            except Unavailable as error:
                self._failed.inc()
                error.log()
        return made

    def _redact(self, sample: Sample, draft: Draft) -> Sample:
        counts: Counts = {}
        slots = draft.slots
        originals = [slot.text for slot in slots]
        names = (
            *(sample.conversation_id or "", sample.app or "", sample.environment or "", sample.agent_name or ""),
            *(sample.agent_version or "", sample.prompt_name or "", sample.prompt_version or ""),
            sample.finish_reason or "",
        )
        values = [text[: MOST_OF_AN_ATTRIBUTE + BEYOND] for text in sample.attributes.values()]
        redacted = self._texts.redact([*originals, *names, *values], counts)
        said, others = redacted[: len(slots)], redacted[len(slots) :]
        if self._presidio is not None:
            # It knows no escapes.
            said = self._presidio.redact([readable(text) for text in said], counts)
        for slot, text in zip(slots, said, strict=True):
            if slot.is_id:
                slot.name(self._same(sample.tenant, slot.text, text))
            else:
                slot.put(text)
        conversation = draft.finish()
        derived = texts.of(conversation)
        tenant = sample.tenant
        user = caller_hash(self._people, tenant, sample.user) if sample.user else None
        about = others[len(names) :]
        if sample.user and user:
            # Senders repeat a user in other attributes, and name conversations after them.
            others[0], *about = [_hashed(sample.user, user, text) for text in (others[0], *about)]
        return sample._replace(
            prompt=derived.prompt,
            language=language.of(derived.prompt),
            response=derived.response,
            conversation=conversation,
            conversation_id=self._same(tenant, names[0], others[0]) or None,
            app=others[1][:MOST_OF_A_NAME] or None,
            environment=others[2][:MOST_OF_A_NAME] or None,
            user=user,
            agent_name=others[3][:MOST_OF_A_NAME] or None,
            agent_version=_version(names[4], others[4]),
            prompt_name=others[5][:MOST_OF_A_NAME] or None,
            prompt_version=_version(names[6], others[6]),
            finish_reason=others[7] or None,
            attributes={
                name: within(text, len(whole), MOST_OF_AN_ATTRIBUTE)
                for (name, whole), text in zip(sample.attributes.items(), about, strict=True)
            },
            redactions=counts,
        )

    def _same(self, tenant: str, name: str, redacted: str) -> str:
        """A name under which things must still hold together, though it may be somebody's."""
        # One as long as that may have been cut, and what is left of a secret is not recognised.
        return name if redacted == name and len(name) < MAX_WORD else pseudonym(self._key, f"{tenant}\0{name}")


def _hashed(user: str, hashed: str, text: str) -> str:
    """A text with a user's hash in place of the user."""
    if text == user:
        return hashed
    return text.replace(user, hashed) if len(user) >= TELLING else text


def _version(name: str, redacted: str) -> str | None:
    return (name if is_version(name) else redacted)[:MOST_OF_A_NAME] or None
