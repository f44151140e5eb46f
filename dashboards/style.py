"""The house style: what a colour means, and the looks that several panels share.

Colours are Grafana's named ones, which stay readable in the dark and the light theme. A tile is coloured only when it
judges: where there is a limit. Everything else is plain text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

PLAIN = "text"
GOOD = "green"
WARN = "orange"
BAD = "red"
UNKNOWN = "#808080"
LIMIT = "dark-red"
STALE = "#5A6E8C"

QUANTILES = {"p50": "light-blue", "p95": "blue", "p99": "dark-blue"}
TOKENS = {
    "input": "purple",
    "output": "yellow",
    "cached_input": "light-purple",
    "cache_write_input": "super-light-purple",
    "reasoning_output": "light-yellow",
}
STATES = {
    "stale": ("stale", STALE),
    "no_reference": ("no reference", "#707070"),
    "not_enough_data": ("not enough data", UNKNOWN),
    "gathering": ("gathering", "#A0A0A0"),
    "ok": ("ok", GOOD),
    "suspect": ("suspect", WARN),
    "alert": ("alert", BAD),
}
"""What a monitor says of a series: the words and colour of each state, from least to most telling. Where nothing is
judged it is grey, the lighter the sooner it will be; where nothing comes any more it is blue."""
UNJUDGED = ("no_reference", "not_enough_data", "gathering")
JUDGED = ("ok", "suspect", "alert")

NO_TRAFFIC = "No traffic"

Steps = Sequence[tuple[float | None, str]]


def thresholds(*steps: tuple[float | None, str]) -> Json:
    """Absolute thresholds; the first step's value is None and gives the base colour."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]}


def plain() -> Json:
    """No judgement."""
    return thresholds((None, PLAIN))


def over(warn: float, bad: float) -> Json:
    """Green, orange from `warn` on, red from `bad` on."""
    return thresholds((None, GOOD), (warn, WARN), (bad, BAD))


def under(warn: float, bad: float) -> Json:
    """Red below `bad`, orange below `warn`, green from `warn` on."""
    return thresholds((None, BAD), (bad, WARN), (warn, GOOD))


def any_is_bad() -> Json:
    """Green at zero, red from one on."""
    return thresholds((None, GOOD), (1, BAD))


def limit(value: float) -> Json:
    """A limit that is drawn as a line."""
    return thresholds((None, "transparent"), (value, LIMIT))


def values(named: Mapping[str, tuple[str, str]]) -> list[Json]:
    """Show a number as a word: number to (word, colour)."""
    options = {
        number: {"text": text, "color": color, "index": i} for i, (number, (text, color)) in enumerate(named.items())
    }
    return [{"type": "value", "options": options}]


def state_words() -> list[Json]:
    """The states of a monitor as words in their colours, by their place in STATES."""
    return values({str(number): state for number, state in enumerate(STATES.values())})


def state_steps() -> Json:
    """Their colours as thresholds."""
    return thresholds(*((number or None, color) for number, (_, color) in enumerate(STATES.values())))


def by_name(name: str, **properties: Any) -> Json:
    """An override for the series or column of that name; `custom__x` stands for `custom.x`."""
    return _override("byName", name, properties)


def by_regex(pattern: str, **properties: Any) -> Json:
    """An override for series whose name matches."""
    return _override("byRegexp", pattern, properties)


def colour(name: str) -> Json:
    """One fixed colour."""
    return {"mode": "fixed", "fixedColor": name}


def coloured(named: Mapping[str, str]) -> list[Json]:
    """Fixed colours by series name."""
    return [by_name(name, color=colour(value)) for name, value in named.items()]


def faint(pattern: str) -> Json:
    """Draw the matching series as grey dashes without a legend: many thresholds, each near its own series."""
    return by_regex(
        pattern,
        custom__lineStyle={"fill": "dash", "dash": [6, 6]},
        custom__lineWidth=1,
        custom__fillOpacity=0,
        custom__hideFrom={"legend": True, "tooltip": False, "viz": False},
        color=colour(UNKNOWN),
    )


def twin(pattern: str) -> Json:
    """Draw the matching series as dashes without a legend: each is the second number of a series that has one."""
    return by_regex(
        pattern,
        custom__lineStyle={"fill": "dash", "dash": [6, 6]},
        custom__lineWidth=1,
        custom__fillOpacity=0,
        custom__hideFrom={"legend": True, "tooltip": False, "viz": False},
    )


def dashed(pattern: str) -> Json:
    """Draw the matching series as thin dashes: bounds, thresholds, limits."""
    return by_regex(
        pattern, custom__lineStyle={"fill": "dash", "dash": [6, 6]}, custom__lineWidth=1, custom__fillOpacity=0
    )


def _override(matcher: str, options: str, properties: Mapping[str, Any]) -> Json:
    return {
        "matcher": {"id": matcher, "options": options},
        "properties": [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()],
    }
