"""Which calls become samples: a bounded rate of them, each with its known probability, and some others worth keeping.

The decision falls when the span comes, and is final. The content is in the span or in logs: a sampled call whose
content is not here yet waits a while in memory. Unsampled calls go into a buffer, out of which feedback may still
promote them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from exporters.traces.calls import fast_content, log_content, normalise
from exporters.traces.calls.call import Call, CallRef
from exporters.traces.calls.dedup import CallDeduplicator
from exporters.traces.calls.log_content import LogContentBuffer, Logged
from exporters.traces.calls.owners import SpanKey
from exporters.traces.conventions import otel, particulars, vectors
from exporters.traces.conventions.particulars import Particulars
from exporters.traces.core.journal import Journal, Journals
from exporters.traces.decode import bodies
from exporters.traces.decode.otlp_protobuf import Group, alone
from exporters.traces.decode.protobuf import CUT_OFF, Malformed
from exporters.traces.decode.spans import Span
from exporters.traces.keep.coverage import Coverage
from exporters.traces.keep.forced import ForcedReasons
from exporters.traces.keep.pending_samples import PendingSample, PendingSamples
from exporters.traces.keep.rate_sampler import RateSampler
from exporters.traces.keep.tally import Late, Place, Tally
from exporters.traces.keep.unsampled import UnsampledBuffer, Wanted, unpack
from exporters.traces.messages import places
from exporters.traces.messages.joining import complete
from telltale.conversation import Conversation, Message
from telltale.metrics import Metrics
from telltale.records import Sample, Status
from telltale.settings import Settings

FORCED_PER_MINUTE: Final = 20.0
# Bytes of a request's kept spans whose content is read at once; the rest is read where nobody else's request waits for
# it: thousands of turns take seconds.
MOST_AT_ONCE: Final = 100_000


class SampleCollector:
    """Samples calls. Not safe to use from several threads at once: its owner locks."""

    def __init__(
        self,
        settings: Settings,
        registry: CollectorRegistry,
        span_of: Callable[[int], Call | None] = lambda _: None,
    ) -> None:
        """`span_of` is the span with a number as it came and may still be counted."""
        self._settings = settings
        self._span_of = span_of
        # Content is kept as content, and a user as a hash.
        others = (*fast_content.CONTENT, *particulars.USERS)
        self._wanted = tuple([name for name in settings.sampling.attributes if name not in others])
        # They take more room than all else of most samples, and tell much of the text.
        self._with_vectors = settings.monitor.embeddings.kind == "spans"
        self._names = fast_content.Names((*self._wanted, *(vectors.NAMES if self._with_vectors else ())))
        self._sampler = RateSampler(settings.sampling.per_minute)
        self._forced = RateSampler(FORCED_PER_MINUTE)
        self._reasons = ForcedReasons()
        self.unsampled = UnsampledBuffer(settings.sampling.ring_bytes, settings.sampling.ring_age)
        self._log_content = LogContentBuffer(settings.sampling.ring_bytes // 4)
        self._pending = PendingSamples()
        # Spans whose content is being read beside the loop.
        self._reading: set[SpanKey] = set()
        # Of calls that were given up, until somebody asks for them.
        self._late: list[Sample] = []
        self._samples = Metrics(registry).counter("telltale_samples_total")
        self._outcomes = {name: self.outcome(name) for name in ("kept", "no_content", "promoted", "not_sampled")}
        self._vectors = Metrics(registry).counter("telltale_collector_vectors_total")
        self._coverage = Coverage(registry)

    def outcome(self, name: str) -> Counter:
        """The counter of samples that ended so."""
        return self._samples.labels(name)

    def add_reasons(self, call: Call, journal: Journal) -> None:
        """Give a call whose span does not tell why it ended the reasons that records in logs told before it."""
        if self._log_content.bytes == 0 or call.finish_reasons:
            return
        logged = self._log_content.find(call.span_key, journal)
        if logged is not None:
            normalise.end(call, log_content.reasons(logged))

    def add_late_reasons(self, call: Call) -> None:
        """The same for a call that is about to be counted, out of records that came after its span."""
        if self._log_content.bytes:
            logged = self._log_content.peek(call.span_key)
            if logged is not None:
                normalise.end(call, log_content.reasons(logged))

    def decide(
        self, ref: CallRef, now: float, journal: Journal, tally: Tally, others: list[CallRef] | None = None
    ) -> Sample | None:
        """The sample of a call, if it is sampled and its content is here: in its span, or in others of it."""
        call = ref.call
        probability = self._sampler.draw(call, now)
        forced_reason = None
        if probability is None:
            forced_reason = self._reasons.forced_reason(call)
            if forced_reason is None or self._forced.draw(call, now) is None:
                tally.not_sampled += 1
                tally.unsampled.append(ref)
                return None
        if _is_late(ref, tally):
            refs = [ref, *(others or [])]
            self._read_later(refs, PendingSample(call, probability, forced_reason, now), call.span_key, journal, tally)
            return None
        try:
            found, about = self._content(ref)
        except Malformed:
            # As in `promote`. The request holds others' calls too, and would be taken if this one were not sampled.
            found, about = Conversation(), particulars.NOTHING
        if others:
            found, about = self._with_others(found, about, others)
        is_whole = found.is_asked and found.is_answered
        if is_whole and self._log_content.bytes == 0:
            # Most calls, where no content comes in logs: no key is needed.
            return self._make(call, found, about, probability, forced_reason, tally)
        span = call.span_key
        logged = None if is_whole else self._log_content.find(span, journal)
        if logged is not None:
            found = complete(found, logged)
        if _is_unfinished(call, found, logged):
            # What stands beside the messages does not come again with them.
            self._remember(ref, span, found, journal)
            self._pending.add(span, PendingSample(call, probability, forced_reason, now, about), journal)
            if self._pending.is_full:
                self._give_up(now)
            return None
        self._log_content.pop(span, journal)
        return self._make(call, found, about, probability, forced_reason, tally)

    def _with_others(
        self, found: Conversation, about: Particulars, others: list[CallRef]
    ) -> tuple[Conversation, Particulars]:
        """What a span lacks, from the others of its call."""
        for other in others:
            try:
                said, told = self._content(other)
            except Malformed:
                continue
            found, about = complete(found, said), particulars.joined(about, told)
        return found, about

    def complete(
        self, ref: CallRef, first: SpanKey, journal: Journal, tally: Tally, whole: Call | None = None
    ) -> Sample | None:
        """The sample of a call whose `first` span was sampled without content, which this other span may hold.

        `whole` is the call as far as it is known, where more than this span is.
        """
        whole = whole or ref.call
        pending = self._pending.find(first, journal)
        if pending is None:
            if first in self._reading:
                self._add_to_read(ref, first, journal, tally)
            else:
                # Not sampled. Feedback may still ask for it.
                tally.unsampled.append(ref)
            return None
        if _is_late(ref, tally):
            self._pending.remove(first, journal)
            self._read_later([CallRef(whole, ref.group, ref.index)], pending, first, journal, tally)
            return None
        try:
            found, about = self._content(ref)
        except Malformed:
            return None
        own = ref.call.span_key
        logged = self._logged(own, journal)
        if logged is not None:
            found = complete(found, logged)
        if not (found.is_answered or (found.is_asked and whole.status != "ok")):
            self._remember(ref, first, found, journal)
            return None
        self._pending.remove(first, journal)
        if logged is not None:
            self._log_content.pop(own, journal)
        known = self._log_content.pop(first, journal)
        if known is not None:
            self._end(pending.call, log_content.reasons(known), journal)
            found = complete(found, known)
        about = particulars.joined(about, pending.particulars)
        return self._make(whole, found, about, pending.probability, pending.promoted_by, tally)

    def read_late(self, late: Late, tally: Tally) -> Sample | None:
        """The sample of a kept call whose content was left for later; None where its span has too little.

        Nothing else changes, so any thread may do it before the request's commit.
        """
        places, pending, logged = late
        refs = [self._read_back(place, tally) for place in places]
        try:
            found, about = self._content(refs[0])
        except Malformed:
            found, about = Conversation(), particulars.NOTHING
        found, about = self._with_others(found, about, refs[1:])
        if late is tally.late[-1]:
            tally.plain = b""
        about = particulars.joined(about, pending.particulars)
        own = found
        if logged is not None:
            found = complete(found, logged)
        if _is_unfinished(pending.call, found, logged):
            waiting = PendingSample(pending.call, pending.probability, pending.promoted_by, pending.since, about)
            tally.waiting.append((waiting, own, sum([end - start for _, _, start, end in places])))
            return None
        return self._make(refs[0].call, found, about, pending.probability, pending.promoted_by, tally)

    def is_read_later(self, span: SpanKey) -> bool:
        """Whether it is not known yet what the span of a kept call tells."""
        return span in self._reading

    def _read_later(
        self, refs: list[CallRef], pending: PendingSample, span: SpanKey, journal: Journal, tally: Tally
    ) -> None:
        """Leave the content of a kept call, whose sampled span is that one, to be read beside the loop."""
        tally.late.append(_late(refs, pending, self._logged(span, journal)))
        tally.reading.append(span)
        self._reading.add(span)
        journal.changes(("pending", span.shared), partial(self._reading.discard, span))

    def _add_to_read(self, ref: CallRef, first: SpanKey, journal: Journal, tally: Tally) -> None:
        """Note what another span tells of a call before it is known what its first one does."""
        if _is_late(ref, tally):
            # Nobody could wait for both.
            return
        try:
            found, _ = self._content(ref)
        except Malformed:
            return
        self._remember(ref, first, found, journal)

    def _read_back(self, place: Place, tally: Tally) -> CallRef:
        call, source, start, end = place
        if not tally.plain or not source.encoding:
            tally.plain = source.body
            if source.encoding:
                tally.plain = bodies.decompress(source.body, source.encoding, source.size)
        return CallRef(call, alone(tally.plain, start, end, source), 0)

    def join(self, span: SpanKey, logged: Logged, journal: Journal, tally: Tally) -> Sample | None:
        """The sample of a call that waited for this content of a log record, once its response is here."""
        known = self._log_content.add(span, logged, journal)
        pending = self._pending.find(span, journal)
        if pending is None:
            return None
        if not self._is_told(pending.call, known):
            return None
        self._pending.remove(span, journal)
        self._log_content.pop(span, journal)
        self._end(pending.call, log_content.reasons(known), journal)
        return self._make(pending.call, known, pending.particulars, pending.probability, pending.promoted_by, tally)

    def promote(self, wanted: Wanted, reason: str, journal: Journal, tally: Tally) -> list[Sample]:
        """Unsampled calls that their tenants ask for, as samples outside the statistics."""
        found: list[Sample] = []
        if not wanted:
            # Each second of a quiet day.
            return found
        known = CallDeduplicator()
        for unsampled, group in unpack(self.unsampled.remove(wanted)):
            read = self._read(group, unsampled.key_tenant)
            if read is None:
                continue
            call, said, about = read
            if call.trace_id not in wanted:
                continue
            logged = self._log_content.pop(call.span_key, journal)
            if logged is not None:
                said = complete(said, logged)
            # Two spans may have reported it, both with its content.
            if (said.is_asked or said.is_answered) and known.find(call) is None:
                known.add(call)
                found.append(self._make(call, said, about, None, reason, tally))
        return found

    def detach(self, tally: Tally) -> None:
        """Let go of the plain bytes of a request that waits until it is durable."""
        tally.unsampled = self.unsampled.detach(tally.unsampled)

    def count(self, tally: Tally, now: float) -> None:
        """Count what became of the calls of a request that is durable, and buffer those that were not sampled."""
        if tally.reading:
            self._settle(tally)
        for ref in tally.unsampled:
            self.unsampled.add(ref, now)
        if tally.not_sampled:
            self._outcomes["not_sampled"].inc(tally.not_sampled)
        if tally.sampled:
            self._outcomes["kept"].inc(tally.sampled)
        if tally.forced:
            self._outcomes["promoted"].inc(tally.forced)
        for outcome, number in tally.vectors.items():
            self._vectors.labels(outcome).inc(number)
        for _ in range(tally.with_content):
            self._coverage.add(1.0)

    def _settle(self, tally: Tally) -> None:
        """Let calls that were read beside the loop wait for the rest, if it did not come in the meantime."""
        # Nobody undoes it any more.
        journal = Journals().begin()
        waiting = {pending.call.span_key for pending, _, _ in tally.waiting}
        for span in tally.reading:
            self._reading.discard(span)
            if span not in waiting:
                self._log_content.pop(span, journal)
        for pending, found, size in tally.waiting:
            call = pending.call
            span = call.span_key
            self._keep(span, found, size, call.tenant, journal)
            known = self._logged(span, journal)
            if known is None or not self._is_told(call, known):
                self._pending.add(span, pending, journal)
                continue
            self._log_content.pop(span, journal)
            self._end(call, log_content.reasons(known), journal)
            self._late.append(
                self._make(call, known, pending.particulars, pending.probability, pending.promoted_by, tally)
            )

    def expire(self, now: float) -> list[Sample]:
        """Give up waiting for content, and unsampled calls that are too old; returns samples of what had come by then.

        A prompt without an answer is one: the answer may be in no form that is read.
        """
        self.unsampled.expire(now)
        self._give_up(now)
        found, self._late = self._late, []
        return found

    def _give_up(self, now: float) -> None:
        # Nobody undoes it: what comes afterwards is too late.
        journal, tally = Journals().begin(), Tally()
        for pending in self._pending.expire(now):
            said = self._log_content.pop(pending.call.span_key, journal)
            if said is not None:
                self._end(pending.call, log_content.reasons(said), journal)
            if said is not None and (said.is_asked or said.is_answered):
                about, probability = pending.particulars, pending.probability
                self._late.append(self._make(pending.call, said, about, probability, pending.promoted_by, tally))
                continue
            self._outcomes["no_content"].inc()
            if _is_ordinary(pending.call):
                self._coverage.add(0.0)
        self.count(tally, now)

    def _end(self, call: Call, reasons: tuple[str, ...], journal: Journal) -> None:
        """Give a call the reasons why it ended that records told: it may not be counted yet, and nothing else will.

        Where other spans told of it as well, what its sample is made of is not what is counted.
        """
        span = self._span_of(int(call.number))
        for one in (call, span) if span is not None and span is not call else (call,):
            if reasons and not one.finish_reasons:
                journal.on_rollback(partial(_restore, one, one.status))
                normalise.end(one, reasons)

    def _remember(self, ref: CallRef, span: SpanKey, found: Conversation, journal: Journal) -> None:
        """Keep what a span tells of a call until the rest has come, or is given up."""
        size = int(ref.group.ends[ref.index] - ref.group.starts[ref.index])
        self._keep(span, found, size, ref.call.tenant, journal)

    def _keep(self, span: SpanKey, found: Conversation, size: int, tenant: str, journal: Journal) -> None:
        if found.is_asked or found.is_answered or found.tools or found.system or found.documents:
            self._log_content.add(span, Logged(places.DETAILS, found, size, tenant), journal)

    def _logged(self, span: SpanKey, journal: Journal) -> Conversation | None:
        """What logs told of a span, where any log told anything."""
        return self._log_content.find(span, journal) if self._log_content.bytes else None

    def _is_told(self, call: Call, known: Conversation) -> bool:
        """Whether logs told enough of a call that waits: its answer, or that none will come."""
        has_ended_badly = normalise.status_of(call, log_content.reasons(known)) != "ok"
        return known.is_answered or (has_ended_badly and known.is_asked)

    def _content(self, ref: CallRef) -> tuple[Conversation, Particulars]:
        """What a call's span tells of its conversation, and what a sample has besides. Raises Malformed."""
        try:
            return self._read_content(ref)
        except Malformed:
            # The metrics need less of a span than a sample does.
            group, index = ref.group, ref.index
            try:
                said = fast_content.readable(group.body, group.starts[index], group.ends[index])
            except IndexError as error:
                raise Malformed(CUT_OFF) from error
            return said, particulars.NOTHING

    def _read_content(self, ref: CallRef) -> tuple[Conversation, Particulars]:
        group, index, convention = ref.group, ref.index, ref.call.convention
        if convention == otel.CONVENTION.name:
            try:
                found = fast_content.read(group.body, group.starts[index], group.ends[index], self._names)
            except (IndexError, UnicodeDecodeError) as error:
                raise Malformed(CUT_OFF) from error
            if found is not None:
                return found.said, self._particulars(group.source.resource, found.others, convention)
        return self._of_span(group.span(index), ref.call)

    def _of_span(self, span: Span, call: Call) -> tuple[Conversation, Particulars]:
        said = normalise.read_conversation(span, call.operation)
        return said, self._particulars(span.resource, span.attributes, call.convention)

    def _particulars(
        self, resource: particulars.Attributes, span: particulars.Attributes, convention: str
    ) -> Particulars:
        return particulars.read(resource, span, self._wanted, convention, self._with_vectors)

    def _read(self, group: Group, key_tenant: str | None) -> tuple[Call, Conversation, Particulars] | None:
        """The call of a group's only span, with its content; None if it cannot be read."""
        try:
            span = group.span(0)
        except Malformed:
            # The metrics need less of a span than a sample does.
            return None
        settings = self._settings.collector
        call = normalise.call(span, normalise.Context(key_tenant, settings.tenant_attributes, settings.service_models))
        if call is None:
            return None
        said, about = self._of_span(span, call)
        return call, said, about

    def _make(
        self,
        call: Call,
        said: Conversation,
        about: Particulars,
        probability: float | None,
        promoted_by: str | None,
        tally: Tally,
    ) -> Sample:
        """The sample of a call, neither bounded nor redacted yet; its texts are derived after that."""
        if promoted_by is None:
            tally.sampled += 1
        else:
            tally.forced += 1
        if _is_ordinary(call):
            tally.with_content += 1
        if about.vectors is not vectors.NONE:
            tally.add_vectors(len(about.vectors.kept), about.vectors.refused)
        return _sample(call, _with_reasons(said, call.finish_reasons), about, probability, promoted_by)


