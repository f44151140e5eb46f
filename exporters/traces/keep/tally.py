"""Counts of a request, applied once its samples are durable, so that a resent request is counted once."""

from __future__ import annotations

from exporters.traces.calls.call import Call, CallRef
from exporters.traces.calls.owners import SpanKey
from exporters.traces.decode.otlp_protobuf import Source
from exporters.traces.keep.pending_samples import PendingSample
from telltale.conversation import Conversation
from telltale.records import Feedback

Place = tuple[Call, Source, int, int]
"""Where a call's span is in the plain bytes of its body."""

Late = tuple[list[Place], PendingSample, Conversation | None]
"""A kept call whose content is still to be read, in its span and in others of it; what logs told of it before."""

Waiting = tuple[PendingSample, Conversation, int]
"""A kept call that has too little content, the content that it has, and of how many bytes that was read."""


class Tally:
    """Calls, spans and outcomes of one request."""

    __slots__ = (
        *("again", "calls", "conventions", "dropped_attributes", "dropped_events", "duplicates", "evaluations"),
        *("forced", "late", "not_sampled", "operations", "plain", "read_bytes", "reading"),
        *("sampled", "unsampled", "vectors", "waiting", "with_content"),
    )

    def __init__(self) -> None:
        # Calls that were not reported before, and further spans of such calls.
        self.calls: list[Call] = []
        self.again: list[Call] = []
        # Spans by convention, and second spans of calls by the pair of conventions.
        self.conventions: dict[str, int] = {}
        self.duplicates: dict[str, int] = {}
        # Spans that are no calls, by what they do.
        self.operations: dict[str, int] = {}
        # Evaluations in logs that this request was the first to store; known once they are stored.
        self.evaluations: list[Feedback] = []
        # What senders dropped before they sent.
        self.dropped_attributes = 0
        self.dropped_events = 0
        # Samples that were drawn, samples for another reason, and those of both of which content was to be expected.
        self.sampled = 0
        self.forced = 0
        self.with_content = 0
        # Vectors that samples came with, by what became of them.
        self.vectors: dict[str, int] = {}
        # Calls without a sample, and their spans, for which feedback may still ask.
        self.not_sampled = 0
        self.unsampled: list[CallRef] = []
        # Bytes of kept spans; those whose content is read beside the loop, to be read and in all, and those of them
        # that have too little.
        self.read_bytes = 0
        self.late: list[Late] = []
        self.reading: list[SpanKey] = []
        # The plain bytes of late ones, while they are read.
        self.plain = b""
        self.waiting: list[Waiting] = []

    def add_duplicate(self, pair: str) -> None:
        """Count a second span of a call."""
        self.duplicates[pair] = self.duplicates.get(pair, 0) + 1

    def add_vectors(self, kept: int, refused: tuple[str, ...]) -> None:
        """Count the vectors that a sample came with, and why others were left out."""
        for outcome in (*("kept",) * kept, *refused):
            self.vectors[outcome] = self.vectors.get(outcome, 0) + 1
