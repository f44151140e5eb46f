"""What the store has of a person or a trace: calls, feedback, review items, and which exports may hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection, select

from telltale.feedback import SUBJECT_KEY, caller_hash, subject_hash
from telltale.records import ANY_TENANT, NO_TENANT
from telltale.redaction import pseudonym
from telltale.store import access, data_sets, sample_traces, tickets
from telltale.store.schema import api_keys, audit_log, feedback, labels, review_items, samples

# Databases take a bounded number of values in one statement.
VALUES = 500
EXPORTED = "data_set_exported"
# With which older versions hashed users.
OLDER_KEY = "conversation"
T = TypeVar("T")
_TICKET = re.compile(r"T-(\d{1,18})")


class Unclear(Exception):
    """A target that means the data of several tenants; the message, for people, names them."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whose data: `users` and `subject` are the hashes of one person in `tenant`, or `trace_id` names a trace.

    `tenant` is empty where a trace's only tenant is meant.
    """

    tenant: str = ""
    trace_id: str = ""
    subject: str = ""
    users: tuple[str, ...] = ()
    # The same person's, who gave feedback by the key of a service of every tenant.
    anywhere: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call to erase."""

    id: int
    trace_id: str
    model: str
    observed_at: float


@dataclass(frozen=True, slots=True)
class Export:
    """A data set that holds calls to erase, or may: an older version only told of which model it was.

    `id` is that of the store, None for one of an older version; `of` is its name and version, or the model or ticket.
    """

    at: float
    actor: str
    of: str
    sha256: str
    id: int | None = None

    @property
    def told(self) -> dict[str, object]:
        return {"at": self.at, "by": self.actor, "of": self.of, "sha256": self.sha256, "is_sure": self.id is not None}


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to erase. `repeated_in` are other traces whose calls repeat the calls' turns, and stay."""

    target: Target
    calls: tuple[Call, ...] = ()
    events: tuple[int, ...] = ()
    items: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()
    exports: tuple[Export, ...] = ()
    repeated_in: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The target, without who it is."""
        target = self.target
        of = f" of {target.tenant}" if target.tenant else ""
        return (f"trace {target.trace_id}" if target.trace_id else f"subject {target.subject[:12]}") + of

    @property
    def counts(self) -> dict[str, int]:
        """How much of each kind."""
        return {
            "calls": len(self.calls), "feedback": len(self.events), "review_items": len(self.items),
            "labels": len(self.labels),
        }  # fmt: skip

    @property
    def is_empty(self) -> bool:
        return not any(self.counts.values())


def of_subject(connection: Connection, subject: str, tenant: str | None = None) -> Target:
    """The person of that name, in that tenant or the only one that knows them. It may write: secrets are made once.

    Raises Unclear where several tenants know somebody of that name.
    """
    key, older = (access.secret(connection, name) for name in (SUBJECT_KEY, OLDER_KEY))

    def target(of: str) -> Target:
        # As older versions named users.
        users = (caller_hash(key, of, subject), pseudonym(older, f"user\0{of}\0{subject}")[:32])
        return Target(of, "", subject_hash(key, of, subject), users, subject_hash(key, ANY_TENANT, subject))

    if tenant:
        return target(tenant)
    known = [of for of in _tenants(connection) if _knows(connection, target(of))]
    if len(known) > 1:
        raise Unclear(f"{len(known)} tenants have data of somebody of that name: {', '.join(known)}; name one")
    return target(known[0] if known else NO_TENANT)


def find(connection: Connection, target: Target) -> Found:
    """What there is of it now. Raises Unclear for a trace of several tenants when none is named."""
    if target.trace_id and not target.tenant:
        target = replace(target, tenant=_only_tenant(connection, target.trace_id))
    traces = [target.trace_id] if target.trace_id else _traces_of(connection, target)
    calls = tuple(_calls(connection, traces, target.tenant))
    events, of_events = _events(connection, target, traces)
    items = tuple(_items(connection, traces, target.tenant))
    mine = labels.c.item_id
    said = [row.id for part in _parts(items) for row in connection.execute(select(labels.c.id).where(mine.in_(part)))]
    # Exports may hold feedback on calls that stay, too.
    beside = [] if target.trace_id else list(_calls(connection, of_events, target.tenant))
    exports = tuple(_exports(connection, [*calls, *beside]))
    repeated = tuple(_repeated_in(connection, calls, target.tenant))
    return Found(target, calls, tuple(events), items, tuple(said), exports, repeated)


def _tenants(connection: Connection) -> list[str]:
    found = {NO_TENANT, ANY_TENANT}
    for column in (api_keys.c.tenant, samples.c.tenant, feedback.c.tenant):
        found |= set(connection.scalars(select(column).distinct()))
    return sorted(found)


def _knows(connection: Connection, target: Target) -> bool:
    of_calls = select(samples.c.id).where(samples.c.tenant == target.tenant, samples.c.user_hash.in_(target.users))
    of_events = select(feedback.c.id).where(feedback.c.tenant == target.tenant, feedback.c.subject == target.subject)
    return any(connection.execute(query.limit(1)).first() for query in (of_calls, of_events))


def _only_tenant(connection: Connection, trace_id: str) -> str:
    of_calls = select(samples.c.tenant).where(sample_traces.of_traces([trace_id]))
    of_events = select(feedback.c.tenant).where(feedback.c.trace_id == trace_id)
    found = {tenant for query in (of_calls, of_events) for tenant in connection.scalars(query)}
    named = sorted(found - {NO_TENANT, ANY_TENANT})
    if len(named) > 1:
        raise Unclear(f"{len(named)} tenants have data under that trace: {', '.join(named)}; name one")
    return named[0] if named else NO_TENANT


def _traces_of(connection: Connection, target: Target) -> list[str]:
    mine = (samples.c.tenant == target.tenant, samples.c.user_hash.in_(target.users))
    return sorted(set(connection.scalars(select(samples.c.trace_id).where(*mine))))


def _calls(connection: Connection, traces: Iterable[str], tenant: str) -> Iterator[Call]:
    """The tenant's records of these traces' calls, of every layer: one that names no tenant tells the same.

    Where a trace names another tenant too, what names none is nobody's (`telltale.feedback.match`).
    """
    names = ("id", "trace_id", "model", "observed_at")
    columns = [samples.c[name] for name in (*names, "tenant")]
    for part in _parts(list(traces)):
        rows = connection.execute(select(*columns).where(sample_traces.of_traces(part)).order_by(samples.c.id)).all()
        others = {row.trace_id for row in rows if row.tenant not in (tenant, NO_TENANT)}
        for row in rows:
            if row.tenant == tenant or (row.tenant == NO_TENANT and row.trace_id not in others):
                yield Call(*row[: len(names)])


def _events(connection: Connection, target: Target, traces: Sequence[str]) -> tuple[list[int], list[str]]:
    """The ids of events on these traces and of the person, and the traces of the person's."""
    found: set[int] = set()
    of: set[str] = set()
    spoken = feedback.c.tenant.in_((target.tenant, NO_TENANT, ANY_TENANT))
    for part in _parts(traces):
        found |= set(connection.scalars(select(feedback.c.id).where(feedback.c.trace_id.in_(part), spoken)))
    columns = (feedback.c.id, feedback.c.trace_id)
    if target.subject:
        mine = (feedback.c.tenant == target.tenant, feedback.c.subject == target.subject)
        for number, trace in connection.execute(select(*columns).where(*mine)):
            found.add(number)
            of.add(trace)
        elsewhere = (feedback.c.tenant == ANY_TENANT, feedback.c.subject == target.anywhere)
        rows = connection.execute(select(*columns).where(*elsewhere)).all()
        # Of which tenant that person is only the call can say.
        ours = {call.trace_id for call in _calls(connection, {row.trace_id for row in rows}, target.tenant)}
        found |= {row.id for row in rows if row.trace_id in ours or target.tenant == ANY_TENANT}
        of |= ours
    return sorted(found), sorted(of)


