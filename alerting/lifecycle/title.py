"""A ticket's title: one line that says which model, what, which version."""

from __future__ import annotations

from collections.abc import Iterable

from telltale.evidence.alerts import TicketAlert

MAX_TITLE = 200
# In the order in which a title lists them.
CAUSES = {
    "ModelRetrainRecommended": "retraining recommended",
    "ModelDriftPersistent": "drift",
    "NegativeFeedbackHigh": "more negative feedback",
}


def title(alerts: Iterable[TicketAlert]) -> str:
    """The title for these alerts, at least one, whatever their order."""
    found = sorted(alerts, key=lambda alert: (alert.starts_at, alert.name, alert.summary))
    first, names = found[0], {alert.name for alert in found}
    causes = [cause for name, cause in CAUSES.items() if name in names]
    if causes:
        model, version = first.labels.get("model", "?"), first.labels.get("version", "?")
        return f"{model}: {', '.join(causes)} ({version})"[:MAX_TITLE]
    return (first.summary or first.name)[:MAX_TITLE]
