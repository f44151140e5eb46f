"""Vectors of sampled texts: an embedding costs more than all monitors together, so each is made once."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "sample_vectors",
        sa.Column("sample_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("space", sa.String(64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sample_id", "direction", "space", name=op.f("pk_sample_vectors")),
    )
