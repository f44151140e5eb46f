"""Which calls become samples: rate-bounded, with their probability kept; content from the span or from logs.

The decision falls when the span comes. A kept call whose content comes in logs waits for it a while in memory; a call
not kept goes to the ring, out of which feedback may still take it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from exporters.traces.calls import fast_content, normalise
from exporters.traces.calls.call import Call, CallRef
from exporters.traces.calls.dedup import CallDeduplicator
from exporters.traces.calls.log_content import Pieces, SpanKey, Texts, Words
from exporters.traces.conventions import otel
from exporters.traces.decode import content
from exporters.traces.decode.protobuf import CUT_OFF, Malformed
from exporters.traces.keep.coverage import Coverage
from exporters.traces.keep.rate_sampler import RateSampler
from exporters.traces.keep.unsampled import UnsampledBuffer, unpack
from telltale.metrics import Metrics
from telltale.records import Sample
from telltale.redaction import BEYOND, Redactor, pseudonym, within
from telltale.settings import Settings

PROMOTED_PER_MINUTE: Final = 20.0
# What ends an answer that a guardrail or a provider's filter stopped: OpenAI, Azure, Bedrock, Anthropic, Gemini. Their
# instrumentations write it as `content-filter` and as `FinishReason.SAFETY` too.
GUARDRAILS: Final = frozenset(
    (
        *("content_filter", "content_filtered", "guardrail_intervened", "refusal", "safety", "image_safety"),
        *("prohibited_content", "image_prohibited_content", "blocklist", "spii", "recitation"),
    )
)
WAIT_S: Final = 60.0
MAX_WAITING: Final = 5_000


@dataclass(frozen=True, slots=True)
class PendingSample:
    """A kept call whose content has not come yet."""

    call: Call
    probability: float | None
    promoted_by: str | None
    since: float


class Outcomes:
    """How many calls were passed over, kept, and kept because they were asked for or told apart."""

    __slots__ = ("asked_for", "kept", "passed")

    def __init__(self) -> None:
        self.passed = self.kept = self.asked_for = 0


class SampleCollector:
    """Samples calls. Not safe to use from several threads at once: its owner locks."""

    def __init__(self, settings: Settings, registry: CollectorRegistry, key: bytes) -> None:
        """`key` is the installation's own, for names of conversations that would tell who had them."""
        self._settings = settings
        self._key = key
        self._redactor = Redactor(settings.redaction.rules)
        self._sampler = RateSampler(settings.sampling.per_minute)
        self._promoted = RateSampler(PROMOTED_PER_MINUTE)
        self.ring = UnsampledBuffer(settings.sampling.ring_bytes, settings.sampling.ring_age)
        self._texts = Texts(settings.sampling.ring_bytes // 4)
        self._waiting: OrderedDict[SpanKey, PendingSample] = OrderedDict()
        metrics = Metrics(registry)
        self._samples = metrics.counter("telltale_samples_total")
        # Of the request in work, which is counted when it is durable, and once, not once a call.
        self._now = Outcomes()
        # What was known in logs of spans before this request used it up or added to it.
        self._told: list[tuple[SpanKey, Pieces | None]] = []
        self._harmless: tuple[str, ...] = ()
        self._outcomes = {name: self.outcome(name) for name in ("kept", "no_content", "promoted", "not_sampled")}
        self._coverage = Coverage(registry)

    def outcome(self, name: str) -> Counter:
        """The counter of samples that ended so."""
        return self._samples.labels(name)

    def decide(self, held: CallRef, now: float) -> Sample | None:
        """The sample of a call, if it is kept and its content is here."""
        call = held.call
        probability = self._sampler.keep(call, now)
        promoted_by = None
        if probability is None:
            promoted_by = self._told_apart(call)
            if promoted_by is None or self._promoted.keep(call, now) is None:
                self._now.passed += 1
                self.ring.add(held, now)
                return None
        try:
            prompt, answer = _words(held)
        except Malformed:
            # As in `promote`. The request holds others' calls too, and this one is counted if it is not drawn.
            prompt = answer = ""
        if prompt and answer and self._texts.bytes == 0:
            # Most calls, where nobody tells anything in logs: no key is needed.
            return self._keep(call, prompt, answer, probability, promoted_by)
        key = (call.trace_id, call.span_id)
        told = self._texts.get(key) if not (prompt and answer) else None
        if told is not None:
            prompt, answer = prompt or told[0], answer or told[1]
        if not (prompt or answer) or (told is not None and not answer and call.status == "ok"):
            self._wait(key, PendingSample(call, probability, promoted_by, now))
            return None
        self._use(key)
        return self._keep(call, prompt, answer, probability, promoted_by)

    def fill(self, held: CallRef, first: SpanKey, now: float) -> tuple[PendingSample, Sample] | None:
        """The sample of a call whose first span was drawn and waits for its content, which this other one holds."""
        waiting = self._waiting.get(first)
        if waiting is None:
            # Not drawn. Feedback may still ask for it.
            self.ring.add(held, now)
            return None
        try:
            prompt, answer = _words(held)
        except Malformed:
            return None
        if not (answer or (prompt and held.call.status != "ok")):
            return None
        del self._waiting[first]
        return waiting, self._keep(held.call, prompt, answer, waiting.probability, waiting.promoted_by)

    def hear(self, words: Words) -> tuple[PendingSample, Sample] | None:
        """A call that waited for this content and its sample, once the answer is here."""
        self._told.append((words.span, self._texts.get(words.span)))
        prompt, answer = self._texts.add(words)
        waiting = self._waiting.get(words.span)
        if waiting is None or not (answer or waiting.call.status != "ok"):
            return None
        del self._waiting[words.span]
        self._use(words.span)
        return waiting, self._keep(waiting.call, prompt, answer, waiting.probability, waiting.promoted_by)

    def tell_again(self, told: list[tuple[SpanKey, Pieces | None]]) -> None:
        """Know of logs what was known before a request that was refused."""
        for span, pieces in reversed(told):
            self._texts.put(span, pieces)

    def wait_again(self, waiting: PendingSample) -> None:
        """The content was not stored and will come again."""
        self._wait((waiting.call.trace_id, waiting.call.span_id), waiting)

    def promote(self, trace_ids: list[bytes], reason: str) -> list[Sample]:
        """Calls out of the ring that were asked for, as samples outside the statistics."""
        found: list[Sample] = []
        wanted = set(trace_ids)
        if not wanted:
            # Each second of a quiet day.
            return found
        known = CallDeduplicator()
        for waiting, group in unpack(self.ring.take(wanted)):
            try:
                span = group.span(0)
            except Malformed:
                # The metrics need less of a span than a sample does.
                continue
            context = normalise.Context(waiting.tenant, (), self._settings.collector.service_models)
            call = normalise.call(span, context)
            if call is None or call.trace_id not in wanted:
                continue
            prompt, answer = normalise.read_content(span)
            told = self._use((call.trace_id, call.span_id)) or ("", "")
            prompt, answer = prompt or told[0], answer or told[1]
            # Two may have told of it, both with its content.
            if (prompt or answer) and known.find(call) is None:
                known.add(call)
                found.append(self._keep(call, prompt, answer, None, reason))
        self.count(self._now)
        self._now = Outcomes()
        self._told = []
        return found

    def settle(self, told: list[tuple[SpanKey, Pieces | None]], outcomes: Outcomes) -> None:
        """Add what became of calls since the last time, and what was known of them in logs before."""
        told += self._told
        outcomes.passed += self._now.passed
        outcomes.kept += self._now.kept
        outcomes.asked_for += self._now.asked_for
        self._now = Outcomes()
        self._told = []

    def count(self, outcomes: Outcomes) -> None:
        """Count what became of the calls of a request."""
        if outcomes.passed:
            self._outcomes["not_sampled"].inc(outcomes.passed)
        if outcomes.kept:
            self._outcomes["kept"].inc(outcomes.kept)
        if outcomes.asked_for:
            self._outcomes["promoted"].inc(outcomes.asked_for)

    def expire(self, now: float) -> None:
        """Give up calls whose content did not come, and those in the ring that are too old."""
        self.ring.expire(now)
        while self._waiting:
            key, waiting = next(iter(self._waiting.items()))
            if waiting.since > now - WAIT_S and len(self._waiting) <= MAX_WAITING:
                return
            del self._waiting[key]
            self._outcomes["no_content"].inc()
            self._cover(waiting.call, 0.0)

    def _use(self, key: SpanKey) -> Pieces | None:
        known = self._texts.take(key)
        if known is not None:
            self._told.append((key, known))
        return known

    def _wait(self, key: SpanKey, waiting: PendingSample) -> None:
        self._waiting[key] = waiting
        if len(self._waiting) > MAX_WAITING:
            self.expire(waiting.since)

    def _keep(self, call: Call, prompt: str, answer: str, probability: float | None, promoted_by: str | None) -> Sample:
        if promoted_by is None:
            self._now.kept += 1
        else:
            self._now.asked_for += 1
        self._cover(call, 1.0)
        limit = self._settings.collector.max_text_bytes
        conversation = call.conversation_id or ""
        prompt, answer = content.text(prompt), content.text(answer)
        texts, removed = self._redactor.redact(prompt[: limit + BEYOND], answer[: limit + BEYOND], conversation)
        if texts[2] != conversation:
            # A name of somebody, which must still hold the conversation together.
            conversation = pseudonym(self._key, f"{call.tenant}\0{conversation}")
        prompt, answer = within(texts[0], len(prompt), limit), within(texts[1], len(answer), limit)
        return _sample(call, prompt, answer, conversation or None, probability, promoted_by, removed)

    def _told_apart(self, call: Call) -> str | None:
        """Why a call that was not drawn is worth keeping all the same."""
        if call.status == "error":
            return "error"
        # Most calls end for one reason, which is known by itself.
        if call.finish_reasons is not self._harmless:
            if any(_is_guardrail(reason) for reason in call.finish_reasons):
                return "guardrail"
            self._harmless = call.finish_reasons
        return None

    def _cover(self, call: Call, value: float) -> None:
        if call.layer != "server" and call.status == "ok":
            self._coverage.add(value)


def _words(held: CallRef) -> tuple[str, str]:
    """Prompt and answer that a call's span holds. Raises Malformed."""
    group, index = held.group, held.index
    if held.call.convention == otel.CONVENTION.name:
        try:
            found = fast_content.read_content(group.body, group.starts[index], group.ends[index])
        except IndexError as error:
            raise Malformed(CUT_OFF) from error
        if found is not None:
            return found
    return normalise.read_content(group.span(index))


@lru_cache(maxsize=256)
def _is_guardrail(reason: str) -> bool:
    return reason.rpartition(".")[2].lower().replace("-", "_") in GUARDRAILS


def _sample(
    call: Call,
    prompt: str,
    response: str,
    conversation: str | None,
    probability: float | None,
    promoted_by: str | None,
    removed: dict[str, int],
) -> Sample:
    return Sample(
        trace_id=call.trace_id.hex(),
        span_id=call.span_id.hex(),
        observed_at=call.end_unix_s,
        tenant=call.tenant,
        model=call.model or "unknown",
        version=call.version or "unknown",
        layer=call.layer,
        operation=call.operation,
        status=call.status,
        prompt=prompt,
        response=response,
        inclusion_probability=probability,
        promoted_by=promoted_by,
        conversation_id=conversation,
        finish_reason=call.finish_reasons[0] if call.finish_reasons else None,
        error_type=call.error_type,
        duration_s=call.duration_s,
        ttft_s=call.ttft_s,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        redactions=removed,
    )
