"""People and keys: what the commands do, and that each change is audited."""

from __future__ import annotations

import pytest

from telltale.store import Store, access, audit
from telltale.web import people

NOW = 1_700_000_000.0
PASSWORD = "correct horse battery"


def add(store: Store, name: str = "mina", role: str = "viewer", password: str = PASSWORD) -> None:
    people.add(store, name=name, role=role, password=password, actor="root", now=NOW)


def test_a_person_is_added_changed_and_disabled(store: Store) -> None:
    add(store)
    people.set_role(store, name="mina", role="admin", actor="root", now=NOW)
    people.set_password(store, name="mina", password="another long one", actor="root", now=NOW)
    (person,) = people.everyone(store)
    assert person.role == "admin"
    assert people.verify(person.password_hash, "another long one")
    assert not people.verify(person.password_hash, PASSWORD)

    people.disable(store, name="mina", actor="root", now=NOW)
    assert people.everyone(store)[0].disabled_at == NOW
    with store.read() as connection:
        assert [entry.action for entry in reversed(audit.entries(connection))] == [
            "person_added",
            "role_changed",
            "password_changed",
            "person_disabled",
        ]
        assert audit.verify(connection) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": " "}, "1 to 200"),
        ({"name": "a\nb"}, "printable"),
        ({"role": "god"}, "no such role"),
        ({"role": "submitter"}, "no such role"),
        ({"password": "short"}, "at least 10"),
        ({"name": "taken"}, "already"),
    ],
)
def test_invalid_input_is_refused_and_not_audited(store: Store, fields: dict[str, str], message: str) -> None:
    add(store, "taken")

    with pytest.raises(ValueError, match=message):
        add(store, **fields)
    with store.read() as connection:
        assert len(audit.entries(connection)) == 1


def test_an_unknown_name_is_reported(store: Store) -> None:
    for change in (people.disable, people.set_password, people.set_role):
        extra = {people.set_password: {"password": PASSWORD}, people.set_role: {"role": "admin"}}.get(change, {})
        with pytest.raises(LookupError, match="no person mina"):
            change(store, name="mina", actor="root", now=NOW, **extra)  # type: ignore[operator]  # three signatures


def test_a_key_is_shown_once_expires_and_is_revoked(store: Store) -> None:
    secret = people.add_key(store, name="app", tenant="shop", scopes=["feedback:write"], actor="root", now=NOW, days=1)
    (key,) = people.keys(store)
    assert secret.startswith(f"tt_{key.key_id}_")
    assert len(secret) >= 44
    with store.read() as connection:
        assert access.find_key(connection, secret, NOW + 1) == key
        assert access.find_key(connection, secret[:-1], NOW + 1) is None
        assert access.find_key(connection, secret, NOW + 86401) is None

    people.revoke_key(store, key_id=key.key_id, actor="root", now=NOW)
    with store.read() as connection:
        assert access.find_key(connection, secret, NOW + 1) is None
        assert [entry.action for entry in audit.entries(connection)] == ["key_revoked", "key_added"]
        assert secret not in str(audit.entries(connection))
    with pytest.raises(LookupError, match="no key"):
        people.revoke_key(store, key_id=key.key_id, actor="root", now=NOW)


@pytest.mark.parametrize("fields", [{"name": " "}, {"tenant": ""}, {"scopes": []}, {"scopes": ["everything"]}])
def test_a_key_that_could_do_nothing_or_anything_is_refused(store: Store, fields: dict[str, object]) -> None:
    values = {"name": "app", "tenant": "shop", "scopes": ["feedback:write"]} | fields
    with pytest.raises(ValueError, match=r"a key needs|no such scope"):
        people.add_key(store, actor="root", now=NOW, **values)  # type: ignore[arg-type]  # one of them is wrong
    assert people.keys(store) == []


def test_a_changed_audit_entry_shows(store: Store) -> None:
    from telltale.store.schema import audit_log

    for name in ("a", "b", "c"):
        add(store, name)
    store.write(lambda connection: connection.execute(audit_log.update().where(audit_log.c.id == 2).values(actor="x")))

    with store.read() as connection:
        assert audit.verify(connection) == 2
