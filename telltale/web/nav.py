"""The navigation: entries that each part of the site contributes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Nav:
    """An entry of the navigation, shown to people with this role."""

    label: str
    path: str
    role: str = "viewer"
