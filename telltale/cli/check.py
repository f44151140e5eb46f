"""`telltale check`: find what would stop a start or break later, and name the setting, its value and the mend."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from telltale import exits
from telltale.binaries import Component, find, how_to_get
from telltale.cli import alertmanager, stack
from telltale.settings import Settings, SettingsError, find_file, is_loopback, load, named_files

# Prometheus' and SQLite's write-ahead logs alone need some of it.
LEAST_SPACE = 200 << 20
LITTLE_SPACE = 2 << 30

_INDENT = "\n" + " " * 18


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the settings."""


def run(args: argparse.Namespace) -> int:
    """Print one line a check, and what works but is hardly meant; exit code 2 if a check failed."""
    try:
        settings = load(args.config)
    except SettingsError as error:
        _report("FAIL", "settings", str(error))
        return exits.USAGE
    _report("ok", "settings", str(find_file(args.config) or "defaults"))
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("files", _files),
        ("data_dir", _data_dir),
        ("store", _store),
        ("rules", _configuration),
        ("prometheus", lambda s: _binary(s, "prometheus", s.prometheus.url)),
        ("alertmanager", lambda s: _binary(s, "alertmanager", s.alertmanager.url)),
        ("receivers", _receivers),
        ("addresses", _addresses),
    )
    results = [_try(name, check, settings) for name, check in checks]
    for name, warning in warnings(settings):
        _report("warn", name, warning)
    return exits.OK if all(results) else exits.USAGE


def warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    """What works and is hardly meant, as (what it concerns, why)."""
    monitor, sampling = settings.monitor, settings.sampling
    rows = sampling.per_minute * monitor.window / 60
    if rows < monitor.min_rows:
        yield (
            "monitor",
            f"sampling.per_minute = {sampling.per_minute:g}: at most {rows:.0f} samples of a model come in one "
            f"monitor.window = {monitor.window:g}, and monitor.min_rows = {monitor.min_rows} are needed: no window "
            "will be judged; raise it, or take longer windows",
        )
    if not is_loopback(settings.web.listen) and not settings.web.public_url.startswith("https://"):
        yield (
            "web",
            f"web.listen = {settings.web.listen}: passwords and prompts travel unencrypted; put a proxy with TLS in "
            "front and name its address in web.public_url = https://…",
        )
    if not settings.collector.require_key and not _is_local(settings.collector.http_listen, settings):
        yield (
            "collector",
            f"collector.http_listen = {settings.collector.http_listen}: everybody who reaches it may send calls in "
            "any tenant's name; set collector.require_key = true",
        )
    if settings.collector.max_in_flight_bytes < settings.collector.max_body_bytes:
        yield (
            "collector",
            f"collector.max_in_flight_bytes = {settings.collector.max_in_flight_bytes}: less than "
            f"collector.max_body_bytes = {settings.collector.max_body_bytes}: bodies that large are always asked to "
            "be sent again later; raise it, or lower the other",
        )
    if why := alertmanager.outdated_amtool(settings):
        yield "rules", why
    if why := _nobody_woken(settings):
        yield "receivers", why
    size = shutil.disk_usage(_existing(settings.data_dir)).free
    if LEAST_SPACE <= size < LITTLE_SPACE:
        yield "data_dir", f"data_dir = {settings.data_dir}: {size >> 20} MiB free; samples and series need more soon"


def _nobody_woken(settings: Settings) -> str:
    """Why a page would wake nobody; empty where somebody gets pages, or may by the operator's own routes."""
    if settings.alertmanager.fragment_file:
        return ""
    if any("page" in receiver.told_of for receiver in settings.receivers):
        return _unheard(settings)
    return (
        f"receivers = {[receiver.name for receiver in settings.receivers]}: none gets severity page: alerts open "
        'tickets, and nobody is woken; add [[receivers]], for example kind = "slack" or "pagerduty"'
    )


def _unheard(settings: Settings) -> str:
    """Pages that are about no model or tenant, and of which nobody is told; empty where there are none."""
    from alerting.config.routes import is_told
    from alerting.rules import catalogue

    pages = [rule for group in catalogue(Settings()) for rule in group.rules if rule.severity == "page"]
    general = [
        rule
        for rule in pages
        if not {"model", "model_name", "tenant"} & set(re.findall(r"\$labels\.(\w+)", rule.summary))
    ]
    unheard = [
        rule.name
        for rule in general
        if not is_told({"severity": "page", "lane": rule.lane, "component": rule.component}, settings)
    ]
    if not unheard:
        return ""
    return (
        f"receivers: of {len(unheard)} of {len(general)} pages that are about no single model nobody is told, such as "
        f"{', '.join(unheard[:3])}: no team owns them whose receivers get pages, or lanes, models and tenants leave "
        "them out; add a receiver that belongs to no team, or a last [[teams]] without patterns"
    )


