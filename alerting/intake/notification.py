"""What Alertmanager sends: its webhook's payload (version 4) and its list of alerts (`/api/v2/alerts`).

Only a body that is no notification, or no list, at all is malformed. Each alert in it is taken by itself.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from alerting.intake.alert import TICKET_SEVERITIES, Alert, Refused, fit_labels, read

__all__ = [
    "TICKET_SEVERITIES", "WEBHOOK_PATH", "Alert", "Malformed", "Refusal", "Taken", "parse", "parse_listing", "record",
]  # fmt: skip

WEBHOOK_PATH = "/api/v1/alerts"
MAX_ALERTS = 10_000
# What is stored of a notification, to look into what came: all of a usual one, the first alerts of a large one.
MAX_RECORD = 64 << 10
ENVELOPE = ("receiver", "groupKey", "version", "externalURL")
# An alert's labels lie three levels deep, the lists in its status four.
MAX_DEPTH = 8


class Malformed(ValueError):
    """A body that is not what Alertmanager sends; the message says what is wrong, never what it holds."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An alert that was left out: its `alertname` and fingerprint, as far as they can be read, and the field at fault.

    `times` is how many there were of the same name and fault.
    """

    name: str
    fingerprint: str
    field: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Taken:
    """A body's alerts, those that were refused, and how many `label`s and `annotation`s of the others were cut."""

    alerts: tuple[Alert, ...]
    refused: tuple[Refusal, ...] = ()
    cut: Mapping[str, int] = field(default_factory=dict)
    envelope: Mapping[str, str] = field(default_factory=dict)


def parse(body: bytes) -> Taken:
    """The alerts of a webhook's body. Raises Malformed."""
    table = _load(body)
    if not isinstance(table, dict):
        raise Malformed("body: is not an object")
    entries = table.get("alerts")
    if not isinstance(entries, list):
        raise Malformed("alerts: is not a list")
    envelope = {name: value for name in ENVELOPE if isinstance(value := table.get(name), str) and value}
    taken = _take(entries[:MAX_ALERTS], is_listed=False)
    over = (Refusal("", "", "too_many", len(entries) - MAX_ALERTS),) if len(entries) > MAX_ALERTS else ()
    texts = fit_labels(envelope).texts if envelope else {}
    return Taken(taken.alerts, (*taken.refused, *over), taken.cut, texts)


def parse_listing(body: bytes) -> Taken:
    """The alerts of `/api/v2/alerts`, all of which fire. Raises Malformed."""
    entries = _load(body)
    if not isinstance(entries, list):
        raise Malformed("body: is not a list")
    return _take(entries, is_listed=True)


def record(taken: Taken) -> dict[str, object]:
    """A notification as it is stored: as it was taken, up to MAX_RECORD characters of alerts."""
    kept: list[dict[str, object]] = []
    size = 0
    for alert in taken.alerts:
        entry = {
            "fingerprint": alert.fingerprint, "firing": alert.firing, "starts_at": alert.starts_at,
            "ends_at": alert.ends_at, "labels": dict(alert.labels), "annotations": dict(alert.annotations),
        }  # fmt: skip
        size += len(json.dumps(entry))
        if size > MAX_RECORD:
            break
        kept.append(entry)
    refused = [[refusal.name, refusal.fingerprint, refusal.field, refusal.times] for refusal in taken.refused[:100]]
    return {**taken.envelope, "alerts": kept, "alerts_left_out": len(taken.alerts) - len(kept), "refused": refused}


def _take(entries: Iterable[object], *, is_listed: bool) -> Taken:
    alerts: list[Alert] = []
    refused: list[Refusal] = []
    cut, known = Counter[str](), dict[str, Mapping[str, str]]()
    for entry in entries:
        try:
            alert, cuts = read(entry, is_listed=is_listed)
            # Two alerts cannot have one fingerprint: the one that came first must not be taken for the other.
            if known.setdefault(alert.fingerprint, alert.labels) != alert.labels:
                raise Refused("fingerprint")
        except Refused as fault:
            refused.append(_refusal(entry, str(fault)))
            continue
        alerts.append(alert)
        cut.update(cuts)
    return Taken(tuple(alerts), tuple(refused), cut)


def _refusal(entry: object, fault: str) -> Refusal:
    table = entry if isinstance(entry, dict) else {}
    labels = table.get("labels")
    name = labels.get("alertname") if isinstance(labels, dict) else None
    return Refusal(_short(name), _short(table.get("fingerprint")), fault)


def _short(value: object) -> str:
    return fit_labels({"": value}).texts[""][:80] if isinstance(value, str) else ""


def _load(body: bytes) -> object:
    """JSON as lenient as the harm to the neighbours asks for: what it cannot express or goes too deep is null."""
    text = body.decode("utf-8", "replace")
    try:
        try:
            return _decode(text)
        except RecursionError:
            return _decode("".join(_shallow(text)))
    except ValueError as error:
        raise Malformed("body: is not JSON") from error


def _nothing(text: str) -> None:
    """Nothing that is read of an alert is a number, and thousands of digits would cost time, or be an error."""


def _decode(text: str) -> object:
    value: object = json.loads(text, strict=False, parse_constant=_nothing, parse_int=_nothing, parse_float=_nothing)
    return value


_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|([\[{])|([\]}])', re.DOTALL)


def _shallow(text: str) -> Iterator[str]:
    """The text with null in place of what lies deeper than MAX_DEPTH."""
    depth, begin = 0, 0
    for token in _TOKEN.finditer(text):
        if token[1]:
            depth += 1
            if depth == MAX_DEPTH + 1:
                yield text[begin : token.start()] + "null"
        elif token[2]:
            depth -= 1
            if depth == MAX_DEPTH:
                begin = token.end()
    yield text[begin:] if depth <= MAX_DEPTH else ""
