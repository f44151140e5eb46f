"""Scores by evidence: without it, each document that is deleted has all scores read, to see that none points to it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    kept = sa.text("evidence_id IS NOT NULL")
    op.create_index("ix_scores_evidence_id", "scores", ["evidence_id"], sqlite_where=kept, postgresql_where=kept)