def _items(connection: Connection, traces: Sequence[str], tenant: str) -> Iterator[int]:
    c = review_items.c
    for part in _parts(traces):
        about = c.trace_id.in_(part) | c.other_trace_id.in_(part)
        yield from connection.scalars(select(c.id).where(about, c.tenant.in_((tenant, NO_TENANT))))


def _exports(connection: Connection, calls: Sequence[Call]) -> Iterator[Export]:
    """The data sets that hold the calls; and of older versions those of a call's model, or of a ticket on it, since."""
    for one in data_sets.holding(connection, sorted({call.trace_id for call in calls})):
        yield Export(one.made_at, one.made_by, f"{one.name} {one.version}", one.sha256, one.id)
    first: dict[str, float] = {}
    for call in calls:
        first[call.model] = min(first.get(call.model, call.observed_at), call.observed_at)
    c = audit_log.c
    query = select(c.at, c.actor, c.subject, c.details).where(c.action == EXPORTED).order_by(c.id)
    for row in connection.execute(query):
        if "data_set" in row.details:
            continue
        model = row.subject
        if ticket := _TICKET.fullmatch(row.subject):
            known = tickets.get(connection, int(ticket[1]))
            model = known.model if known else None
        # Of a ticket that is gone nobody can say what model it was on.
        if model is None or (model in first and row.at >= first[model]):
            yield Export(row.at, row.actor, row.subject, str(row.details.get("sha256", "")))


def _repeated_in(connection: Connection, calls: Sequence[Call], tenant: str) -> list[str]:
    """Other traces of the same conversations, later: a call repeats what was said before."""
    c = samples.c
    mine, found = {call.trace_id for call in calls}, set()
    for part in _parts([call.id for call in calls]):
        for row in connection.execute(select(c.conversation_id, c.model, c.observed_at).where(c.id.in_(part))):
            if row.conversation_id is None:
                continue
            same = (c.model == row.model, c.observed_at >= row.observed_at, c.conversation_id == row.conversation_id)
            found |= set(connection.scalars(select(c.trace_id).where(*same, c.tenant == tenant)))
    return sorted(found - mine)


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for begin in range(0, len(values), VALUES):
        yield values[begin : begin + VALUES]
