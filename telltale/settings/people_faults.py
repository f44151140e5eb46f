"""How `[[receivers]]` and `[[teams]]` fit together: what each kind needs and has no use for, who is named. Pure.

No line holds an address: those of chat services are secrets as a whole.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from telltale.settings.people import Receiver, ReceiverKind, Team
    from telltale.settings.table import Settings

RESERVED = ("none", "tickets")
"""Receivers of our own configuration."""


class Fields(NamedTuple):
    """Of one kind: the settings without which it cannot send, and those that it may have besides."""

    needed: tuple[str, ...]
    more: tuple[str, ...] = ()


KINDS: dict[ReceiverKind, Fields] = {
    "slack": Fields(("url_file",), ("channel",)),
    "msteams": Fields(("url_file",)),
    "msteamsv2": Fields(("url_file",)),
    "email": Fields(("to", "sender", "smarthost"), ("username", "password_file", "require_tls")),
    "pagerduty": Fields(("key_file",), ("url",)),
    "opsgenie": Fields(("key_file",), ("url",)),
    "webhook": Fields((), ("url", "url_file", "token_file", "deadman")),
}
_COMMON = {"name", "kind", "severities", "lanes", "models", "tenants", "mute", "resolved"}
_PAIRS = (("username", "password_file"), ("password_file", "username"))


def faults(settings: Settings) -> Iterator[str]:
    """One line for each fault, with place, value and mend."""
    for receiver in settings.receivers:
        where = f"receivers: {receiver.name}"
        yield from (f"{where}: {why}" for why in _receiver(receiver, bool(settings.alertmanager.fragment_file)))
    yield from _named_twice("receivers", (receiver.name for receiver in settings.receivers))
    yield from _teams(settings)


def _receiver(receiver: Receiver, has_fragment: bool) -> Iterator[str]:
    fields = KINDS[receiver.kind]
    if receiver.name in RESERVED:
        yield "that name is taken by Telltale itself; choose another"
    for name in fields.needed:
        if not getattr(receiver, name):
            yield f"kind {receiver.kind} needs {name}; {_mend(name)}"
    for name in sorted(receiver.model_fields_set - _COMMON - {*fields.needed, *fields.more}):
        yield f"kind {receiver.kind} has no use for {name}; {_use(receiver.kind, name)}"
    if receiver.kind == "webhook" and bool(receiver.url) == bool(receiver.url_file):
        yield "kind webhook needs either url or, for an address that is a secret, url_file, and not both"
    for name, other in _PAIRS:
        if getattr(receiver, name) and not getattr(receiver, other) and receiver.kind == "email":
            yield f"{name} without {other}; {_mend(other)}"
    if receiver.deadman and receiver.model_fields_set & {"severities", "lanes", "models", "tenants", "mute"}:
        yield "deadman = true gets the Watchdog alert alone; leave severities, lanes, models, tenants and mute out"
    if receiver.mute and not has_fragment:
        yield f"mute = {list(receiver.mute)}: no alertmanager.fragment_file defines such time_intervals; name one"


def _mend(name: str) -> str:
    if name.endswith("_file"):
        return f"write the secret into a file that only this user reads, and name the file in {name}"
    return f"set {name}"


def _use(kind: ReceiverKind, name: str) -> str:
    if name == "url" and "url_file" in KINDS[kind].needed:
        return "that address is a secret: write it into a file and name the file in url_file"
    fields = KINDS[kind]
    return f"leave it out (it uses {', '.join((*fields.needed, *fields.more))})"


def _teams(settings: Settings) -> Iterator[str]:
    yield from _named_twice("teams", (team.name for team in settings.teams))
    receivers = {receiver.name: receiver for receiver in settings.receivers}
    for team in settings.teams:
        for name in team.receivers:
            where = f"teams: {team.name}: receivers = {name}"
            if name not in receivers:
                yield f"{where}: no [[receivers]] has that name; {_meant(name, receivers)}"
            elif receivers[name].deadman:
                yield f"{where}: it gets the Watchdog alert alone; leave it out"
    for first, later in zip(settings.teams, settings.teams[1:], strict=False):
        if not _has_patterns(first):
            yield f"teams: {first.name}: without patterns it owns all that is left before {later.name}; put it last"


def _has_patterns(team: Team) -> bool:
    return bool(team.models or team.tenants or team.lanes or team.components)


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else "add it, or leave it out"


def _named_twice(table: str, names: Iterable[str]) -> Iterator[str]:
    for name, number in Counter(names).items():
        if number > 1:
            yield f"{table}: {name} is there {number} times; give each its own name"
