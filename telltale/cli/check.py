"""`telltale check`: find what would stop a start, and name the setting, its value and the mend."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from telltale import exits
from telltale.binaries import Component, find, how_to_get
from telltale.cli import stack
from telltale.settings import Settings, SettingsError, find_file, load


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the settings."""


def run(args: argparse.Namespace) -> int:
    """Print one line a check; exit code 2 if one failed."""
    try:
        settings = load(args.config)
    except SettingsError as error:
        _report("settings", False, str(error).replace("\n", "\n             "))
        return exits.USAGE
    _report("settings", True, str(find_file(args.config) or "defaults"))
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("store", _store),
        ("rules", _configuration),
        ("prometheus", lambda s: _binary(s, "prometheus", s.prometheus.url)),
        ("alertmanager", lambda s: _binary(s, "alertmanager", s.alertmanager.url)),
        ("addresses", _addresses),
    )
    results = [_try(name, check, settings) for name, check in checks]
    return exits.OK if all(results) else exits.USAGE


def _try(name: str, check: Callable[[Settings], str], settings: Settings) -> bool:
    try:
        _report(name, True, check(settings))
    except Exception as error:  # noqa: BLE001 - whatever a check raises, it failed, and the others still run
        _report(name, False, str(error))
        return False
    return True


def _store(settings: Settings) -> str:
    from telltale.store import open_configured
    from telltale.store.engine import parse_url

    store = open_configured(settings)
    store.write(lambda connection: None)
    store.close()
    return parse_url(settings.store_url).render_as_string(hide_password=True)


def _configuration(settings: Settings) -> str:
    stack.write_configuration(settings)
    tools: tuple[Component, ...] = ("promtool", "amtool")
    missing = [tool for tool in tools if find(settings, tool) is None]
    if missing:
        raise SettingsError("; ".join(f"{tool} is missing: {how_to_get(tool)}" for tool in missing))
    return f"promtool and amtool accept {stack.generated(settings)}"


def _binary(settings: Settings, component: Component, url: str) -> str:
    if url:
        return url
    binary = find(settings, component)
    if binary is None:
        raise SettingsError(f"{component}: not found; {how_to_get(component)}")
    return str(binary)


def _addresses(settings: Settings) -> str:
    if unusable := stack.unusable(settings):
        raise SettingsError("\n             ".join(unusable))
    return f"{len(stack.addresses(settings))} free"


def _report(name: str, good: bool, text: str) -> None:
    print(f"{'ok  ' if good else 'FAIL'} {name:<12} {text}")
