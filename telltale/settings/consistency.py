"""How settings fit together: what each value alone allows, and all of them at once do not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from telltale.serving.listen import parse_address
from telltale.settings import people_faults

if TYPE_CHECKING:
    from telltale.settings.table import Settings

T = TypeVar("T", bound=Hashable)

# Evidently compares texts as such only from more rows a side on (monitors/evidently/columns.py).
EVIDENTLY_TEXTS = 1000
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  # no bind
_SAME_HOST = {"localhost": "127.0.0.1"}


def faults(settings: Settings) -> Iterator[str]:
    """One line for each fault, with keys, values and the mend."""
    yield from _store(settings)
    yield from _collector(settings)
    yield from _monitor(settings)
    yield from _redaction(settings)
    yield from _repeated(settings)
    yield from people_faults.faults(settings)
    if settings.alerts.repeat_interval < settings.alerts.group_interval:
        yield (
            f"alerts.repeat_interval = {settings.alerts.repeat_interval:g}: less than alerts.group_interval = "
            f"{settings.alerts.group_interval:g}: Alertmanager repeats no sooner than that"
        )


def addresses(settings: Settings) -> dict[str, str]:
    """Every address that parts of ours listen on, by setting, and of what `telltale up` starts beside them."""
    found = {
        "collector.http_listen": settings.collector.http_listen,
        "collector.grpc_listen": settings.collector.grpc_listen,
        "collector.metrics_listen": settings.collector.metrics_listen,
        "gpu.listen": settings.gpu.listen,
        "monitor.listen": settings.monitor.listen,
        "tickets.listen": settings.tickets.listen,
        "web.listen": settings.web.listen,
    }
    if not settings.prometheus.url:
        found["prometheus.listen"] = settings.prometheus.listen
    if not settings.alertmanager.url:
        found["alertmanager.listen"] = settings.alertmanager.listen
    return found


def shared_ports(found: dict[str, str]) -> Iterator[str]:
    """Addresses of which only one can be listened on by one machine. Port 0 is any free one.

    Not among the faults: in containers each part may have the same port.
    """
    seen: list[tuple[str, str, int]] = []
    for key, address in found.items():
        host, port = parse_address(address)
        host = _SAME_HOST.get(host, host)
        for other, other_host, other_port in seen:
            same = host == other_host or host in EVERYWHERE or other_host in EVERYWHERE
            if port and port == other_port and same:
                yield f"{key} = {address}: {other} = {found[other]} has that port already; give each its own"
        seen.append((key, host, port))


def _store(settings: Settings) -> Iterator[str]:
    store, monitor = settings.store, settings.monitor
    if store.url and store.url_file:
        yield f"store.url = (secret): store.url_file = {store.url_file} names a store too; leave one of them out"
    needed = monitor.window * (monitor.persistence[1] + 1)
    if store.retention < needed:
        yield (
            f"store.retention = {store.retention:g}: {monitor.persistence[1]} windows of monitor.window = "
            f"{monitor.window:g} do not fit into it; keep data for {needed:g} seconds or more"
        )


def _collector(settings: Settings) -> Iterator[str]:
    collector = settings.collector
    if "*" in collector.cors_origins and not collector.require_key:
        yield (
            "collector.cors_origins = *: every page that somebody here opens could send, without a key; name the "
            "origins, or set collector.require_key"
        )
    if collector.max_decompressed_bytes < collector.max_body_bytes:
        yield (
            f"collector.max_decompressed_bytes = {collector.max_decompressed_bytes}: less than "
            f"collector.max_body_bytes = {collector.max_body_bytes}: bodies that large would always be refused; "
            "raise it, or lower the other"
        )


def _monitor(settings: Settings) -> Iterator[str]:
    embeddings = settings.monitor.embeddings
    if (embeddings.kind == "endpoint") != bool(embeddings.url):
        yield (
            f"monitor.embeddings.kind = {embeddings.kind}: monitor.embeddings.url = {embeddings.url!r}: an endpoint "
            "needs its address, and nothing else has one; name it, or leave it out"
        )
    monitor, store = settings.monitor, settings.store
    if monitor.evidently.text_drift and min(monitor.max_rows, monitor.evidently.most_rows) <= EVIDENTLY_TEXTS:
        yield (
            f"monitor.evidently.text_drift = true: a report has {min(monitor.max_rows, monitor.evidently.most_rows)} "
            f"rows of a window at most, and more than {EVIDENTLY_TEXTS} are needed; raise monitor.max_rows and "
            "monitor.evidently.most_rows, or leave it out"
        )
    k, n = monitor.persistence
    if k > n:
        yield f"monitor.persistence = [{k}, {n}]: {k} of {n} windows can never be suspect; write the smaller one first"
    if monitor.min_rows > monitor.max_rows:
        yield (
            f"monitor.min_rows = {monitor.min_rows}: more than monitor.max_rows = {monitor.max_rows}: no window would "
            "be judged; lower it, or raise the other"
        )
    if monitor.reference_rows < monitor.min_rows:
        yield (
            f"monitor.reference_rows = {monitor.reference_rows}: less than monitor.min_rows = {monitor.min_rows}: "
            "a reference has more rows than a window needs"
        )
    if monitor.reference_span > store.retention:
        yield (
            f"monitor.reference_span = {monitor.reference_span:g}: more than store.retention = {store.retention:g}: "
            "no reference would ever be frozen; lower it, or raise the other"
        )


def _redaction(settings: Settings) -> Iterator[str]:
    if not settings.redaction.rules:
        return
    try:
        from telltale.redaction import Redactor
    except ImportError:
        # A node that stores no texts has no RE2.
        return
    for kind, expression in settings.redaction.rules.items():
        try:
            Redactor({kind: expression})
        except ValueError as error:
            yield f"{error}; write an RE2 expression (no look-around, no back references) that matches some text"


def _repeated(settings: Settings) -> Iterator[str]:
    for model, since in _twice((price.model, price.since) for price in settings.prices):
        yield f"prices: {model} has two prices since {since}; leave one of them out"
    for target in _twice(address for scrape in settings.prometheus.scrape for address in scrape.targets):
        yield f"prometheus.scrape: {target} is named twice, and its series would come twice; leave one of them out"


def _twice(items: Iterable[T]) -> list[T]:
    return [item for item, number in Counter(items).items() if number > 1]
