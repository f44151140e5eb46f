"""Whose a span or a log record is, and whether two may be of one tenant.

Ids are no secret: `traceparent` hands them to whoever is called. So they find nothing of another tenant. A key proves
its tenant. Without a key attributes claim one, and may do so on one of a call's spans only: there, what names no tenant
may belong to what names one, and two different names never. What came under a key and what came without never belong
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from mypy_extensions import i64

from telltale.records import NO_TENANT

T = TypeVar("T")


class SpanKey(NamedTuple):
    """A span, and whose it is: `by_key` says whether a key proves the tenant."""

    tenant: str
    by_key: bool
    trace_id: bytes
    span_id: bytes

    @property
    def shared(self) -> SpanKey:
        """The same for all of whom one may be the other."""
        return self if self.by_key else SpanKey(NO_TENANT, False, self.trace_id, self.span_id)


def key_mark(tenant: str | None) -> i64:
    """A hash of the tenant of a key, other than 0; 0 without a key."""
    if not tenant:
        return 0
    mark: i64 = hash(tenant)
    return 1 if mark == 0 else mark


def may_be_one(tenant: str, by_key: bool, other: str, other_by_key: bool) -> bool:
    """Whether what one tenant sent and what the other sent may be about one call."""
    return by_key == other_by_key and (tenant == other or (not by_key and NO_TENANT in (tenant, other)))


def place(known: Mapping[SpanKey, T], span: SpanKey, tenant_of: Callable[[T], str]) -> SpanKey:
    """Where what belongs to that span is, or is to be put.

    It is in the shared place, except where that is another tenant's.
    """
    if span.by_key or span in known:
        return span
    shared = span.shared
    there = known.get(shared)
    return shared if there is None or may_be_one(tenant_of(there), False, span.tenant, False) else span
