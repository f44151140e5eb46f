"""The newest Evidently report of each series: its numbers are metrics, also after a restart."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "evidently_reports",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("window_start", sa.Double(), nullable=False),
        sa.Column("window_end", sa.Double(), nullable=False),
        sa.Column("evidence_id", sa.BigInteger(), nullable=True),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint(
            "model", "version", "tenant", "segment", "direction", name=op.f("pk_evidently_reports")
        ),
        sa.ForeignKeyConstraint(
            ["evidence_id"],
            ["evidence.id"],
            name=op.f("fk_evidently_reports_evidence_id_evidence"),
            ondelete="SET NULL",
        ),
    )
    for column in ("window_end", "evidence_id"):
        op.create_index(op.f(f"ix_evidently_reports_{column}"), "evidently_reports", [column])
