"""What Alertmanager sends: its webhook's payload (version 4) and its list of alerts (`/api/v2/alerts`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

WEBHOOK_PATH = "/api/v1/alerts"
TICKET_SEVERITIES = ("page", "ticket")
MAX_ALERTS = 10_000
# What distinguishes one cause from another. Never an alert's fingerprint, group key or start: they change when a
# process or Prometheus restarts, or a route is edited.
IDENTITY = {"retrain": ("cluster", "model", "version")}
OTHER_IDENTITY = (
    *("alertname", "cluster", "job", "instance", "gpu", "uuid", "xid"),
    *("model", "version", "layer", "tenant", "monitor", "reason", "integration", "rule_group"),
)
DEFAULT_LANE = "ops"

# PostgreSQL's texts hold no NUL.
_Text = Annotated[str, StringConstraints(max_length=8192, pattern=r"^[^\x00]*$")]


class Malformed(ValueError):
    """A payload that is not what Alertmanager sends; the message names the field, never its value."""


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
        return self.labels.get("lane") or DEFAULT_LANE

    @property
    def deserves_ticket(self) -> bool:
        return self.labels.get("severity") in TICKET_SEVERITIES and self.lane != "none"

    @property
    def key(self) -> str:
        """The identity of the ticket that this alert belongs to."""
        chosen = {name: self.labels.get(name, "") for name in IDENTITY.get(self.lane, OTHER_IDENTITY)}
        return hashlib.sha256(json.dumps([self.lane, chosen], sort_keys=True).encode()).hexdigest()


class _Alert(BaseModel):
    labels: dict[_Text, _Text]
    annotations: dict[_Text, _Text] = {}
    startsAt: AwareDatetime
    endsAt: AwareDatetime
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{1,64}$")]


class _Notified(_Alert):
    status: Literal["firing", "resolved"]


class _Payload(BaseModel):
    version: Literal["4"]
    receiver: str
    alerts: Annotated[list[_Notified], Field(max_length=MAX_ALERTS)]
    truncatedAlerts: Annotated[int, Field(ge=0)] = 0


class _Status(BaseModel):
    silencedBy: list[str] = []
    inhibitedBy: list[str] = []
    # Since Alertmanager 0.28: outside of its route's hours.
    mutedBy: list[str] = []

    @property
    def is_muted(self) -> bool:
        return bool(self.silencedBy or self.inhibitedBy or self.mutedBy)


class _Listed(_Alert):
    status: _Status


_LISTING = TypeAdapter(list[_Listed])


def parse(body: bytes) -> tuple[Alert, ...]:
    """The alerts of a webhook's body. Raises Malformed."""
    try:
        payload = _Payload.model_validate_json(body)
    except ValidationError as error:
        raise Malformed(_explain(error)) from error
    return tuple(_alert(entry, entry.status == "firing") for entry in payload.alerts)


def document(body: bytes) -> dict[str, object]:
    """A webhook's body as it is stored. Raises Malformed for what JSON cannot express, such as NaN."""
    try:
        table = json.loads(body)
        json.dumps(table, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise Malformed("body: is not JSON") from error
    if not isinstance(table, dict):
        raise Malformed("body: is not an object")
    return table


def parse_listing(body: bytes) -> tuple[Alert, ...]:
    """The alerts of `/api/v2/alerts`, all of which fire. Raises Malformed."""
    try:
        listing = _LISTING.validate_json(body)
    except ValidationError as error:
        raise Malformed(_explain(error)) from error
    return tuple(_alert(entry, True, entry.status.is_muted) for entry in listing)


def _alert(entry: _Alert, firing: bool, muted: bool = False) -> Alert:
    return Alert(
        fingerprint=entry.fingerprint.lower(),
        firing=firing,
        labels=entry.labels,
        annotations=entry.annotations,
        starts_at=_seconds(entry.startsAt),
        ends_at=None if firing else _seconds(entry.endsAt),
        muted=muted,
    )


def _seconds(time: datetime) -> float:
    # The webhook writes nanoseconds, the listing milliseconds: the same start must be the same number.
    return time.replace(microsecond=time.microsecond // 1000 * 1000).timestamp()


def _explain(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}"
