"""The store's tables, the same on SQLite and PostgreSQL. Times are Unix seconds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    # SQLite numbers rows by itself only in a column of type INTEGER.
    return Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)


class Hex(TypeDecorator[str]):
    """Bytes in the database, hexadecimal text in records: ids make up most of an index over samples."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> bytearray | None:
        return None if value is None else unhex(value)

    def process_result_value(self, value: bytes | None, _dialect: Any) -> str | None:
        return None if value is None else value.hex()


def unhex(text: str) -> bytearray:
    """The bytes of an id; none for text that is not an id, which then equals no other."""
    try:
        return bytearray.fromhex(text)
    except ValueError:
        return bytearray()


samples = Table(
    "samples",
    metadata,
    _id(),
    Column("trace_id", Hex, nullable=False),
    Column("span_id", Hex, nullable=False),
    Column("observed_at", Double, nullable=False),
    Column("stored_at", Double, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("layer", String(8), nullable=False),
    Column("operation", Text, nullable=False),
    Column("status", String(8), nullable=False),
    # Only of rows that older versions wrote and that were not moved into blocks yet; empty in all others.
    Column("prompt", Text, nullable=False),
    Column("response", Text, nullable=False),
    Column("inclusion_probability", Double),
    Column("promoted_by", String(16)),
    Column("conversation_id", Text),
    Column("finish_reason", Text),
    Column("error_type", Text),
    Column("duration_s", Double),
    Column("ttft_s", Double),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("redactions", JSON, nullable=False),
    Column("app", Text),
    Column("environment", Text),
    Column("user_hash", Hex),
    Column("agent_name", Text),
    Column("agent_version", Text),
    Column("prompt_name", Text),
    Column("prompt_version", Text),
    Column("language", String(16)),
    Column("attributes", JSON(none_as_null=True)),
    # What was said: places in `content_blocks`.
    Column("content_id", BigInteger),
    Column("frame_id", BigInteger),
    Column("history_id", BigInteger),
    # Each additional index is another page written for every sample. This one grows only at the end of each model;
    # lookups by trace id, which is random, use `sample_traces`.
    Index("uq_samples", "model", "observed_at", "trace_id", "span_id", unique=True),
    CheckConstraint("inclusion_probability > 0 AND inclusion_probability <= 1", name="probability"),
)

sample_traces = Table(
    "sample_traces",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("trace_tail", Hex, primary_key=True),
    Column("sample_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

content_blocks = Table(
    "content_blocks",
    metadata,
    _id(),
    Column("raw_bytes", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

content_pieces = Table(
    "content_pieces",
    metadata,
    Column("content_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("before_id", BigInteger),
    Column("uses", BigInteger, nullable=False),
)

# Contents of rows that older versions wrote are moved into blocks, newest first: `next_id` and older ones are to do.
content_move = Table(
    "content_move",
    metadata,
    Column("next_id", BigInteger, primary_key=True, autoincrement=False),
)

feedback = Table(
    "feedback",
    metadata,
    _id(),
    Column("received_at", Double, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("trace_id", String(32), nullable=False),
    Column("span_id", String(16)),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Double),
    Column("source", String(16), nullable=False),
    Column("comment", Text),
    Column("subject", String(64)),
    Column("idempotency_key", String(255), nullable=False),
    Column("body_sha256", String(64), nullable=False),
    # Which API key brought it; empty where none did, and in rows of older versions.
    Column("key_id", String(16)),
    # Feedback may come before its trace or outlive it, so there is no foreign key to samples.
    UniqueConstraint("tenant", "idempotency_key"),
    Index(None, "trace_id"),
    Index(None, "received_at"),
)

monitor_references = Table(
    "monitor_references",
    metadata,
    _id(),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("basis", String(16), nullable=False),
    # When it was frozen; empty of one that somebody asked for and that is to be made.
    Column("frozen_at", Double),
    Column("begins_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    # What each monitor compares, described once; see monitors/references.py.
    Column("features", LargeBinary),
    Column("checks", JSON, nullable=False),
    Column("is_current", Boolean, nullable=False),
    Index(None, "model", "basis"),
)

_HAS_EVIDENCE = text("evidence_id IS NOT NULL")

scores = Table(
    "scores",
    metadata,
    _id(),
    Column("monitor", Text, nullable=False),
    Column("signal", Text, nullable=False),
    Column("direction", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("window_start", Double, nullable=False),
    Column("window_end", Double, nullable=False),
    Column("since", Double),
    Column("samples", Integer, nullable=False),
    Column("state", String(24), nullable=False),
    Column("effect", Double),
    Column("threshold", Double),
    Column("p_value", Double),
    Column("details", JSON, nullable=False),
    Column("evidence_id", BigInteger, ForeignKey("evidence.id")),
    UniqueConstraint(
        *("monitor", "signal", "direction", "model", "version", "tenant", "segment", "window_start"),
        name="uq_scores_series",
    ),
    Index(None, "model", "window_end"),
    # Whoever deletes evidence asks for each document whether a score points to it.
    Index(None, "evidence_id", sqlite_where=_HAS_EVIDENCE, postgresql_where=_HAS_EVIDENCE),
)

# The state that each series is in, also while nothing can be judged, and up to where each monitor has judged it.
series_states = Table(
    "series_states",
    metadata,
    *(
        Column(name, kind, primary_key=True)
        for name, kind in (
            *(("monitor", Text), ("signal", Text), ("direction", String(16))),
            *(("model", Text), ("version", Text), ("tenant", Text), ("segment", Text)),
        )
    ),
    Column("state", String(24), nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("judged_until", Double),
    Column("rows", Integer, nullable=False),
    Column("score_id", BigInteger),
    Column("reference_id", BigInteger),
)

evidence = Table(
    "evidence",
    metadata,
    _id(),
    Column("created_at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("content_gzip", LargeBinary, nullable=False),
)

# The newest Evidently report of each series and direction: one row each, whatever the schedule.
evidently_reports = Table(
    "evidently_reports",
    metadata,
    *(Column(name, Text, primary_key=True) for name in ("model", "version", "tenant", "segment")),
    Column("direction", String(16), primary_key=True),
    Column("window_start", Double, nullable=False),
    Column("window_end", Double, nullable=False, index=True),
    Column("evidence_id", BigInteger, ForeignKey("evidence.id", ondelete="SET NULL"), index=True),
    Column("numbers", JSON, nullable=False),
)

# A text's embedding in a space: which model made it, and of how much of the text. Little-endian float16.
sample_vectors = Table(
    "sample_vectors",
    metadata,
    Column("sample_id", BigInteger, primary_key=True, autoincrement=False),
    Column("direction", String(16), primary_key=True),
    Column("space", String(64), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

# Data sets that were written, each never changed; `place` is the folder of those that the web application keeps.
data_sets = Table(
    "data_sets",
    metadata,
    _id(),
    Column("tenant", Text, nullable=False),
    Column("name", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("format", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("place", String(64), nullable=False),
    Column("removed_at", Double),
    Column("stale_since", Double),
    Column("stale_why", Text),
    UniqueConstraint("tenant", "name", "version"),
)

# Which traces' calls are in it: whoever erases one is told which data sets held it.
data_set_traces = Table(
    "data_set_traces",
    metadata,
    Column("trace_id", Hex, primary_key=True),
    Column("data_set_id", BigInteger, ForeignKey("data_sets.id"), primary_key=True),
    sqlite_with_rowid=False,
)

tickets = Table(
    "tickets",
    metadata,
    _id(),
    Column("key", String(64), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("closed_at", Double),
    Column("close_reason", Text),
    Column("alerts", JSON, nullable=False),
    Column("more_alerts", Integer, nullable=False),
    Column("verified_since", Double),
    Column("verified_at", Double),
    Column("severity", String(16), nullable=False),
    Column("assignee", Text, nullable=False),
    Column("acknowledged_by", Text, nullable=False),
    Column("acknowledged_at", Double),
    Column("snoozed_until", Double),
    Column("muted_until", Double),
    Column("labels", JSON, nullable=False),
    Column("merged_into", BigInteger),
    Index(None, "key"),
    Index(None, "state"),
    # What lists are filtered and sorted by, without a look at the alerts. Texts of any length would not fit.
    Index(
        "ix_tickets_listing",
        *("state", "severity", "lane", "acknowledged_at", "snoozed_until", "opened_at", "updated_at", "id"),
    ),
    Index(None, "merged_into"),
)

# What tickets are found by; see ticket_terms.py. Compared by code points, so that a beginning is a range.
ticket_terms = Table(
    "ticket_terms",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), primary_key=True),
    Index(None, "ticket_id"),
    sqlite_with_rowid=False,
)

# Two tickets that belong together; each pair stands once, the smaller id first.
ticket_links = Table(
    "ticket_links",
    metadata,
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), primary_key=True),
    Column("other_id", BigInteger, ForeignKey("tickets.id"), primary_key=True),
)

ticket_events = Table(
    "ticket_events",
    metadata,
    _id(),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Index(None, "ticket_id", "at"),
)

ticket_outbox = Table(
    "ticket_outbox",
    metadata,
    _id(),
    Column("tracker", String(32), nullable=False),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("event_id", BigInteger, ForeignKey("ticket_events.id"), nullable=False),
    Column("key", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("reference", Text),
    Column("error", Text),
    UniqueConstraint("tracker", "event_id"),
    Index(None, "tracker", "state", "ticket_id"),
)

notifications = Table(
    "notifications",
    metadata,
    _id(),
    Column("received_at", Double, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("payload", JSON, nullable=False),
    Index(None, "received_at"),
)

people = Table(
    "people",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),
)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("person_id", BigInteger, ForeignKey("people.id"), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
)

# Whoever has one of these tokens may add the first administrator. Each web process makes one while nobody exists.
first_start_tokens = Table(
    "first_start_tokens",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("expires_at", Double, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    Column("key_id", String(16), nullable=False, unique=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
)

rubrics = Table(
    "rubrics",
    metadata,
    _id(),
    Column("name", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("guidelines", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("made_at", Double, nullable=False),
    Column("made_by", Text, nullable=False),
    UniqueConstraint("name", "number"),
)

review_queues = Table(
    "review_queues",
    metadata,
    _id(),
    Column("name", String(128), nullable=False, unique=True),
    Column("rubric_id", BigInteger, ForeignKey("rubrics.id"), nullable=False),
    # How many people label each item, and for how long one has it.
    Column("overlap", Integer, nullable=False),
    Column("lease_s", Double, nullable=False),
    # Where its items came from, for people.
    Column("source", JSON, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("closed_at", Double),
    CheckConstraint("overlap >= 1", name="overlap"),
)

review_items = Table(
    "review_items",
    metadata,
    _id(),
    Column("queue_id", BigInteger, ForeignKey("review_queues.id"), nullable=False),
    # The call outlives its sample here: what was said is read when the item is shown, and may be gone.
    Column("tenant", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("trace_id", String(32), nullable=False),
    Column("span_id", String(16), nullable=False),
    # Of a comparison, the call with the other answer; empty for all others.
    Column("other_trace_id", String(32), nullable=False, server_default=""),
    Column("other_span_id", String(16), nullable=False, server_default=""),
    # From which stratum of the traffic it was drawn, and how likely; absent where it was chosen.
    Column("stratum", String(64), nullable=False, server_default=""),
    Column("probability", Double),
    Column("priority", Double, nullable=False, server_default="0"),
    # The known answer of a gold item.
    Column("gold", JSON(none_as_null=True)),
    Column("needed", Integer, nullable=False),
    # Who has it now or has labelled it; of these, who has labelled it.
    Column("taken", Integer, nullable=False, server_default="0"),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("state", String(16), nullable=False, server_default="open"),
    Column("verdict", JSON(none_as_null=True)),
    Column("decided_how", String(16)),
    Column("decided_by", Text),
    Column("decided_why", Text),
    Column("decided_at", Double),
    UniqueConstraint("queue_id", "trace_id", "span_id", "other_trace_id", "other_span_id", name="uq_review_items_call"),
    CheckConstraint("done <= taken AND taken <= needed", name="counts"),
    Index("ix_review_items_next", "queue_id", "state", "priority", "id"),
    Index(None, "trace_id"),
)

review_assignments = Table(
    "review_assignments",
    metadata,
    _id(),
    Column("item_id", BigInteger, ForeignKey("review_items.id"), nullable=False),
    Column("reviewer", String(64), nullable=False),
    Column("token", String(32), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("leased_at", Double, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("reason", Text),
    UniqueConstraint("item_id", "reviewer"),
    Index("ix_review_assignments_leases", "state", "lease_until"),
    Index("ix_review_assignments_reviewer", "reviewer", "state"),
)

labels = Table(
    "labels",
    metadata,
    _id(),
    Column("item_id", BigInteger, ForeignKey("review_items.id"), nullable=False),
    Column("reviewer", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("is_current", Boolean, nullable=False),
    # What an adjudicator decided, who is not one of those who labelled it.
    Column("is_verdict", Boolean, nullable=False, server_default="0"),
    Column("answers", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("correction", Text, nullable=False),
    # How long the item was on the screen.
    Column("seen_s", Double),
    Column("idempotency_key", String(64), nullable=False),
    Column("made_at", Double, nullable=False),
    UniqueConstraint("reviewer", "idempotency_key"),
    UniqueConstraint("item_id", "reviewer", "revision"),
    Index(None, "made_at"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    _id(),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
