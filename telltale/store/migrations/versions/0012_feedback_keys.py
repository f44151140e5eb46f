"""Which API key brought each event of feedback: one key may support so many rows of a data set."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("feedback", sa.Column("key_id", sa.String(16)))
