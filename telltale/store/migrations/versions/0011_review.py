"""Review: rubrics, queues of calls to label, who has which item, and labels."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def _id() -> sa.Column[int]:
    return sa.Column(
        "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, primary_key=True, autoincrement=True
    )


def upgrade() -> None:
    op.create_table(
        "rubrics",
        _id(),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("guidelines", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rubrics")),
        sa.UniqueConstraint("name", "number", name=op.f("uq_rubrics_name_number")),
    )
    op.create_table(
        "review_queues",
        _id(),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("rubric_id", sa.BigInteger(), nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.Column("lease_s", sa.Double(), nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.Double()),
        sa.CheckConstraint("overlap >= 1", name=op.f("ck_review_queues_overlap")),
        sa.ForeignKeyConstraint(["rubric_id"], ["rubrics.id"], name=op.f("fk_review_queues_rubric_id_rubrics")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_queues")),
        sa.UniqueConstraint("name", name=op.f("uq_review_queues_name")),
    )
    _add_items()
    _add_labels()


def _add_items() -> None:
    op.create_table(
        "review_items",
        _id(),
        sa.Column("queue_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("span_id", sa.String(16), nullable=False),
        sa.Column("other_trace_id", sa.String(32), nullable=False, server_default=""),
        sa.Column("other_span_id", sa.String(16), nullable=False, server_default=""),
        sa.Column("stratum", sa.String(64), nullable=False, server_default=""),
        sa.Column("probability", sa.Double()),
        sa.Column("priority", sa.Double(), nullable=False, server_default="0"),
        sa.Column("gold", sa.JSON()),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("state", sa.String(16), nullable=False, server_default="open"),
        sa.Column("verdict", sa.JSON()),
        sa.Column("decided_how", sa.String(16)),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_why", sa.Text()),
        sa.Column("decided_at", sa.Double()),
        sa.CheckConstraint("done <= taken AND taken <= needed", name=op.f("ck_review_items_counts")),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["review_queues.id"], name=op.f("fk_review_items_queue_id_review_queues")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_items")),
        sa.UniqueConstraint(
            "queue_id", "trace_id", "span_id", "other_trace_id", "other_span_id",
            name=op.f("uq_review_items_call"),
        ),
    )  # fmt: skip
    op.create_index("ix_review_items_next", "review_items", ["queue_id", "state", "priority", "id"])
    op.create_index(op.f("ix_review_items_trace_id"), "review_items", ["trace_id"])


def _add_labels() -> None:
    op.create_table(
        "review_assignments",
        _id(),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("leased_at", sa.Double(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(
            ["item_id"], ["review_items.id"], name=op.f("fk_review_assignments_item_id_review_items")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_assignments")),
        sa.UniqueConstraint("token", name=op.f("uq_review_assignments_token")),
        sa.UniqueConstraint("item_id", "reviewer", name=op.f("uq_review_assignments_item_id_reviewer")),
    )
    op.create_index("ix_review_assignments_leases", "review_assignments", ["state", "lease_until"])
    op.create_index("ix_review_assignments_reviewer", "review_assignments", ["reviewer", "state"])
    op.create_table(
        "labels",
        _id(),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("is_verdict", sa.Boolean(), nullable=False, server_default="0"),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("correction", sa.Text(), nullable=False),
        sa.Column("seen_s", sa.Double()),
        sa.Column("idempotency_key", sa.String(64), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["review_items.id"], name=op.f("fk_labels_item_id_review_items")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
        sa.UniqueConstraint("reviewer", "idempotency_key", name=op.f("uq_labels_reviewer_idempotency_key")),
        sa.UniqueConstraint("item_id", "reviewer", "revision", name=op.f("uq_labels_item_id_reviewer_revision")),
    )
    op.create_index(op.f("ix_labels_made_at"), "labels", ["made_at"])
