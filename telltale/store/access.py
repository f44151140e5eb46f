"""Access: people with roles, their sessions, API keys of services, tokens of the first start.

Only hashes of secrets are stored.
"""

from __future__ import annotations

import hashlib
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from telltale.store.schema import api_keys, first_start_tokens, people, secrets, sessions

SCOPES = ("feedback:write", "otlp:write", "export:read")
KEY_PREFIX = "tt_"
SESSION_MAX_AGE_S = 7 * 86400.0
FIRST_START_MAX_AGE_S = 86400.0


@dataclass(frozen=True, slots=True)
class Key:
    """An API key of a service; its secret is known to the service alone."""

    key_id: str
    name: str
    tenant: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    name: str
    role: str
    password_hash: str
    created_at: float
    disabled_at: float | None


def add_key(
    connection: Connection,
    *,
    name: str,
    tenant: str,
    scopes: Sequence[str],
    now: float,
    expires_at: float | None = None,
) -> str:
    """Create a key and return its secret (`tt_<id>_<random>`), which is shown once and never stored.

    Raises ValueError for a scope that does not exist.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise ValueError(f"no such scope: {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    key_id, secret = random.token_hex(4), random.token_urlsafe(32)
    full = f"{KEY_PREFIX}{key_id}_{secret}"
    connection.execute(
        api_keys.insert().values(
            key_id=key_id,
            # 256 random bits need no slow hash.
            secret_sha256=_sha256(full),
            name=name,
            tenant=tenant,
            scopes=list(scopes),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return full


def find_key(connection: Connection, secret: str, now: float) -> Key | None:
    """The key with that secret, if it is neither revoked nor expired."""
    row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id(secret))).first()
    if row is None or not random.compare_digest(row.secret_sha256, _sha256(secret)):
        return None
    key = _key(row)
    expired = key.expires_at is not None and key.expires_at <= now
    return None if key.revoked_at is not None or expired else key


def key_id(secret: str) -> str:
    """The part of a key's secret that is its public id."""
    return secret.removeprefix(KEY_PREFIX).partition("_")[0]


def keys(connection: Connection) -> list[Key]:
    return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.id))]


def revoke_key(connection: Connection, key_id: str, now: float) -> bool:
    """Revoke a key at once. Returns whether there was one to revoke."""
    statement = update(api_keys).where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
    return connection.execute(statement.values(revoked_at=now)).rowcount > 0


def add_person(connection: Connection, *, name: str, role: str, password_hash: str, now: float) -> None:
    """Add a person, which ends the first start."""
    connection.execute(delete(first_start_tokens))
    connection.execute(people.insert().values(name=name, role=role, password_hash=password_hash, created_at=now))


def open_first_start(connection: Connection, now: float) -> str | None:
    """A token with which the first administrator can be added; None when there are people already."""
    if count_people(connection):
        return None
    token = random.token_urlsafe(32)
    connection.execute(delete(first_start_tokens).where(first_start_tokens.c.expires_at <= now))
    expires_at = now + FIRST_START_MAX_AGE_S
    connection.execute(first_start_tokens.insert().values(token_sha256=_sha256(token), expires_at=expires_at))
    return token


def is_first_start(connection: Connection, token: str, now: float) -> bool:
    """Whether this token may add the first administrator."""
    valid = connection.execute(
        select(first_start_tokens.c.token_sha256).where(first_start_tokens.c.expires_at > now)
    ).scalars()
    wanted = _sha256(token)
    return any(random.compare_digest(wanted, known) for known in valid) and not count_people(connection)


def end_first_start(connection: Connection) -> bool:
    """Remove every token; whether there was one. Of several writers at once only one gets True: rows are locked."""
    return connection.execute(delete(first_start_tokens)).rowcount > 0


def find_person(connection: Connection, name: str) -> Person | None:
    row = connection.execute(select(people).where(people.c.name == name)).first()
    return None if row is None else Person(**row._asdict())


def all_people(connection: Connection) -> list[Person]:
    return [Person(**row._asdict()) for row in connection.execute(select(people).order_by(people.c.name))]


def count_people(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(people)).scalar_one()


def update_person(connection: Connection, person_id: int, **values: object) -> None:
    """Change role, password_hash or disabled_at; the person's sessions end."""
    connection.execute(update(people).where(people.c.id == person_id).values(**values))
    connection.execute(delete(sessions).where(sessions.c.person_id == person_id))


def open_session(connection: Connection, person_id: int, now: float) -> str:
    """Start a session; returns its token, which only the browser keeps."""
    token = random.token_urlsafe(32)
    connection.execute(
        sessions.insert().values(token_sha256=_sha256(token), person_id=person_id, created_at=now, used_at=now)
    )
    return token


def find_session(connection: Connection, token: str, now: float, idle: float) -> Person | None:
    """The person whose session this is; None once it idled for `idle` seconds, is a week old, or they are disabled."""
    query = (
        select(people)
        .join(sessions, sessions.c.person_id == people.c.id)
        .where(
            sessions.c.token_sha256 == _sha256(token),
            sessions.c.used_at >= now - idle,
            sessions.c.created_at >= now - SESSION_MAX_AGE_S,
            people.c.disabled_at.is_(None),
        )
    )
    row = connection.execute(query).first()
    return None if row is None else Person(**row._asdict())


def touch_session(connection: Connection, token: str, now: float) -> None:
    connection.execute(update(sessions).where(sessions.c.token_sha256 == _sha256(token)).values(used_at=now))


def close_session(connection: Connection, token: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.token_sha256 == _sha256(token)))


def secret(connection: Connection, name: str) -> bytes:
    """The installation's own random key of that name, made at its first use (call it in a write)."""
    found = connection.execute(select(secrets.c.value).where(secrets.c.name == name)).scalar()
    if found is None:
        # If several start together, the first one's key counts.
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        made = insert(secrets).values(name=name, value=random.token_bytes(32))
        connection.execute(made.on_conflict_do_nothing(index_elements=["name"]))
        found = connection.execute(select(secrets.c.value).where(secrets.c.name == name)).scalar_one()
    return bytes(found)


def _key(row: Row[tuple[object, ...]]) -> Key:
    values = row._asdict()
    del values["id"], values["secret_sha256"]
    return Key(**{**values, "scopes": tuple(values["scopes"])})


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
