"""Does a receiver get what it is sent? One test alert through the Alertmanager that runs, and what its counters say.

Alertmanager counts by integration, not by receiver, and gives a failure's reason only in its log, from 0.26 on also its
kind in a counter; so what stands in the way is looked for from here as well.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from alerting.config import needs
from alerting.config.routes import TEST_ALERT, TEST_RECEIVER
from telltale.exits import UsageError
from telltale.serving.listen import parse_address
from telltale.settings import Receiver, Settings

TIMEOUT_S = 10.0
# Alertmanager tries for ten seconds, the interval of a test's group.
PATIENCE_S = 20.0
LASTS_S = 60.0
BEGINS_WITHIN_S = 2.0
_SERIES = re.compile(r"^(alertmanager_notification\w+_total)\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Unreachable(Exception):
    """Alertmanager gave no usable response; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the test was delivered, and a sentence on how that is known or what stands in the way."""

    delivered: bool
    text: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Of an integration since the start: messages begun, and given up by reason; requests sent, and failed."""

    begun: int
    given_up: Counter[str]
    sent: int
    failed: int

    @property
    def open(self) -> int:
        """Messages begun of which nothing is known yet; those that had nothing to say are among them for ever."""
        return self.begun - self.given_up.total() - (self.sent - self.failed)


def version(settings: Settings) -> needs.Version | None:
    """The version of the Alertmanager that runs; None where it names none. Raises Unreachable."""
    return needs.parse(str((_status(settings).get("versionInfo") or {}).get("version", "")))


def send_test(settings: Settings, receiver: str, patience_s: float = PATIENCE_S) -> Verdict:
    """Send one message to the receiver, and wait for what becomes of it.

    Raises Unreachable, and UsageError where the Alertmanager that runs knows no such receiver.
    """
    integrations = _integrations(settings, receiver)
    before = _at_rest(settings, receiver, integrations)
    labels = _fire(settings, receiver)
    fired = time.monotonic()
    while True:
        time.sleep(0.2)
        waited = time.monotonic() - fired
        page = _get(settings, "/metrics").text
        told = {name: _outcome(before[name], counts(page, name, receiver), many) for name, many in integrations.items()}
        # Those of others may be the first that are seen.
        if waited > patience_s or (waited > BEGINS_WITHIN_S and all(one.is_final for one in told.values())):
            return _summed_up(settings, receiver, labels, told)


def counts(page: str, integration: str, receiver: str) -> Counts:
    """What Alertmanager's page of metrics says of an integration; of this receiver alone where it tells them apart."""
    totals: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for name, labels, value in _SERIES.findall(page):
        found = dict(_LABEL.findall(labels))
        if found.get("integration") == integration and found.get("receiver_name", receiver) == receiver:
            totals[name] += int(float(value))
            if name == "alertmanager_notifications_failed_total":
                reasons[found.get("reason", "")] += int(float(value))
    prefix = "alertmanager_notification"
    return Counts(
        totals[f"{prefix}s_total"],
        reasons,
        totals[f"{prefix}_requests_total"],
        totals[f"{prefix}_requests_failed_total"],
    )


def _at_rest(settings: Settings, receiver: str, integrations: Iterable[str]) -> dict[str, Counts]:
    """The counts with the fewest open messages of a second: others' may be on their way."""
    pages = []
    for _ in range(5):
        pages.append(_get(settings, "/metrics").text)
        time.sleep(0.2)
    return {name: min((counts(page, name, receiver) for page in pages), key=_open) for name in integrations}