def _is_late(ref: CallRef, tally: Tally) -> bool:
    """Whether enough was read of this request."""
    tally.read_bytes += int(ref.group.ends[ref.index] - ref.group.starts[ref.index])
    return tally.read_bytes > MOST_AT_ONCE


def _is_unfinished(call: Call, found: Conversation, logged: Conversation | None) -> bool:
    """Whether more is to come of a call of which this is known, and of that in logs."""
    if not (found.is_asked or found.is_answered):
        return True
    return logged is not None and not found.is_answered and call.status == "ok"


def _late(refs: list[CallRef], pending: PendingSample, logged: Conversation | None) -> Late:
    """Without the plain bytes: while it waits it holds what it is charged for."""
    places: list[Place] = []
    for ref in refs:
        group, index = ref.group, ref.index
        places.append((ref.call, group.source, int(group.starts[index]), int(group.ends[index])))
    return places, pending, logged


def _restore(call: Call, status: Status) -> None:
    call.finish_reasons, call.status = (), status


def _is_ordinary(call: Call) -> bool:
    """Whether content is to be expected of a call: servers seldom send it, and what failed may have none."""
    return call.layer != "server" and call.status == "ok"


def _with_reasons(said: Conversation, reasons: tuple[str, ...]) -> Conversation:
    """With the reasons why answers ended where their messages do not say so, if it is plain which is whose."""
    choices = said.choices
    if len(reasons) != len(choices) or all("finish_reason" in choice for choice in choices):
        return said
    # Others may still hold these messages.
    made: list[Message] = []
    for choice, reason in zip(choices, reasons, strict=True):
        made.append(choice if "finish_reason" in choice else {**choice, "finish_reason": reason})
    return Conversation(said.system, said.messages, made, said.tools, said.documents)


def _sample(
    call: Call,
    said: Conversation,
    about: Particulars,
    probability: float | None,
    promoted_by: str | None,
) -> Sample:
    # A record in a log that came after the call was counted may tell why it ended.
    reasons = call.finish_reasons or log_content.reasons(said)
    return Sample(
        trace_id=call.trace_id.hex(),
        span_id=call.span_id.hex(),
        observed_at=call.end_unix_s,
        tenant=call.tenant,
        model=call.model or "unknown",
        version=call.version or "unknown",
        layer=call.layer,
        operation=call.operation,
        status=normalise.status_of(call, reasons),
        prompt="",
        response="",
        inclusion_probability=probability,
        promoted_by=promoted_by,
        conversation_id=call.conversation_id,
        finish_reason=reasons[0] if reasons else None,
        error_type=call.error_type,
        duration_s=call.duration_s,
        ttft_s=call.ttft_s,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        app=about.app,
        environment=about.environment,
        user=about.user,
        agent_name=about.agent_name,
        agent_version=about.agent_version,
        prompt_name=about.prompt_name,
        prompt_version=about.prompt_version,
        parameters=about.parameters,
        attributes=about.attributes,
        conversation=said,
        vectors=about.vectors.kept,
    )
