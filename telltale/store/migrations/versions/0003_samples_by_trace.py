"""Samples by trace in two levels, in place of an index of which every new sample changed a page of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index("ix_samples_model_observed_at", "samples")
    # SQLite drops no constraint: there Alembic rewrites the table.
    with op.batch_alter_table("samples") as samples:
        samples.drop_constraint("uq_samples_trace_id_span_id", type_="unique")
    op.create_index("uq_samples", "samples", ["model", "observed_at", "trace_id", "span_id"], unique=True)
    op.create_table(
        "sample_traces",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("trace_tail", sa.LargeBinary(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("level", "trace_tail", "sample_id", name=op.f("pk_sample_traces")),
        sqlite_with_rowid=False,
    )
    tail = "CASE WHEN length(trace_id) > 7 THEN substr(trace_id, length(trace_id) - 6) ELSE trace_id END"
    op.execute(
        f"INSERT INTO sample_traces (level, trace_tail, sample_id) SELECT 1, {tail}, id FROM samples ORDER BY 2, 3"  # noqa: S608  # our own words
    )
