"""How good are the rules' cases? Change one thing in one rule; a case must notice.

`python -m alerting.rules.survivors RULES_TEST.yml…` prints each change that no case noticed, and the share that was.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from alerting.rules import render
from alerting.rules.mutants import Mutant, mutants
from telltale import exits
from telltale.binaries import find, how_to_get
from telltale.settings import Settings

# What the cases are written for: with the default span of a reference they would take days of evaluations.
SETTINGS = Settings.model_validate({"monitor": {"reference_span": 0}})
# One for each file, in their order; Prometheus 3 names no files.
_VERDICT = re.compile(r"^  (SUCCESS|FAILED)", re.M)


Rules = Sequence[Mapping[str, Any]]


def survivors(promtool: Path, files: Sequence[Path], settings: Settings) -> tuple[list[Mutant], int]:
    """Mutants that no case noticed, and how many there were. Raises ValueError where cases fail without a change."""
    rules, tests = bare(settings), [test for file in files for test in cases(file)]

    def alive(rule: Mapping[str, Any]) -> tuple[list[Mutant], int]:
        made = list(mutants(dict(rule)))
        judges = {name_of(rule)} if "alert" in rule else _readers(name_of(rule), rules)
        needed = read(judges, rules)
        changed = ([mutant.rule if one is rule else one for one in needed] for mutant in made)
        unchanged, *passed = _pass(promtool, [needed, *changed], _about(judges, tests))
        if not unchanged:
            raise ValueError(f"cases of {name_of(rule)} fail without a change, so they notice none")
        return [mutant for mutant, lives in zip(made, passed, strict=True) if lives], len(made)

    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(alive, rules))
    return [mutant for lives, _ in found for mutant in lives], sum(number for _, number in found)


def bare(settings: Settings) -> Rules:
    """Every rule without its annotations, as in the rule file: their wording is tested apart."""
    made = [rule for group in yaml.safe_load(render(settings))["groups"] for rule in group["rules"]]
    return [{key: value for key, value in rule.items() if key != "annotations"} for rule in made]


def cases(file: Path) -> list[dict[str, Any]]:
    """The tests of a file, each with the `pace` of its evaluations: between samples nothing changes."""
    table = yaml.safe_load(file.read_text())
    pace = table["evaluation_interval"]
    return [{**test, "pace": test["interval"] if pace == "1m" else pace} for test in table["tests"]]


def name_of(rule: Mapping[str, Any]) -> str:
    """The name of an alert or of a recorded series."""
    return str(rule.get("alert") or rule["record"])


def read(names: Set[str], rules: Rules) -> Rules:
    """These rules and those that they read, recorded series and alerts, in the order of the rule file."""
    wanted, todo = set(names), list(names)
    while todo:
        name = todo.pop()
        readers = [rule for rule in rules if name_of(rule) == name]
        reads = {name_of(one) for one in rules if any(_reads(reader, name_of(one)) for reader in readers)} - wanted
        wanted |= reads
        todo += reads
    return [one for one in rules if name_of(one) in wanted]


def _reads(reader: Mapping[str, Any], name: str) -> bool:
    return re.search(rf"(?<![\w:]){re.escape(name)}(?![\w:])", reader["expr"]) is not None


def _readers(name: str, rules: Rules) -> set[str]:
    """A recorded series, and every rule that reads it or what was made of it."""
    found, new = {name}, {name}
    while new:
        new = {name_of(rule) for rule in rules if any(_reads(rule, one) for one in new)} - found
        found |= new
    return found


def _about(names: Set[str], tests: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The cases of these rules: the others cannot notice, and take their time."""
    chosen = []
    for test in tests:
        alerts = [case for case in test.get("alert_rule_test", ()) if case["alertname"] in names]
        series = [case for case in test.get("promql_expr_test", ()) if any(_reads(case, name) for name in names)]
        if alerts or series:
            chosen.append({**test, "alert_rule_test": alerts, "promql_expr_test": series})
    return chosen


def _pass(
    promtool: Path, variants: Sequence[Sequence[Mapping[str, Any]]], tests: Sequence[Mapping[str, Any]]
) -> list[bool]:
    """Which of these sets of rules the cases pass: one process for all, because promtool takes its time to start."""
    paces = sorted({test["pace"] for test in tests})
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, rules in enumerate(variants):
            (Path(folder) / f"{number}.rules.yml").write_text(_yaml({"groups": [{"name": "rules", "rules": rules}]}))
            for pace in paces:
                own = [{k: v for k, v in test.items() if k != "pace"} for test in tests if test["pace"] == pace]
                table = {"rule_files": [f"{number}.rules.yml"], "evaluation_interval": pace, "tests": own}
                names.append(f"{number}.{pace}.yml")
                (Path(folder) / names[-1]).write_text(_yaml(table))
        command = [str(promtool), "test", "rules", *names]
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    verdicts = _VERDICT.findall(done.stdout)
    if len(verdicts) != len(names):
        raise ValueError(f"promtool judged {len(verdicts)} of {len(names)} files: {done.stdout[:500]}")
    passed = {name for name, verdict in zip(names, verdicts, strict=True) if verdict == "SUCCESS"}
    return [all(f"{number}.{pace}.yml" in passed for pace in paces) for number in range(len(variants))]


def _yaml(value: object) -> str:
    return yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def main(arguments: Sequence[str]) -> int:
    promtool = find(Settings(), "promtool")
    if promtool is None:
        print(f"promtool is missing: {how_to_get('promtool')}", file=sys.stderr)
        return exits.USAGE
    alive, number = survivors(promtool.absolute(), [Path(file) for file in arguments], SETTINGS)
    for mutant in alive:
        print(f"not noticed: {mutant.name}: {mutant.change}")
    print(f"{number - len(alive)} of {number} changes noticed ({(number - len(alive)) / number:.1%})")
    return exits.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
