"""The operator's own alertmanager.yml, which goes on working beside ours: read, anchored, merged.

Their route tree hangs below ours as a whole, with the receiver that it ends in; nothing of theirs is overwritten, and
nothing of theirs keeps an alert from ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from telltale.settings import SettingsError

Table = dict[str, Any]
KEY = "alertmanager.fragment_file"
# Far more than people write.
MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
# What Alertmanager has for a route that says nothing; below ours it would take ours.
_DEFAULTS = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}
_LISTS = ("receivers", "inhibit_rules", "time_intervals", "mute_time_intervals", "templates")


class _Plain(str):
    """A value that is written without quotes, as it stands there: what it is, Alertmanager's own YAML decides.

    PyYAML's takes 17:00 and 012345 for numbers, one of base 60, one of base 8, and a password would be another.
    """


class _Loader(yaml.SafeLoader):
    def plain(self, node: yaml.ScalarNode) -> _Plain:
        return _Plain(node.value)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """With each key once, as Alertmanager reads it; of two, others would take the last."""
        found = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in found.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                why = f"{key.value} is there twice; leave one of them out"
                raise yaml.constructor.ConstructorError(None, None, why, key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return found


class Dumper(yaml.SafeDumper):
    """Writes what `read` found as it stood there."""

    def plain(self, value: _Plain) -> yaml.ScalarNode:
        tag = self.resolve(yaml.ScalarNode, str(value), (True, False))  # type: ignore[no-untyped-call]  # no types there
        return self.represent_scalar(tag, str(value))


for _kind in ("int", "float", "bool", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.plain)
Dumper.add_representer(_Plain, Dumper.plain)


def read(file: Path | None) -> Table:
    """The fragment, its relative paths taken from its own folder; empty where there is none. Raises SettingsError."""
    if file is None:
        return {}
    try:
        text = file.read_text("utf-8-sig")
        table = yaml.load(text, _Loader) if len(text) <= MAX_BYTES else None  # noqa: S506 - a safe one
    except OSError as error:
        raise _refused(file, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _refused(file, "is not text") from error
    except yaml.YAMLError as error:
        # Without the error's own excerpt: the line may hold a secret.
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise _refused(file, f"is not YAML{line}: {getattr(error, 'problem', None) or 'it cannot be parsed'}") from None
    except RecursionError as error:
        raise _refused(file, "is nested too deeply; write it flatter") from error
    if len(text) > MAX_BYTES:
        raise _refused(file, f"has more than {MAX_BYTES} characters; leave something out")
    return _checked(file, {} if table is None else table)


def receivers(fragment: Mapping[str, Any]) -> list[str]:
    """The names of its receivers."""
    return [receiver["name"] for receiver in fragment.get("receivers", ())]


def clashes(fragment: Mapping[str, Any], ours: Iterable[str], file: Path | None) -> Table:
    """The fragment. Raises SettingsError where a receiver of it has the name of one of ours."""
    both = sorted(set(receivers(fragment)) & set(ours))
    if both and file:
        raise _refused(file, f"receivers: {', '.join(both)}: a receiver of Telltale has that name too; rename yours")
    return dict(fragment)


def route(fragment: Mapping[str, Any]) -> list[Table]:
    """Their tree as one route of ours that takes nothing away from the next; none where they have no tree."""
    theirs = fragment.get("route")
    return [{**_DEFAULTS, **theirs, "continue": True}] if theirs else []


def merge(ours: Mapping[str, Any], fragment: Mapping[str, Any]) -> Table:
    """Ours first, then what is theirs alone; lists one after the other. `route` is ours, and has theirs in it."""
    found = dict(ours)
    for key, value in fragment.items():
        if key in _LISTS:
            found[key] = [*ours.get(key, ()), *value]
        elif key != "route":
            found[key] = value
    return found


def _checked(file: Path, table: object) -> Table:
    if not isinstance(table, dict):
        raise _refused(file, "is no table; write it as an alertmanager.yml")
    for key in _LISTS:
        if not isinstance(table.get(key, []), list):
            raise _refused(file, f"{key}: is no list; write its entries with - before each")
    for receiver in table.get("receivers", []):
        if not isinstance(receiver, dict) or not isinstance(receiver.get("name"), str):
            raise _refused(file, "receivers: one has no name; give it a name")
        # A text for every reader, whatever it looks like.
        receiver["name"] = str(receiver["name"])
    if not isinstance(table.get("route", {}), dict):
        raise _refused(file, "route: is no table; write it as in an alertmanager.yml")
    templates, folder = table.get("templates", []), file.absolute().parent
    if not all(isinstance(glob, str) for glob in templates):
        raise _refused(file, "templates: one is no text; write the name of a file")
    table["templates"] = [str(folder / glob) for glob in templates]
    left = iter(range(MAX_VALUES))
    try:
        return {key: _anchored(value, folder, left) for key, value in table.items() if value}
    except (StopIteration, RecursionError):
        raise _refused(file, "holds itself, or far more than people write; write out what * stands for") from None


def _anchored(value: Any, folder: Path, left: Iterator[int], key: str = "") -> Any:
    """The value with whole paths. Raises StopIteration where `left` runs out: a few aliases can stand for billions."""
    next(left)
    if isinstance(value, dict):
        return {name: _anchored(inner, folder, left, str(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_anchored(inner, folder, left) for inner in value]
    return str(folder / value) if key.endswith("_file") and isinstance(value, str) and value else value


def _refused(file: Path, why: str) -> SettingsError:
    return SettingsError(f"{KEY} = {file}: {why}")
