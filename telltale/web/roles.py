"""Roles, and who a request comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from telltale.records import NO_TENANT

Role = Literal["submitter", "viewer", "reviewer", "adjudicator", "admin"]
ROLES: tuple[Role, ...] = ("submitter", "viewer", "reviewer", "adjudicator", "admin")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request. `via` is how we know; `tenant`, `scopes` and `key_id` are those of an API key."""

    name: str
    role: str
    via: Literal["session", "key"]
    tenant: str = NO_TENANT
    scopes: tuple[str, ...] = ()
    key_id: str | None = None

    def allows(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)
