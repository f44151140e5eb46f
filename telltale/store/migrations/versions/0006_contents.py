"""Whole conversations in blocks, and attributes of calls. What is there is moved later, while serving."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_COLUMNS: tuple[tuple[str, Any], ...] = (
    *((name, sa.Text()) for name in ("app", "environment")),
    ("user_hash", sa.LargeBinary()),
    *((name, sa.Text()) for name in ("agent_name", "agent_version", "prompt_name", "prompt_version")),
    ("attributes", sa.JSON()),
    *((name, sa.BigInteger()) for name in ("content_id", "frame_id", "history_id")),
)


def upgrade() -> None:
    for name, kind in _COLUMNS:
        op.add_column("samples", sa.Column(name, kind, nullable=True))
    op.create_table(
        "content_blocks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("raw_bytes", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_blocks")),
    )
    if op.get_bind().dialect.name == "postgresql":
        # It is compressed already.
        op.execute("ALTER TABLE content_blocks ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_table(
        "content_pieces",
        sa.Column("content_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("before_id", sa.BigInteger(), nullable=True),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_content_pieces")),
        sa.UniqueConstraint("hash", name=op.f("uq_content_pieces_hash")),
    )
    op.create_table(
        "content_move",
        sa.Column("next_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("next_id", name=op.f("pk_content_move")),
    )
    op.execute("INSERT INTO content_move (next_id) SELECT max(id) FROM samples HAVING max(id) IS NOT NULL")
