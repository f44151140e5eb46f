"""Read the settings of a TOML file and of TELLTALE_* variables, and say what is wrong with them, all at once.

The environment wins over the file, the file over the defaults. A nested key is written with two underscores:
`TELLTALE_COLLECTOR__HTTP_LISTEN=0.0.0.0:4318` is `http_listen` in the file's `[collector]` table.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from telltale.settings.consistency import faults
from telltale.settings.people import Receiver, Team
from telltale.settings.section import Section
from telltale.settings.table import ENV_PREFIX, Price, ScrapeTarget, Settings
from telltale.settings.values import SettingsError

SEARCH_PATH = ("telltale.toml", "/etc/telltale/telltale.toml")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
# Variables of ours that are not settings: they say where the settings are.
NOT_SETTINGS = {"TELLTALE_CONFIG"}
# Tables of which there may be several.
ROWS: dict[str, type[Section]] = {
    "prices": Price,
    "prometheus.scrape": ScrapeTarget,
    "receivers": Receiver,
    "teams": Team,
}


def find_file(explicit: str | Path | None = None) -> Path | None:
    """The settings file to use: the one named, else $TELLTALE_CONFIG, else the first of SEARCH_PATH that exists."""
    named = explicit or os.environ.get("TELLTALE_CONFIG")
    if named:
        return Path(named)
    return next((Path(name) for name in SEARCH_PATH if Path(name).is_file()), None)


def load(file: str | Path | None = None) -> Settings:
    """Read and check the settings. Raises SettingsError, one line per fault, each with key, value and mend."""
    path = find_file(file)
    table: dict[str, Any] = {}
    if path is not None:
        try:
            # TOML is UTF-8 wherever it is read; editors of Windows put a mark before it.
            table = tomllib.loads(path.read_text("utf-8-sig"))
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: is not TOML: {error}") from error
        table = _anchored(Settings, table, path.parent)
        _anchor_store(table, path.parent)
    unknown = [f"{name}: {_suggest(name, env_names())}" for name in _unknown_variables()]
    if unknown:
        raise SettingsError("\n".join(unknown))
    try:
        settings = Settings(**table)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(fault, path) for fault in error.errors())) from error
    if found := list(faults(settings)):
        place = path or "settings"
        raise SettingsError("\n".join(f"{place}: {line}" for line in found))
    return settings


def _anchored(model: type[BaseModel], table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The table with its relative paths taken from the file's folder, as Prometheus does, wherever a command runs.

    Otherwise two commands with one settings file would work on two stores. `data_dir` is there even where it is not
    written. Variables are not touched: what they name is relative to where the command runs.
    """
    found = dict(table)
    for name, info in model.model_fields.items():
        default = info.get_default(call_default_factory=True)
        value = found.get(name, default if isinstance(default, Path) else None)
        if isinstance(default, Section) and isinstance(value, dict):
            found[name] = _anchored(type(default), value, folder)
        elif (row := _row(info.annotation)) and isinstance(value, list):
            found[name] = [_anchored(row, entry, folder) if isinstance(entry, dict) else entry for entry in value]
        elif info.annotation in (Path, Path | None) and isinstance(value, (str, Path)):
            found[name] = folder / value
    return found


def _row(annotation: object) -> type[Section] | None:
    """What the rows of a table are that may come several times; None where it is no such table."""
    first = next(iter(get_args(annotation)), None)
    return first if isinstance(first, type) and issubclass(first, Section) else None


def _anchor_store(table: dict[str, Any], folder: Path) -> None:
    store = table.get("store")
    url = store.get("url") if isinstance(store, dict) else None
    prefix = "sqlite:///"
    if (
        isinstance(url, str)
        and url.startswith(prefix)
        and not url.startswith((f"{prefix}/", f"{prefix}:", f"{prefix}file:"))
    ):
        file = url.removeprefix(prefix)
        table["store"] = {**table["store"], "url": f"{prefix}{folder / file}" if file else url}


