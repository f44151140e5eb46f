"""Series with versions and segments: their states, scores and references; the language of a prompt."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_KEY = ("monitor", "signal", "direction", "model", "version", "tenant")
_NEW_IN_REFERENCES: tuple[tuple[str, Any, str], ...] = (
    *(("version", sa.Text(), ""), ("segment", sa.Text(), ""), ("basis", sa.String(16), "calls")),
    *(("begins_at", sa.Double(), "0"), ("ends_at", sa.Double(), "0")),
    *(("made_by", sa.Text(), "telltale"), ("why", sa.Text(), ""), ("checks", sa.JSON(), "{}")),
)


def upgrade() -> None:
    op.add_column("samples", sa.Column("language", sa.String(16), nullable=True))
    op.create_table(
        "series_states",
        *(
            sa.Column(name, kind, nullable=False)
            for name, kind in (
                *(("monitor", sa.Text()), ("signal", sa.Text()), ("direction", sa.String(16))),
                *(("model", sa.Text()), ("version", sa.Text()), ("tenant", sa.Text()), ("segment", sa.Text())),
                *(("state", sa.String(24)), ("reason", sa.Text())),
                *(("changed_at", sa.Double()), ("seen_at", sa.Double())),
            )
        ),
        sa.Column("judged_until", sa.Double(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("score_id", sa.BigInteger(), nullable=True),
        sa.Column("reference_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(*_KEY, "segment", name=op.f("pk_series_states")),
    )
    with op.batch_alter_table("scores") as scores:
        scores.add_column(sa.Column("segment", sa.Text(), nullable=False, server_default=""))
        scores.add_column(sa.Column("since", sa.Double(), nullable=True))
        scores.drop_constraint(_old_name(), type_="unique")
        scores.create_unique_constraint("uq_scores_series", [*_KEY, "segment", "window_start"])
    _references()


def _old_name() -> str:
    """PostgreSQL cuts names."""
    found = [one["name"] for one in sa.inspect(op.get_bind()).get_unique_constraints("scores")]
    return next(name for name in found if name)


def _references() -> None:
    """Those of earlier versions were of all of a model's: they are kept, and no window is compared with them."""
    op.drop_index("ix_monitor_references_model_direction", table_name="monitor_references")
    with op.batch_alter_table("monitor_references") as references:
        for name, kind, value in _NEW_IN_REFERENCES:
            references.add_column(sa.Column(name, kind, nullable=False, server_default=value))
        references.add_column(sa.Column("features", sa.LargeBinary(), nullable=True))
        references.alter_column("frozen_at", existing_type=sa.Double(), nullable=True)
    op.execute("UPDATE monitor_references SET basis = 'votes' WHERE direction = 'feedback'")
    op.execute("UPDATE monitor_references SET is_current = false, ends_at = frozen_at, begins_at = frozen_at")
    with op.batch_alter_table("monitor_references") as references:
        references.drop_column("direction")
        references.drop_column("calibration")
    op.create_index("ix_monitor_references_model_basis", "monitor_references", ["model", "basis"])
