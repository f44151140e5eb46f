"""A model as JSON: the same as on its page."""

from __future__ import annotations

from telltale.evidence.scores import Details, trust
from telltale.web.model_view import Judged, ModelView, ReferenceRow, SeriesRow


def as_json(view: ModelView) -> dict[str, object]:
    """Its series, the worst first, and its references, the newest first. Times are Unix seconds."""
    return {
        "model": view.model,
        "series": [_series(row) for row in view.rows],
        "references": [_reference(row) for row in view.references],
    }


def _series(row: SeriesRow) -> dict[str, object]:
    named = {name: value for name, value in row.series._asdict().items() if name != "model"}
    return {**named, "state": row.state, "monitors": [_judged(one) for one in row.judged]}


def _judged(one: Judged) -> dict[str, object]:
    names = ("monitor", "signal", "direction", "state", "reason", "changed_at", "judged_until", "rows", "reference_id")
    numbers = ("effect", "threshold", "p_value", "since")
    return {
        **{name: getattr(one.status, name) for name in names},
        **{name: getattr(one.score, name) if one.score else None for name in numbers},
        **trust(one.score.details if one.score else Details()),
        "explanation": one.told or None,
        "score_id": one.status.score_id,
    }


def _reference(row: ReferenceRow) -> dict[str, object]:
    names = ("id", "version", "tenant", "segment", "basis", "begins_at", "ends_at", "frozen_at", "rows")
    return {
        **{name: getattr(row.reference, name) for name in (*names, "made_by", "why", "sha256")},
        "state": row.state,
        "refused": row.refused or None,
        "repeated": [
            {"rows": one.rows, "share": one.share, "left_out": one.left_out}
            | ({"example": one.example} if one.example else {})
            for one in row.repeated
        ],
        "restless": {name: list(features) for name, features in row.restless.items()},
    }
