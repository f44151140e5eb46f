"""What was new about a model's calls when the trouble began: versions of the model, of prompts, of agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from telltale.store import calls
from telltale.store.calls import Call

BEFORE_S: Final = 24 * 3600.0
AFTER_S: Final = 3600.0
MAX_CALLS: Final = 20_000
MAX_SHOWN: Final = 5
_NAMES: Final = ("prompt_name", "prompt_version", "agent_name", "agent_version")


@dataclass(frozen=True, slots=True)
class Deploy:
    """What was seen first at `at`: `what` is "version", "prompt" or "agent"."""

    what: str
    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Deploys:
    """What was new among `rows` calls kept from `since` on; with no rows nobody knows."""

    found: tuple[Deploy, ...]
    since: float
    rows: int


def load(connection: Connection, model: str, since: float) -> Deploys:
    """What was new within a day before the trouble began, and an hour after."""
    found = calls.newest(connection, model, since - BEFORE_S, since + AFTER_S, _NAMES, MAX_CALLS) if model else []
    new = first_seen(found, since, model)
    return Deploys(new, found[0].observed_at if found else since - BEFORE_S, len(found))


def first_seen(found: Sequence[Call], since: float, model: str = "") -> tuple[Deploy, ...]:
    """What these calls, oldest first, have that earlier ones had not, the nearest to `since` first.

    A call whose version is the name of its model tells none: it failed, and nothing served it.
    """
    seen: dict[tuple[str, str], float] = {}
    begun: dict[str, str] = {}
    for call in found:
        for what, name in _versions(call):
            if name == model:
                continue
            begun.setdefault(what, name)
            seen.setdefault((what, name), call.observed_at)
    # What the first call has may have been there for long.
    new = [Deploy(what, name, at) for (what, name), at in seen.items() if begun[what] != name]
    return tuple(sorted(new, key=lambda deploy: (abs(deploy.at - since), deploy.what, deploy.name))[:MAX_SHOWN])


def _versions(call: Call) -> list[tuple[str, str]]:
    prompt_name, prompt_version, agent_name, agent_version = call.values
    named = (
        ("version", call.version),
        ("prompt", " ".join(filter(None, (prompt_name, prompt_version))) if prompt_version else ""),
        ("agent", " ".join(filter(None, (agent_name, agent_version))) if agent_version else ""),
    )
    return [(what, name) for what, name in named if name]
