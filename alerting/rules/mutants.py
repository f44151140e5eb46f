"""Every small change of a rule that its cases should notice: thresholds, comparisons, durations, labels, joins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FLIPPED = {">=": "<", "<=": ">", ">": "<", "<": ">", "==": "!=", "!=": "=="}
WORDS = (
    *((" and ", " or "), ("\nand ", "\nor "), ("\nunless ", "\nand "), (" bool ", " ")),
    *(("max by", "min by"), ("increase(", "rate(")),
)
_COMPARISON = re.compile(r"(?<![=!<>~])(==|!=|>=|<=|>|<)(?![=~])(?= )")
# Half or twice nothing is nothing.
_NUMBER = re.compile(r"(?<=[<>=*/%] )(?!0(?![.\d]))\d+(?:\.\d+)?(?!\w)")
_WINDOW = re.compile(r"(?<=\[)(\d+)([smhd])(?=[\]:])|(?<=offset )(\d+)([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MATCHER = re.compile(r'\w+(?:=~|!=|!~|=)"[^"]*",?')
_LABELS = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right) \(([^()]+)\)")
_SECONDS = re.compile(r"(\d+)s")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one change: `rule` is the changed rule as in the rule file, `change` says what."""

    name: str
    change: str
    rule: dict[str, Any]


def mutants(rule: dict[str, Any]) -> Iterator[Mutant]:
    """Every change of one rule, or of one recorded series."""
    name = rule.get("alert") or rule["record"]
    for change, expr in expressions(rule["expr"]):
        yield Mutant(name, change, rule | {"expr": expr})
    if "alert" in rule:
        yield from _of_an_alert(name, rule)


def _of_an_alert(name: str, rule: dict[str, Any]) -> Iterator[Mutant]:
    for key in ("for", "keep_firing_for"):
        if key in rule:
            seconds = int(_SECONDS.fullmatch(rule[key])[1])  # type: ignore[index]  # written by us
            yield Mutant(name, f"no {key}", {k: v for k, v in rule.items() if k != key})
            yield Mutant(name, f"{key} doubled", rule | {key: f"{2 * seconds}s"})
        elif not (key == "keep_firing_for" and rule["expr"] == "vector(1)"):
            yield Mutant(name, f"{key} of 2m", rule | {key: "2m"})
    for label, value in rule["labels"].items():
        yield Mutant(name, f"label {label}", rule | {"labels": rule["labels"] | {label: value + "x"}})


def expressions(expr: str) -> Iterator[tuple[str, str]]:
    """Every change of an expression, with what it is."""
    yield from _comparisons(expr)
    yield from _durations(expr)
    yield from _labels(expr)
    for found in _MATCHER.finditer(expr):
        yield f"without {found[0]} at {found.start()}", _put(expr, found, "")
    for word, other in WORDS:
        # An increase is above zero where its rate is.
        if word in expr and not (other == "rate(" and re.search("[>=] 0", expr)):
            yield f"{word.strip()} for {other.strip()}", expr.replace(word, other, 1)


def _comparisons(expr: str) -> Iterator[tuple[str, str]]:
    for found in _COMPARISON.finditer(expr):
        yield f"{found[0]} at {found.start()} turned", _put(expr, found, FLIPPED[found[0]])
    for found in _NUMBER.finditer(expr):
        for factor in (0.5, 1.5):
            yield f"{found[0]} at {found.start()} times {factor}", _put(expr, found, f"{float(found[0]) * factor:g}")


def _durations(expr: str) -> Iterator[tuple[str, str]]:
    for found in _WINDOW.finditer(expr):
        seconds = int(found[1] or found[3]) * _UNIT_S[found[2] or found[4]]
        for factor in (0.5, 2.0):
            yield f"{found[0]} at {found.start()} times {factor}", _put(expr, found, f"{seconds * factor:.0f}s")


def _labels(expr: str) -> Iterator[tuple[str, str]]:
    for found in _LABELS.finditer(expr):
        names = found[1].split(", ")
        for name in names:
            rest = ", ".join(one for one in names if one != name)
            changed = found[0].replace(f"({found[1]})", f"({rest})")
            yield f"without label {name} at {found.start()}", _put(expr, found, changed)


def _put(expr: str, found: re.Match[str], text: str) -> str:
    return expr[: found.start()] + text + expr[found.end() :]
