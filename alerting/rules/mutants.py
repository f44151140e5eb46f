"""How good are the rules' cases? Change one thing in one rule; a case must notice.

`python -m alerting.rules.mutants RULES_TEST.yml` prints each change that no case noticed, and the share that was.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from alerting.rules import render
from telltale import exits
from telltale.binaries import find, how_to_get
from telltale.settings import Settings

# What the cases are written for: with the default span of a reference they would take days of evaluations.
SETTINGS = Settings.model_validate({"monitor": {"reference_span": 0}})

FLIPPED = {">": "<", "<": ">", "==": "!=", "!=": "=="}
WORDS = (
    *((" and ", " or "), ("\nand ", "\nor "), ("\nunless ", "\nand ")),
    *(("max by", "min by"), ("increase(", "rate(")),
)
_COMPARISON = re.compile(r"(?<![=!<>~])(==|!=|>|<)(?![=~])(?= )")
# Half or twice nothing is nothing.
_NUMBER = re.compile(r"(?<=[<>*] )(?!0(?![.\d]))\d+(?:\.\d+)?")
_WINDOW = re.compile(r"\[(\d+)([mhd])\]")
_UNIT_S = {"m": 60, "h": 3600, "d": 86400}
_MATCHER = re.compile(r'\w+(?:=~|!=|=)"[^"]*",?')
_SECONDS = re.compile(r"(\d+)s")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one change: `rule` is the changed rule, `change` says what."""

    name: str
    change: str
    rule: dict[str, Any]


def mutants(rule: dict[str, Any]) -> Iterator[Mutant]:
    """Every change of one rule, or of one recorded series."""
    for change, expr in _expressions(rule["expr"]):
        yield Mutant(_name(rule), change, rule | {"expr": expr})
    if "alert" in rule:
        yield from _of_an_alert(rule)


def _name(rule: dict[str, Any]) -> str:
    name: str = rule.get("alert") or rule["record"]
    return name


def _of_an_alert(rule: dict[str, Any]) -> Iterator[Mutant]:
    for key in ("for", "keep_firing_for"):
        if key in rule:
            seconds = int(_SECONDS.fullmatch(rule[key])[1])  # type: ignore[index]  # written by us
            yield Mutant(rule["alert"], f"no {key}", {k: v for k, v in rule.items() if k != key})
            yield Mutant(rule["alert"], f"{key} doubled", rule | {key: f"{2 * seconds}s"})
        elif not (key == "keep_firing_for" and rule["expr"] == "vector(1)"):
            yield Mutant(rule["alert"], f"{key} of 2m", rule | {key: "2m"})
    for label, value in rule["labels"].items():
        yield Mutant(rule["alert"], f"label {label}", rule | {"labels": rule["labels"] | {label: value + "x"}})


def _expressions(expr: str) -> Iterator[tuple[str, str]]:
    def put(found: re.Match[str], text: str) -> str:
        return expr[: found.start()] + text + expr[found.end() :]

    for found in _COMPARISON.finditer(expr):
        yield f"{found[0]} at {found.start()} turned", put(found, FLIPPED[found[0]])
    for found in _NUMBER.finditer(expr):
        for factor in (0.5, 1.5):
            yield f"{found[0]} times {factor}", put(found, f"{float(found[0]) * factor:g}")
    for found in _WINDOW.finditer(expr):
        for factor in (0.5, 2.0):
            yield f"{found[0]} times {factor}", put(found, f"[{float(found[1]) * factor * _UNIT_S[found[2]]:.0f}s]")
    for found in _MATCHER.finditer(expr):
        yield f"without {found[0]}", put(found, "")
    for word, other in WORDS:
        # An increase is above zero where its rate is.
        if word in expr and not (other == "rate(" and "> 0" in expr):
            yield f"{word.strip()} for {other.strip()}", expr.replace(word, other, 1)


def survivors(promtool: Path, cases: Path, settings: Settings) -> tuple[list[Mutant], int]:
    """Mutants that no case noticed, and how many there were. Raises ValueError where cases fail without a change."""
    table, cases_table = yaml.safe_load(render(settings)), yaml.safe_load(cases.read_text())
    for group in table["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations", None)
    made = [
        (group, index, mutant)
        for group, content in enumerate(table["groups"])
        for index, rule in enumerate(content["rules"])
        for mutant in mutants(rule)
    ]

    def passes(group: dict[str, Any], name: str) -> bool:
        # Rules read no alerts of other groups, and promtool takes its time for each rule.
        neighbours = {_name(rule) for rule in group["rules"]}
        return _passes(promtool, yaml.safe_dump({"groups": [group]}), _about(name, neighbours, cases_table))

    def lives(entry: tuple[int, int, Mutant]) -> bool:
        group, index, mutant = entry
        changed = deepcopy(table["groups"][group])
        changed["rules"][index] = mutant.rule
        return passes(changed, mutant.name)

    with ThreadPoolExecutor(max_workers=2) as pool:
        unchanged = [(group, _name(rule)) for group in table["groups"] for rule in group["rules"]]
        passed = pool.map(lambda one: passes(*one), unchanged)
        broken = [name for (_, name), ok in zip(unchanged, passed, strict=True) if not ok]
        if broken:
            raise ValueError(f"cases that fail without a change notice none: {', '.join(broken)}")
        return [entry[2] for entry, alive in zip(made, pool.map(lives, made), strict=True) if alive], len(made)


def _about(name: str, neighbours: Set[str], cases: dict[str, Any]) -> str:
    """The cases of this rule, and what they say of its group: the others cannot notice, and promtool is slow."""
    tests = [
        test | {"alert_rule_test": [case for case in _alerts(test) if case["alertname"] in neighbours]}
        for test in cases["tests"]
        if any(case["alertname"] == name for case in _alerts(test)) or name in str(test.get("promql_expr_test", ""))
    ]
    # Between samples that are minutes apart nothing changes, and cases of days would be evaluated each minute.
    intervals = {test["interval"] for test in tests}
    pace = {"evaluation_interval": intervals.pop()} if len(intervals) == 1 else {}
    return yaml.safe_dump(cases | pace | {"tests": tests})


def _alerts(test: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = test.get("alert_rule_test", [])
    return found


def _passes(promtool: Path, rules: str, cases: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rules.yml").write_text(rules)
        (Path(folder) / "cases.yml").write_text(cases)
        command = [str(promtool), "test", "rules", "cases.yml"]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def main(arguments: Sequence[str]) -> int:
    promtool = find(Settings(), "promtool")
    if promtool is None:
        print(f"promtool is missing: {how_to_get('promtool')}", file=sys.stderr)
        return exits.USAGE
    alive, number = survivors(promtool.absolute(), Path(arguments[0]), SETTINGS)
    for mutant in alive:
        print(f"not noticed: {mutant.name}: {mutant.change}")
    print(f"{number - len(alive)} of {number} changes noticed ({(number - len(alive)) / number:.1%})")
    return exits.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
