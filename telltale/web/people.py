"""People and API keys: what `telltale user` and `telltale key` do. Each change is recorded in the audit log."""

from __future__ import annotations

from collections.abc import Sequence

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection

from telltale.store import Store, access, audit
from telltale.store.access import Key, Person
from telltale.store.review import leases

ROLES = ("viewer", "reviewer", "adjudicator", "admin")
MIN_PASSWORD = 10
MAX_NAME = 200
MAX_PASSWORD = 1000

_hasher = PasswordHasher()
# A hash that matches no password, checked for people who do not exist.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class FirstStartOver(Exception):
    """The first administrator cannot be added with this token: there is somebody already, or it is not valid."""


def add_first(store: Store, *, name: str, password: str, token: str, now: float) -> Person:
    """Add the first administrator, whose first-start token this is. Raises ValueError, FirstStartOver."""
    name, password_hash = _name(name), _hash(password)

    def change(connection: Connection) -> Person:
        if not access.is_first_start(connection, token, now) or not access.end_first_start(connection):
            raise FirstStartOver
        access.add_person(connection, name=name, role="admin", password_hash=password_hash, now=now)
        details = {"role": "admin"}
        audit.record(connection, actor="first start", action="person_added", subject=name, now=now, details=details)
        added = access.find_person(connection, name)
        assert added is not None
        return added

    return store.write(change)


def add(store: Store, *, name: str, role: str, password: str, actor: str, now: float) -> None:
    """Add a person. Raises ValueError for a name that is taken or empty, an unknown role or a short password."""
    name = _name(name)
    if role not in ROLES:
        raise ValueError(f"no such role: {role}; there are {', '.join(ROLES)}")
    password_hash = _hash(password)

    def change(connection: Connection) -> None:
        if access.find_person(connection, name) is not None:
            raise ValueError(f"there is a person {name} already")
        access.add_person(connection, name=name, role=role, password_hash=password_hash, now=now)
        audit.record(connection, actor=actor, action="person_added", subject=name, now=now, details={"role": role})

    store.write(change)


def everyone(store: Store) -> list[Person]:
    """All people, by name."""
    with store.read() as connection:
        return access.all_people(connection)


def disable(store: Store, *, name: str, actor: str, now: float) -> None:
    """Disable a person and end their sessions. Raises LookupError when there is none of that name."""
    _update(store, name, {"disabled_at": now}, "person_disabled", actor, now)


def set_password(store: Store, *, name: str, password: str, actor: str, now: float) -> None:
    """Change a password; the person is enabled and their sessions end. Raises LookupError, ValueError."""
    values: dict[str, object] = {"password_hash": _hash(password), "disabled_at": None}
    _update(store, name, values, "password_changed", actor, now)


def set_role(store: Store, *, name: str, role: str, actor: str, now: float) -> None:
    """Change a role; the person's sessions end. Raises LookupError, ValueError."""
    if role not in ROLES:
        raise ValueError(f"no such role: {role}; there are {', '.join(ROLES)}")
    _update(store, name, {"role": role}, "role_changed", actor, now, {"role": role})


def add_key(
    store: Store, *, name: str, tenant: str, scopes: Sequence[str], actor: str, now: float, days: float | None = None
) -> str:
    """Create an API key; returns its secret, which is shown this once. Raises ValueError for a scope we do not know."""
    if not name.strip() or not tenant.strip():
        raise ValueError("a key needs a name and a tenant")
    if not scopes:
        raise ValueError(f"a key needs a scope: {', '.join(access.SCOPES)}")
    expires_at = None if days is None else now + days * 86400

    def change(connection: Connection) -> str:
        secret = access.add_key(connection, name=name, tenant=tenant, scopes=scopes, now=now, expires_at=expires_at)
        details = {"name": name, "tenant": tenant, "scopes": list(scopes)}
        key_id = secret.split("_")[1]
        audit.record(connection, actor=actor, action="key_added", subject=key_id, now=now, details=details)
        return secret

    return store.write(change)


def keys(store: Store) -> list[Key]:
    """All API keys, oldest first."""
    with store.read() as connection:
        return access.keys(connection)


def revoke_key(store: Store, *, key_id: str, actor: str, now: float) -> None:
    """Revoke a key at once. Raises LookupError when no usable key has this id."""

    def change(connection: Connection) -> None:
        if not access.revoke_key(connection, key_id, now):
            raise LookupError(f"there is no key {key_id} to revoke")
        audit.record(connection, actor=actor, action="key_revoked", subject=key_id, now=now)

    store.write(change)


def verify(password_hash: str, password: str) -> bool:
    """Whether the password is right; takes some 50 ms and 64 MiB on purpose."""
    try:
        return _hasher.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"a name has 1 to {MAX_NAME} printable characters")
    return name


def _hash(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise ValueError(f"a password has at least {MIN_PASSWORD} characters")
    return _hasher.hash(password)


def _update(
    store: Store,
    name: str,
    values: dict[str, object],
    action: str,
    actor: str,
    now: float,
    details: dict[str, object] | None = None,
) -> None:
    def change(connection: Connection) -> None:
        person = access.find_person(connection, name)
        if person is None:
            raise LookupError(f"there is no person {name}")
        access.update_person(connection, person.id, **values)
        if values.get("disabled_at"):
            # What they had to review goes to others.
            leases.release(connection, name)
        audit.record(connection, actor=actor, action=action, subject=name, now=now, details=details or {})

    store.write(change)
