"""Tickets as people work on them: who has it, until when it rests, what it is about, which others belong to it."""

import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_NEW: tuple[tuple[str, Any, str | None], ...] = (
    *(("assignee", sa.Text(), ""), ("acknowledged_by", sa.Text(), ""), ("severity", sa.String(16), "ticket")),
    *(("acknowledged_at", sa.Double(), None), ("snoozed_until", sa.Double(), None), ("muted_until", sa.Double(), None)),
    *(("labels", sa.JSON(), "[]"), ("merged_into", sa.BigInteger(), None), ("more_alerts", sa.Integer(), "0")),
    ("verified_at", sa.Double(), None),
)


def upgrade() -> None:
    for name, kind, value in _NEW:
        op.add_column("tickets", sa.Column(name, kind, nullable=value is None, server_default=value))
    op.create_table(
        "ticket_links",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("other_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_links_ticket_id_tickets")),
        sa.ForeignKeyConstraint(["other_id"], ["tickets.id"], name=op.f("fk_ticket_links_other_id_tickets")),
        sa.PrimaryKeyConstraint("ticket_id", "other_id", name=op.f("pk_ticket_links")),
    )
    listing = ("state", "severity", "lane", "acknowledged_at", "snoozed_until", "opened_at", "updated_at", "id")
    op.create_index("ix_tickets_listing", "tickets", listing)
    op.create_index(op.f("ix_tickets_merged_into"), "tickets", ["merged_into"])
    _add_terms()


def _add_terms() -> None:
    """What tickets are found by, of those that are there already too."""
    terms = op.create_table(
        "ticket_terms",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_terms_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("name", "value", "ticket_id", name=op.f("pk_ticket_terms")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_ticket_terms_ticket_id"), "ticket_terms", ["ticket_id"])
    tickets = sa.table(
        "tickets", *(sa.column(name) for name in ("id", "title", "model", "version")), sa.column("alerts", sa.JSON())
    )
    graver = sa.update(sa.table("tickets", sa.column("id"), sa.column("severity"))).values(severity="page")
    for row in op.get_bind().execute(sa.select(tickets)).all():
        if _wakes(row.alerts):
            op.execute(graver.where(sa.column("id") == row.id))
        found = _terms(row.title, row.model, row.version, row.alerts)
        if found:
            op.bulk_insert(terms, [{"name": name, "value": value, "ticket_id": row.id} for name, value in found])


def _wakes(alerts: Any) -> bool:
    """Whether one of its alerts that fire is a page, or where none fires, any of them."""
    entries = _entries(alerts)
    firing = [entry for entry in entries if entry.get("status") == "firing"]
    return any(_labels(entry).get("severity") == "page" for entry in firing or entries)


def _entries(alerts: Any) -> list[dict[str, Any]]:
    return [entry for entry in (alerts.values() if isinstance(alerts, dict) else ()) if isinstance(entry, dict)]


def _labels(entry: dict[str, Any]) -> dict[str, Any]:
    labels = entry.get("labels")
    return labels if isinstance(labels, dict) else {}


def _terms(title: str, model: str, version: str, alerts: Any) -> list[tuple[str, str]]:
    labels = [pair for entry in _entries(alerts) for pair in _labels(entry).items() if not pair[0].startswith("#")]
    named = [("#model", model), ("#version", version), *((name, str(value)) for name, value in labels)]
    texts = (title, model, version, *(str(value) for _, value in labels))
    words = [("#word", word) for text in texts for word in re.findall(r"\w+", text.casefold())]
    return list(dict.fromkeys((name[:200], value[:200]) for name, value in [*named, *words] if value))[:600]
