"""What one running web application uses: settings, store, clock, templates, counters."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from jinja2 import Environment
from prometheus_client import Counter
from starlette.requests import HTTPConnection

from telltale.auth import ApiKeys
from telltale.metrics import Metrics
from telltale.settings import Settings
from telltale.store import Store, access
from telltale.store.review.audits import Recent
from telltale.web.limits import Buckets, Seen
from telltale.web.nav import Nav
from telltale.web.refusals import Refusals
from telltale.web.roles import Principal
from telltale.web.throttle import Throttle

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class State:
    """`clock` returns Unix seconds. `facts` and `secrets` cache what the store returned and cannot change.

    `refusals` counts what the audit log keeps of refused attempts, by action.

    `looked_up` has the look-ups of API keys that are on their way, by what was sent.

    `parts` has what each part keeps, by its class (see `Router.make_state`), `audits` what reviewers found lately.
    """

    settings: Settings
    store: Store
    clock: Callable[[], float]
    templates: Environment
    metrics: Metrics
    requests: Counter
    nav: tuple[Nav, ...]
    key_rate: Buckets
    sign_ins: Throttle
    first_starts: Buckets
    refusals: Mapping[str, Refusals]
    sessions_seen: Seen
    api_keys: ApiKeys
    facts: dict[str, bool] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)
    looked_up: dict[str, Future[Principal | None]] = field(default_factory=dict)
    parts: dict[type, object] = field(default_factory=dict)
    audits: Recent = field(default_factory=Recent)

    def part(self, kind: type[T]) -> T:
        """The state that a part's router made as a `kind`. Raises KeyError if the part is not mounted."""
        found = self.parts[kind]
        assert isinstance(found, kind)
        return found

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
