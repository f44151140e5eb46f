"""A ticket's title: one line that says which model, what, which version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MAX_TITLE = 200
# In the order in which they are told.
WORDS = {
    "ModelRetrainRecommended": "retraining recommended",
    "ModelDriftPersistent": "drift",
    "NegativeFeedbackHigh": "more negative feedback",
}


def title(entries: Iterable[Mapping[str, object]]) -> str:
    """The title for these alerts, whatever their order."""
    found = sorted(entries, key=lambda entry: (entry["starts_at"], entry["name"], entry["summary"]))
    names = {entry["name"] for entry in found}
    what = [word for name, word in WORDS.items() if name in names]
    labels = found[0]["labels"]
    if what and isinstance(labels, Mapping):
        return f"{labels.get('model', '?')}: {', '.join(what)} ({labels.get('version', '?')})"[:MAX_TITLE]
    return str(found[0]["summary"] or found[0]["name"])[:MAX_TITLE]
