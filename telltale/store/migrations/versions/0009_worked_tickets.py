"""Tickets as people work on them: who has it, until when it rests, what it is about, which others belong to it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for column in (
        *(sa.Column(name, sa.Text(), nullable=False, server_default="") for name in ("assignee", "acknowledged_by")),
        sa.Column("severity", sa.String(16), nullable=False, server_default="ticket"),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("acknowledged_at", "snoozed_until", "muted_until")),
        sa.Column("labels", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("merged_into", sa.BigInteger(), nullable=True),
    ):
        op.add_column("tickets", column)
    op.create_table(
        "ticket_links",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("other_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_links_ticket_id_tickets")),
        sa.ForeignKeyConstraint(["other_id"], ["tickets.id"], name=op.f("fk_ticket_links_other_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", "other_id", name=op.f("pk_ticket_links")),
    )
