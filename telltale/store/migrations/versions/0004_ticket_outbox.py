"""The outbox of ticket changes on their way to the trackers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "ticket_outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tracker", sa.String(length=32), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["ticket_events.id"], name=op.f("fk_ticket_outbox_event_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_outbox_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_outbox")),
        sa.UniqueConstraint("tracker", "event_id", name=op.f("uq_ticket_outbox_tracker_event_id")),
    )
    op.create_index(
        op.f("ix_ticket_outbox_tracker_state_ticket_id"), "ticket_outbox", ["tracker", "state", "ticket_id"]
    )
