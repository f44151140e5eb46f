"""The nouns of Telltale: frozen records that the parts hand to each other through the store.

Times are Unix seconds (UTC) unless a field's name carries another unit; `None` always means "not known", never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from telltale.conversation import Conversation
from telltale.evidence.alerts import TicketAlert
from telltale.evidence.scores import Details

Layer = Literal["client", "gateway", "server"]
"""Where a call was observed. One request is often traced at all three; rates never add across layers."""

Status = Literal["ok", "error", "aborted"]
Direction = Literal["prompt", "response", "feedback"]
Basis = Literal["calls", "votes"]
"""What a row is: a sampled call, or a person's vote on a call."""

Judged = Literal["ok", "suspect", "alert"]
SeriesState = Literal["no_reference", "gathering", "not_enough_data", "stale", "ok", "suspect", "alert"]
"""`no_reference`: nothing to compare with yet; `gathering`: the window has too few rows so far; `not_enough_data`: it
is over and had too few that can be compared; `stale`: no rows come any more; the others are judgements."""
FeedbackKind = Literal["thumb", "rating", "category", "comment", "correction", "implicit", "retract"]
FeedbackSource = Literal["user", "reviewer", "judge", "system"]
TicketState = Literal["open", "recovering", "blind", "closed"]

NO_TENANT: Final = "unknown"
"""The tenant of calls and evaluations for which nobody names one."""

ANY_TENANT: Final = "*"
"""The tenant of an API key of the operator's own service, which serves every tenant. No call is of it."""


class Vector(NamedTuple):
    """Where a text lies: `numbers` are little-endian float16 of length 1. Only vectors of one space are compared."""

    space: str
    numbers: bytes


class Sample(NamedTuple):
    """A call kept with its redacted content. A tuple, because one is made for every span that is kept.

    `prompt` and `response` are the texts that monitors compare (`telltale.conversation.texts`), derived from
    `conversation`, which is None where it was not asked for. `inclusion_probability` is the probability, in (0, 1],
    with which the rate-bounded sampler kept this call; it is `None` for a call that was promoted (`promoted_by`), which
    statistics over traffic must leave out. `redactions` counts what was removed, by kind.

    `app` is the calling service, `user` a keyed hash of the person whom it served, `prompt_name` and `prompt_version`
    those of the template, `language` that of the prompt or its script, `parameters` the request's (temperature, top_p,
    max_tokens, seed, ...), `attributes` what `sampling.attributes` asks for. `vectors` are those that the call brought
    along, by direction; they are stored with it, and not read back.
    """

    trace_id: str
    span_id: str
    observed_at: float
    tenant: str
    model: str
    version: str
    layer: Layer
    operation: str
    status: Status
    prompt: str
    response: str
    inclusion_probability: float | None
    promoted_by: str | None = None
    conversation_id: str | None = None
    finish_reason: str | None = None
    error_type: str | None = None
    duration_s: float | None = None
    ttft_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    app: str | None = None
    environment: str | None = None
    user: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    language: str | None = None
    parameters: Mapping[str, float] = MappingProxyType({})
    attributes: Mapping[str, str] = MappingProxyType({})
    redactions: Mapping[str, int] = MappingProxyType({})
    conversation: Conversation | None = None
    id: int | None = None
    vectors: Mapping[Direction, Vector] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback from one person, judge or system on one call. Append-only: `telltale.feedback` says which count.

    `value` is 1.0 (good) or 0.0 (bad) for a thumb, the rating scaled to [0, 1] for a rating, the share of the response
    that was changed for the implicit signal `edit_distance`, `None` for others. `subject` is a keyed hash of the
    person, never the person; `None` for an anonymous one. `key_id` is the public part of the API key that brought it;
    `None` for what came without one.
    """

    received_at: float
    tenant: str
    trace_id: str
    span_id: str | None
    kind: FeedbackKind
    name: str
    value: float | None
    source: FeedbackSource
    idempotency_key: str
    comment: str | None = None
    subject: str | None = None
    id: int | None = None
    key_id: str | None = None


class Series(NamedTuple):
    """Traffic that is judged by itself: one version of a model, or that part of it which `tenant` or `segment` names.

    `tenant` is empty where tenants are not told apart. `segment` is empty or names attributes and their values:
    `app=checkout`, `app=checkout,language=ko`.
    """

    model: str
    version: str
    tenant: str = ""
    segment: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes and values that it is named by; what separates them is written as in URLs within a value."""
        told = dict(pair.split("=", 1) for pair in self.segment.split(",") if "=" in pair)
        found = {
            name: value.replace("%3D", "=").replace("%2C", ",").replace("%25", "%") for name, value in told.items()
        }
        return found | ({"tenant": self.tenant} if self.tenant else {})


@dataclass(frozen=True, slots=True)
class Score:
    """One monitor's judgement of one window.

    `effect` is the size of the change in the monitor's own unit (monitors/README.md) and alarms above `threshold`;
    `p_value` is the chance of a change this large on unchanged traffic. `since` is the start of the first window that
    showed the change, where it shows now. `details` describes what changed, with examples.
    """

    monitor: str
    signal: str
    direction: Direction
    model: str
    version: str
    window_start: float
    window_end: float
    samples: int
    state: Judged
    effect: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    tenant: str = ""
    segment: str = ""
    since: float | None = None
    details: Details = field(default_factory=Details)
    evidence_id: int | None = None
    id: int | None = None

    @property
    def series(self) -> Series:
        """Whose traffic was judged."""
        return Series(self.model, self.version, self.tenant, self.segment)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One cause on one model version: opened by alerts, carrying its evidence, closed only when recovery is verified.

    `key` is a hash of chosen labels, so that a repeated or doubled alert finds the same ticket. `episode` counts how
    often it was opened. `alerts` maps an alert's fingerprint to the alert as last reported; of a storm it holds some,
    and `more_alerts` is how many others fired when they were last counted. `verified_since` is the time since when
    every comparison found it recovered, `verified_at` that of the last one that did; `None` while that is not so.
    `unreadable_alerts` are alerts whose stored form cannot be read, as they are stored: nobody can say whether they
    recovered.

    The rest is people's work on it. `severity` is the gravest of its alerts'. While `snoozed_until` is ahead nobody is
    reminded of it. A closed ticket with `muted_until` stays closed until then, whatever its alerts do; `merged_into` is
    the ticket that stands for this one.
    """

    key: str
    lane: str
    model: str
    version: str
    title: str
    state: TicketState
    episode: int
    opened_at: float
    updated_at: float
    closed_at: float | None = None
    close_reason: str | None = None
    alerts: Mapping[str, TicketAlert] = field(default_factory=dict)
    more_alerts: int = 0
    verified_since: float | None = None
    verified_at: float | None = None
    severity: str = "ticket"
    assignee: str = ""
    acknowledged_by: str = ""
    acknowledged_at: float | None = None
    snoozed_until: float | None = None
    muted_until: float | None = None
    labels: tuple[str, ...] = ()
    merged_into: int | None = None
    id: int | None = None
    unreadable_alerts: Mapping[str, object] = field(default_factory=dict)