def named_files(settings: Settings) -> dict[str, Path]:
    """The files that settings name for a part to read, by setting."""
    found = {
        "store.url_file": settings.store.url_file,
        "gpu.web_config": settings.gpu.web_config,
        "tickets.webhook_token_file": settings.tickets.webhook_token_file,
        "alerts.slo_file": settings.alerts.slo_file,
        "alertmanager.fragment_file": settings.alertmanager.fragment_file,
        "monitor.embeddings.key_file": settings.monitor.embeddings.key_file,
        **{
            f"receivers.{receiver.name}.{name}": getattr(receiver, name)
            for receiver in settings.receivers
            for name in ("url_file", "key_file", "token_file", "password_file")
        },
    }
    return {key: file for key, file in found.items() if file is not None}


def walk(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield every setting as (dotted key, default, help), in the order of the table."""
    for name, info in model.model_fields.items():
        key = f"{prefix}{name}"
        default = info.get_default(call_default_factory=True) if not info.is_required() else ...
        if isinstance(default, Section):
            yield from walk(type(default), f"{key}.")
        else:
            yield key, "" if default in (None, ...) else str(default), info.description or ""


def env_names() -> set[str]:
    """Every environment variable that sets something."""
    return {ENV_PREFIX + key.replace(".", "__").upper() for key, _, _ in walk()}


def is_loopback(address: str) -> bool:
    return address.rpartition(":")[0] in LOOPBACK


def _unknown_variables() -> list[str]:
    known = env_names() | {ENV_PREFIX + name.upper() for name in Settings.model_fields} | NOT_SETTINGS
    # A mapping's entries are set as SECTION__KEY__ENTRY, so a known name is also a prefix.
    return sorted(
        name
        for name in os.environ
        if name.startswith(ENV_PREFIX) and name not in known and not any(name.startswith(k + "__") for k in known)
    )


def _explain(fault: Any, path: Path | None) -> str:
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    variable = ENV_PREFIX + key.replace(".", "__").upper()
    place = variable if variable in os.environ else str(path or "settings")
    if fault["type"] == "extra_forbidden" or (fault["type"], fault["loc"][-1:]) == ("literal_error", ("[key]",)):
        return f"{place}: {key}: {_suggest(key, _siblings(fault['loc']))}"
    mend = next((text for name, _, text in walk() if name == key), "")
    message = _message(fault, key)
    if fault["type"] == "missing":
        return f"{place}: {key}: {message}" + (f" ({mend})" if mend else "")
    return f"{place}: {key} = {_shown(key, fault['input'])}: {message}" + (f" ({mend})" if mend else "")


def _message(fault: Any, key: str) -> str:
    if fault["type"] == "missing":
        return "is missing; write it"
    if fault["type"] == "tuple_type":
        return f"write [[{key}]], with two brackets" if isinstance(fault["input"], dict) else "write a list, in [ and ]"
    return str(fault["msg"].removeprefix("Value error, "))


def _shown(key: str, value: object) -> str:
    if isinstance(value, dict):
        # Whatever stands in it, also where it should not.
        return "(a table)"
    # What has an @ may be a URL with a password in it.
    is_secret = "secret" in key or "token" in key or key == "store.url" or "@" in str(value)
    # Chat services' webhooks are secrets as a whole.
    is_secret = is_secret or (key.startswith("receivers.") and (key.endswith(".url") or "://" in str(value)))
    return "(secret)" if is_secret else repr(value)


def _siblings(loc: tuple[str | int, ...]) -> set[str]:
    """The keys that may stand where an unknown one was found."""
    prefix = ".".join(str(part) for part in loc[:-1] if part != "[key]")
    row = next((model for name, model in ROWS.items() if loc and prefix.startswith(f"{name}.")), None)
    if row is not None:
        return {f"{prefix}.{name}" for name in row.model_fields}
    if len(loc) > 2 and loc[:2] == ("gpu", "owners"):
        return {f"gpu.owners.{loc[2]}.{name}" for name in ("tenant", "service", "container")}
    return {name for name, _, _ in walk()}


def _suggest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"no such setting; did you mean {close[0]}?" if close else "no such setting; `telltale settings` lists them"
