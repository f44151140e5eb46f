"""Samples' ids as bytes and one index fewer: every stored sample writes fewer pages."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_IDS = ("trace_id", "span_id")
_OTHERS = (
    "id", "observed_at", "stored_at", "tenant", "model", "version", "layer", "operation", "status", "prompt",
    "response", "inclusion_probability", "promoted_by", "conversation_id", "finish_reason", "error_type", "duration_s",
    "ttft_s", "input_tokens", "output_tokens", "redactions",
)  # fmt: skip


def upgrade() -> None:
    op.drop_index("ix_samples_observed_at", "samples")
    if op.get_bind().dialect.name == "postgresql":
        for column in _IDS:
            op.alter_column(
                "samples", column, type_=sa.LargeBinary(), postgresql_using=f"decode({column}, 'hex')", nullable=False
            )
    else:
        _rewrite()


def _rewrite() -> None:
    """SQLite changes no column's type: the rows move into a new table, by one pass."""
    op.drop_index("ix_samples_model_observed_at", "samples")
    op.rename_table("samples", "samples_before")
    op.create_table(
        "samples",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("trace_id", sa.LargeBinary(), nullable=False),
        sa.Column("span_id", sa.LargeBinary(), nullable=False),
        sa.Column("observed_at", sa.Double(), nullable=False),
        sa.Column("stored_at", sa.Double(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("layer", sa.String(length=8), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("inclusion_probability", sa.Double(), nullable=True),
        sa.Column("promoted_by", sa.String(length=16), nullable=True),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("ttft_s", sa.Double(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("redactions", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "inclusion_probability > 0 AND inclusion_probability <= 1", name=op.f("ck_samples_probability")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
        sa.UniqueConstraint("trace_id", "span_id", name=op.f("uq_samples_trace_id_span_id")),
    )
    # SQLite has its own `unhex` only since 3.41.
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.create_function("bytes_of_hex", 1, bytes.fromhex, deterministic=True)
    ids, others = ", ".join(_IDS), ", ".join(_OTHERS)
    converted = ", ".join(f"bytes_of_hex({column})" for column in _IDS)
    op.execute(f"INSERT INTO samples ({ids}, {others}) SELECT {converted}, {others} FROM samples_before")  # noqa: S608  # names of our own
    op.drop_table("samples_before")
    op.create_index(op.f("ix_samples_model_observed_at"), "samples", ["model", "observed_at"], unique=False)
