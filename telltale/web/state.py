"""What one running web application holds: settings, store, clock, templates, counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jinja2 import Environment
from prometheus_client import CollectorRegistry, Counter
from starlette.requests import HTTPConnection

from telltale.auth import ApiKeys
from telltale.settings import Settings
from telltale.store import Store, access
from telltale.web.limits import Buckets, Seen

if TYPE_CHECKING:
    from telltale.web.pages import Nav


@dataclass(frozen=True, slots=True)
class State:
    """`clock` gives Unix seconds. `facts` and `secrets` remember what the store said and cannot change."""

    settings: Settings
    store: Store
    clock: Callable[[], float]
    templates: Environment
    registry: CollectorRegistry
    requests: Counter
    feedback_events: Counter
    nav: tuple[Nav, ...]
    key_rate: Buckets
    name_rate: Buckets
    client_rate: Buckets
    vote_rate: Buckets
    sessions_seen: Seen
    api_keys: ApiKeys
    facts: dict[str, bool] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)

    def secret(self, name: str) -> bytes:
        """The installation's own key of that name, read from the store once. Raises StoreUnavailable."""
        if name not in self.secrets:
            self.secrets[name] = self.store.write(lambda connection: access.secret(connection, name))
        return self.secrets[name]

    @property
    def secure(self) -> bool:
        """Whether people reach us by https, so that cookies may be bound to it."""
        return self.settings.web_url.startswith("https://")


def state(connection: HTTPConnection) -> State:
    """The state of the application that serves this request."""
    found: State = connection.app.state.telltale
    return found
