"""One alert, taken by itself: what is too long in it is cut, one that cannot be used is refused, others never suffer.

The webhook and Alertmanager's list write alerts almost alike: labels, annotations, times, a fingerprint, a status.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast

from alerting.intake import identity

TICKET_SEVERITIES = ("page", "ticket")

MAX_LABELS = 64
MAX_NAME = 128
MAX_VALUE = 512
# A ticket keeps these annotations, in characters; a PromQL expression or an address is no use when it is cut.
MAX_ANNOTATION: Mapping[str, int] = {"summary": 500, "description": 2000, "signal": 4000, "dashboard_url": 4000}
PROSE = frozenset(("summary", "description"))
CUT = "… (cut)"
# Times outside of these years are faults of a clock or of a sender.
FIRST_TIME, LAST_TIME = 0.0, 4102444800.0

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL's texts hold neither NUL nor half a character
_FINGERPRINT = re.compile(r"[0-9a-fA-F]{1,64}")


class Refused(ValueError):
    """An alert that cannot be used. The message is the field at fault, never its value."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as Alertmanager last knew it. `starts_at` and `ends_at` are Unix seconds, whole milliseconds."""

    fingerprint: str
    firing: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float | None = None
    muted: bool = False
    """Silenced, inhibited or outside of its hours: it still fires, but must not open anything."""

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")

    @property
    def lane(self) -> str:
        return identity.lane(self.labels)

    @property
    def deserves_ticket(self) -> bool:
        return self.labels.get("severity") in TICKET_SEVERITIES and self.lane != "none"

    @property
    def key(self) -> str:
        """The identity of the ticket that this alert belongs to."""
        return identity.key(self.labels)


class Fitted(NamedTuple):
    """Labels or annotations as a ticket can keep them, and how many of them were cut or left out."""

    texts: dict[str, str]
    cut: int


def fit_labels(given: object) -> Fitted:
    """Labels cut to what a ticket keeps; the same ones always alike, others never. Raises Refused."""
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise Refused("labels")
    labels = cast(dict[str, str], given)
    names = labels if len(labels) <= MAX_LABELS else _most_useful(labels)
    texts = {_fit(name, MAX_NAME): _fit(labels[name], MAX_VALUE) for name in names}
    unchanged = sum(texts.get(name) == value for name, value in labels.items())
    return Fitted(texts, len(labels) - unchanged)


def fit_annotations(given: object) -> Fitted:
    """The annotations that a ticket keeps; whatever is wrong with one costs no more than itself."""
    if not isinstance(given, dict):
        return Fitted({}, 0 if given is None else 1)
    texts, cut = {}, 0
    for name, limit in MAX_ANNOTATION.items():
        value = given.get(name)
        if value is None:
            continue
        text = _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else ""
        if len(text) > limit:
            text = text[: limit - len(CUT)] + CUT if name in PROSE else ""
        cut += text != value
        texts[name] = text
    return Fitted(texts, cut)


def read(entry: object, *, is_listed: bool) -> tuple[Alert, Mapping[str, int]]:
    """One entry of a notification, or of Alertmanager's list, whose alerts all fire. Raises Refused.

    Returns the alert, and how many of its labels and annotations were cut.
    """
    if not isinstance(entry, dict):
        raise Refused("alert")
    labels, annotations = fit_labels(entry.get("labels")), fit_annotations(entry.get("annotations"))
    fingerprint, status = entry.get("fingerprint"), entry.get("status")
    if not labels.texts:
        raise Refused("labels")
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        raise Refused("fingerprint")
    firing = is_listed or _fires(status)
    alert = Alert(
        fingerprint=fingerprint.lower(),
        firing=firing,
        labels=labels.texts,
        annotations=annotations.texts,
        starts_at=_seconds(entry, "startsAt"),
        # Of a firing alert it is year 1, or when Alertmanager would give up on it.
        ends_at=None if firing else _seconds(entry, "endsAt"),
        muted=is_listed and _is_muted(status),
    )
    return alert, {"label": labels.cut, "annotation": annotations.cut}


def _fires(status: object) -> bool:
    if status not in ("firing", "resolved"):
        raise Refused("status")
    return status == "firing"


def _is_muted(status: object) -> bool:
    """By a silence, another alert, or (since Alertmanager 0.28) its route's hours."""
    if not isinstance(status, dict):
        raise Refused("status")
    return any(status.get(by) for by in ("silencedBy", "inhibitedBy", "mutedBy"))


def _seconds(entry: Mapping[str, object], field: str) -> float:
    value = entry.get(field)
    try:
        time = datetime.fromisoformat(value if isinstance(value, str) else "")
        if time.tzinfo is None:
            raise Refused(field)
        # The webhook writes nanoseconds, the listing milliseconds: the same start must be the same number.
        seconds = time.replace(microsecond=time.microsecond // 1000 * 1000).timestamp()
    except (ValueError, OverflowError) as error:
        raise Refused(field) from error
    if not FIRST_TIME <= seconds < LAST_TIME:
        raise Refused(field)
    return seconds


def _fit(text: str, limit: int) -> str:
    """The text itself, or as much of it as fits and a digest of the whole, so that others stay others."""
    storable = _UNSTORABLE.sub("\ufffd", text)
    if storable == text and len(text) <= limit:
        return text
    mark = "…#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return storable[: limit - len(mark)] + mark


def _most_useful(labels: Mapping[str, str]) -> list[str]:
    """Those on which decisions rest, then the first by name."""
    needed = identity.CHOSEN.union(identity.declared(labels))
    return sorted(labels, key=lambda name: (name not in needed, name))[:MAX_LABELS]
