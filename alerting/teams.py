"""Who owns an alert: the first team of the settings all of whose patterns match its labels. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from telltale.settings import Settings, Team


def team_of(labels: Mapping[str, str], settings: Settings) -> str:
    """The name of the team that owns an alert with these labels; "" when nobody is named."""
    return next((team.name for team in settings.teams if _owns(team, labels)), "")


def patterns(team: Team) -> dict[str, tuple[str, ...]]:
    """Label to the globs of which one must match; only labels that the team names."""
    found = {"model": team.models, "tenant": team.tenants, "lane": team.lanes, "component": team.components}
    return {label: globs for label, globs in found.items() if globs}


def fits(globs: Iterable[str], value: str) -> bool:
    """Whether one of the globs matches; without any, all does."""
    found = tuple(globs)
    return not found or any(_fits(glob, value) for glob in found)


def expression(globs: Iterable[str]) -> str:
    """Globs as one regular expression for a whole value, alike for Python and RE2.

    `*` stands for any text, everything else for itself. An absent label matches nothing, not even `*`.
    """
    return "|".join(_expression(glob) for glob in globs)


def _expression(glob: str) -> str:
    pieces = [re.escape(piece) for piece in re.split(r"\*+", glob)]
    return "(?s:.*)".join(pieces) if any(pieces) else "(?s:.+)"


def _owns(team: Team, labels: Mapping[str, str]) -> bool:
    return all(fits(globs, labels.get(label, "")) for label, globs in patterns(team).items())


def _fits(glob: str, value: str) -> bool:
    # As `expression` says it, but in linear time: values come from outside. Only the star is special.
    return bool(value) and fnmatchcase(value, re.sub(r"[?\[]", r"[\g<0>]", glob))