def _open(counts: Counts) -> int:
    return counts.open


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of one integration so far."""

    arrived: bool
    is_final: bool
    text: str


def _outcome(before: Counts, after: Counts, many: int) -> _Outcome:
    """What became of the `many` messages that an integration sends. Of receivers of one kind together.

    While others' go out too, ours has arrived when nothing is open any more and nothing failed.
    """
    failed = after.failed - before.failed
    begun = after.begun - before.begun
    given_up = after.given_up - before.given_up
    if given_up and begun > many:
        return _Outcome(False, True, "others' messages went out meanwhile, and some failed; look whether this one came")
    if given_up:
        why = ", ".join(sorted(filter(None, given_up)))
        return _Outcome(False, True, f"Alertmanager gave up after {failed} attempts{f' ({why})' if why else ''}")
    arrived = begun >= many and after.open <= before.open
    return _Outcome(arrived, arrived, f"{failed} attempts failed so far" if failed else "nothing was sent so far")


def _summed_up(settings: Settings, receiver: str, labels: dict[str, str], told: dict[str, _Outcome]) -> Verdict:
    if all(outcome.arrived for outcome in told.values()):
        return Verdict(True, f"{', '.join(told)}: the other side took it")
    missed = [f"{name}: {outcome.text}" for name, outcome in told.items() if not outcome.arrived]
    hints = [*_muted(settings, labels), *_in_the_way(settings, receiver), "Alertmanager's log has the reason"]
    return Verdict(False, "; ".join([*missed, *hints]))


def _integrations(settings: Settings, receiver: str) -> Counter[str]:
    """Integration to how many messages it sends, by the configuration that Alertmanager runs with."""
    running = yaml.safe_load((_status(settings).get("config") or {}).get("original", "")) or {}
    table: dict[str, Any] = next((found for found in running.get("receivers", []) if found["name"] == receiver), {})
    wanted = f'{TEST_RECEIVER}="{receiver}"'
    if not any(wanted in route.get("matchers", []) for route in (running.get("route") or {}).get("routes", [])):
        raise UsageError(
            f"{receiver}: the Alertmanager at {settings.alertmanager_url} knows no such receiver; after a change of "
            "settings start `telltale up` again, or write its configuration with `telltale rules` and reload it"
        )
    found = Counter(
        {key.removesuffix("_configs"): len(value) for key, value in table.items() if key.endswith("_configs")}
    )
    if not found:
        raise UsageError(f"{receiver}: it has no integration, so nothing is sent; give it one")
    return found


def _fire(settings: Settings, receiver: str) -> dict[str, str]:
    now = time.time()
    labels = {
        "alertname": TEST_ALERT,
        TEST_RECEIVER: receiver,
        # No severity that opens tickets.
        "severity": "test",
        "lane": "none",
        "component": "stack",
        "test_id": f"{now:.3f}",
    }
    annotations = {
        "summary": f"This is a test of the receiver {receiver}; nothing is wrong",
        "description": f"Somebody ran `telltale alerts test {receiver}`. It ends after {LASTS_S:.0f} seconds.",
    }
    alert = {"labels": labels, "annotations": annotations, "startsAt": _iso(now), "endsAt": _iso(now + LASTS_S)}
    _ask(
        settings,
        lambda client, url: client.post(
            f"{url}/api/v2/alerts", content=json.dumps([alert]), headers={"Content-Type": "application/json"}
        ),
    )
    return labels


def _muted(settings: Settings, labels: dict[str, str]) -> Iterator[str]:
    """Why Alertmanager would not send at all."""
    asked = [f'test_id="{labels["test_id"]}"']
    listed = _ask(settings, lambda client, url: client.get(f"{url}/api/v2/alerts", params={"filter": asked})).json()
    for alert in listed:
        status = alert.get("status") or {}
        for key, why in (("silencedBy", "a silence holds it back"), ("inhibitedBy", "another alert inhibits it")):
            if status.get(key):
                yield why


def _in_the_way(settings: Settings, name: str) -> Iterator[str]:
    """What can be seen from here: a secret's file, a host that does not answer. Never the secret itself."""
    receiver = next((found for found in settings.receivers if found.name == name), None)
    if receiver is None:
        return
    try:
        host, port = _address(receiver)
    except OSError as error:
        yield f"from here, {receiver.url_file} cannot be read: {error.strerror}"
        return
    except ValueError:
        yield f"{receiver.url_file} holds no address"
        return
    if not host:
        return
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        yield f"from here, {host}:{port} cannot be reached: {error.strerror or error}"
    else:
        yield f"from here, {host}:{port} can be reached"


def _address(receiver: Receiver) -> tuple[str, int]:
    if receiver.smarthost:
        return parse_address(receiver.smarthost)
    parts = urlsplit(receiver.url_file.read_text().strip() if receiver.url_file else receiver.url)
    if not parts.hostname and (receiver.url_file or receiver.url):
        raise ValueError
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


def _status(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = _get(settings, "/api/v2/status").json()
    return found


def _get(settings: Settings, path: str) -> httpx.Response:
    return _ask(settings, lambda client, url: client.get(f"{url}{path}"))


def _ask(settings: Settings, request: Callable[[httpx.Client, str], httpx.Response]) -> httpx.Response:
    url = settings.alertmanager_url
    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            return request(client, url).raise_for_status()
    except httpx.HTTPStatusError as error:
        raise Unreachable(f"Alertmanager at {url} responds {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise Unreachable(
            f"Alertmanager at {url} does not respond: {error}; start it, or mend alertmanager.url"
        ) from error


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
