"""What runs with both generations of Prometheus and Alertmanager runs with two."""

from __future__ import annotations

from collections.abc import Callable

from support.generations import how_to_get, versions


def test_the_generations_differ(require: Callable[[object, str], None]) -> None:
    newest, stable = versions("newest"), versions("stable")
    for name in ("prometheus", "promtool", "alertmanager", "amtool"):
        require(newest.get(name), f"no {name} is here: {how_to_get('newest')}")
        require(stable.get(name), f"no second {name} is here: {how_to_get('stable')}")
        require(newest[name] != stable[name], f"{name} {stable[name]} is the newest that could be had")