def _is_local(http_listen: str, settings: Settings) -> bool:
    return is_loopback(http_listen) and is_loopback(settings.collector.grpc_listen)


def _try(name: str, check: Callable[[Settings], str], settings: Settings) -> bool:
    try:
        _report("ok", name, check(settings))
    except Exception as error:  # noqa: BLE001 - whatever a check raises, it failed, and the others still run
        _report("FAIL", name, str(error))
        return False
    return True


def _files(settings: Settings) -> str:
    """Every file that the settings name can be read and holds something."""
    found = named_files(settings)
    if faults := [f"{key} = {file}: {why}" for key, file in found.items() if (why := _fault(file))]:
        raise SettingsError("\n".join(faults))
    return ", ".join(f"{key} = {file}" for key, file in found.items()) or "none named"


def _fault(file: Path) -> str:
    try:
        text = file.read_text()
    except OSError as error:
        return f"cannot be read: {error.strerror}; write it, or allow this user to read it"
    except UnicodeDecodeError:
        return "is not text; write the value alone into it"
    return "" if text.strip() else "is empty; write the value into it"


def _data_dir(settings: Settings) -> str:
    folder = _existing(settings.data_dir)
    if not folder.is_dir():
        raise SettingsError(f"data_dir = {settings.data_dir}: {folder} is no folder; name another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"data_dir = {settings.data_dir}: {folder} is not writable for this user; name another")
    free = shutil.disk_usage(folder).free
    if free < LEAST_SPACE:
        raise SettingsError(f"data_dir = {settings.data_dir}: {free >> 20} MiB free; make room, or name another disk")
    return f"{settings.data_dir.absolute()}, {free >> 30} GiB free"


def _existing(folder: Path) -> Path:
    """The folder, or the one above it in which it would be made."""
    folder = folder.absolute()
    return next((found for found in (folder, *folder.parents) if found.exists()), Path("/"))


def _store(settings: Settings) -> str:
    from telltale.store import open_configured
    from telltale.store.engine import parse_url, shown

    store = open_configured(settings)
    store.write(lambda connection: None)
    store.close()
    return shown(parse_url(settings.store_url))


def _configuration(settings: Settings) -> str:
    stack.write_configuration(settings)
    tools: tuple[Component, ...] = ("promtool", "amtool")
    missing = [tool for tool in tools if find(settings, tool) is None]
    if missing:
        raise SettingsError("; ".join(f"{tool} is missing: {how_to_get(tool)}" for tool in missing))
    judges = "promtool" if alertmanager.outdated_amtool(settings) else "promtool and amtool"
    return f"{judges} accept {stack.generated(settings)}"


def _binary(settings: Settings, component: Component, url: str) -> str:
    if url:
        return url
    binary = find(settings, component)
    if binary is None:
        raise SettingsError(f"{component}: not found; {how_to_get(component)}")
    if not os.access(binary, os.X_OK):
        raise SettingsError(f"{component}: {binary} cannot be run by this user; make it executable")
    return str(binary)


def _receivers(settings: Settings) -> str:
    """Alertmanager is new enough for each, and reads its secret as it is meant."""
    if not settings.receivers:
        return "none named"
    found = alertmanager.version(settings)
    where = settings.alertmanager.url or str(find(settings, "alertmanager") or "alertmanager")
    if found is None:
        raise SettingsError(f"{where} does not say its version, so nobody knows which receivers it has; start it first")
    if any(alertmanager.too_old(settings)):
        raise SettingsError(f"{where} is too old for some of them; rules, above, says what each needs")
    if faults := list(alertmanager.ragged_secrets(settings, found)):
        raise SettingsError("\n".join(faults))
    return f"{', '.join(receiver.name for receiver in settings.receivers)}; Alertmanager {'.'.join(map(str, found))}"


def _addresses(settings: Settings) -> str:
    if unusable := stack.unusable(settings):
        raise SettingsError("\n".join(unusable))
    return f"{len(stack.addresses(settings))} free"


def _report(verdict: str, name: str, text: str) -> None:
    print(f"{verdict:<4} {name:<12} {text.replace(chr(10), _INDENT)}")
