"""Tickets as people work on them: who has it, until when it rests, what it is about, which others belong to it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_NEW: tuple[tuple[str, Any, str | None], ...] = (
    *(("assignee", sa.Text(), ""), ("acknowledged_by", sa.Text(), ""), ("severity", sa.String(16), "ticket")),
    *(("acknowledged_at", sa.Double(), None), ("snoozed_until", sa.Double(), None), ("muted_until", sa.Double(), None)),
    *(("labels", sa.JSON(), "[]"), ("merged_into", sa.BigInteger(), None), ("more_alerts", sa.Integer(), "0")),
    ("verified_at", sa.Double(), None),
)


def upgrade() -> None:
    for name, kind, value in _NEW:
        op.add_column("tickets", sa.Column(name, kind, nullable=value is None, server_default=value))
    op.create_table(
        "ticket_links",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("other_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_links_ticket_id_tickets")),
        sa.ForeignKeyConstraint(["other_id"], ["tickets.id"], name=op.f("fk_ticket_links_other_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", "other_id", name=op.f("pk_ticket_links")),
    )
