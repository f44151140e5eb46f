"""Whom a ticket's trouble hits: tenants, users and the share of the model's calls, estimated from the calls kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from alerting.report.series import of_model
from telltale.evidence.alerts import TicketAlert
from telltale.records import Series, Ticket
from telltale.store import calls
from telltale.store.calls import Call
from telltale.store.traffic import OTHER

MAX_CALLS: Final = 20_000
OF_CALL: Final = ("tenant", "version", "layer")
"""Labels of alerts that say of which calls they speak, besides those of a segment."""

Part = Mapping[str, str]
"""Calls that have these values of attributes; an empty one is all of a model's."""


@dataclass(frozen=True, slots=True)
class Impact:
    """Calls of one layer in a span of time. `hit` of `calls` are in the ticket's part of the traffic, both estimated.

    `tenants` are those with calls that are hit, those with most first, of `all_tenants`. `users` are those seen among
    the calls kept, so there are no fewer; None where calls name no users. `failed` is the share of the hit calls that
    ended in an error. `rows` were kept; unless `complete` there were more, and these are the newest.
    """

    since: float
    until: float
    layer: str
    calls: float
    hit: float
    tenants: tuple[str, ...]
    all_tenants: int
    users: int | None
    failed: float
    rows: int
    complete: bool

    @property
    def share(self) -> float:
        return self.hit / self.calls


def load(connection: Connection, ticket: Ticket, since: float, until: float) -> Impact | None:
    """The impact in that span; None where no alert names a model or no calls were kept."""
    parts = parts_of(of_model(ticket), ticket.version)
    if not ticket.model or parts is None:
        return None
    names = sorted({name for part in parts for name in part if name not in OF_CALL})
    found = calls.newest(connection, ticket.model, since, until, names, MAX_CALLS)
    return estimate(found, names, parts, since, until, complete=len(found) < MAX_CALLS)


def parts_of(alerts: Collection[TicketAlert], version: str) -> list[Part] | None:
    """The parts of a model's traffic that alerts speak of; None where one is what has no series of its own.

    That part is known to the monitors alone, so nobody can count it here.
    """
    parts = [_part(alert, version) for alert in alerts]
    if any(OTHER in part.values() for part in parts):
        return None
    return list({tuple(sorted(part.items())): part for part in parts}.values()) or [{}]


def estimate(
    found: Sequence[Call], names: Sequence[str], parts: Sequence[Part], since: float, until: float, complete: bool
) -> Impact | None:
    """The impact on these calls; `names` are those of their attributes. None when there are none."""
    # One request is often seen at several layers, and they never add.
    weights = _added_up((call.layer, call.weight) for call in found)
    wanted = {part["layer"] for part in parts if "layer" in part}
    layers = sorted(weights, key=lambda layer: (layer not in wanted, -weights[layer], layer))
    if not layers:
        return None
    seen = [call for call in found if call.layer == layers[0]]
    hit = [call for call in seen if any(_is_in(call, names, part) for part in parts)]
    by_tenant = _added_up((call.tenant, call.weight) for call in hit)
    hit_calls = sum(call.weight for call in hit)
    failed = sum(call.weight for call in hit if call.status == "error")
    return Impact(
        since=since if complete else seen[0].observed_at,
        until=until,
        layer=layers[0],
        calls=sum(call.weight for call in seen),
        hit=hit_calls,
        tenants=tuple(sorted(by_tenant, key=lambda tenant: (-by_tenant[tenant], tenant))),
        all_tenants=len({call.tenant for call in seen}),
        users=len({call.user for call in hit} - {None}) if any(call.user for call in hit) else None,
        failed=failed / hit_calls if hit_calls else 0.0,
        rows=len(seen),
        complete=complete,
    )


def _part(alert: TicketAlert, version: str) -> Part:
    labels = alert.labels
    segment = Series("", "", "", labels.get("segment", "")).attributes
    known = {"version": version} | {name: labels[name] for name in OF_CALL if labels.get(name)}
    return segment | {name: value for name, value in known.items() if value}


def _added_up(weighted: Iterable[tuple[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for name, weight in weighted:
        total[name] = total.get(name, 0.0) + weight
    return total


def _is_in(call: Call, names: Sequence[str], part: Part) -> bool:
    have = dict(zip(names, call.values, strict=True)) | {
        "tenant": call.tenant, "version": call.version, "layer": call.layer,
    }  # fmt: skip
    return all(have.get(name) == value for name, value in part.items())
