"""Data sets by name and version, and whose calls each holds: what is erased may be in one that somebody has."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "data_sets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("place", sa.String(64), nullable=False),
        sa.Column("removed_at", sa.Double()),
        sa.Column("stale_since", sa.Double()),
        sa.Column("stale_why", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_sets")),
        sa.UniqueConstraint("tenant", "name", "version", name=op.f("uq_data_sets_tenant_name_version")),
    )
    op.create_table(
        "data_set_traces",
        sa.Column("trace_id", sa.LargeBinary(), nullable=False),
        sa.Column("data_set_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["data_set_id"], ["data_sets.id"], name=op.f("fk_data_set_traces_data_set_id")),
        sa.PrimaryKeyConstraint("trace_id", "data_set_id", name=op.f("pk_data_set_traces")),
        sqlite_with_rowid=False,
    )
