"""Do the rules sleep through a clean week and wake for incidents? Replayed by promtool with every rule as it ships.

    python -m benchmarks.rules_week [--days 8] [--seed 1] [--only TEXT]

First `--days` of the healthy world, in which nothing but the watchdog may fire; then each incident in a world of its
own, after as many days as its rule compares it with, and its alert must fire in time. Prints what fired,
and exits 1 where the days are not clean or an incident is missed. Two cores need about half an hour.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from alerting.rules.survivors import Rules, bare
from benchmarks.rules_world import DAY, INCIDENTS, Incident, Values, World, healthy
from telltale.binaries import find
from telltale.settings import Settings

FIRST = 'min by (alertname) (min_over_time(timestamp(ALERTS{alertstate="firing",alertname!="Watchdog"})[%dm:1m]))'
_GOT = re.compile(r'\{alertname="(\w+)"\} ([-+.\dE]+)')
NONE = "NobodyIsCalledThis"


def replay(promtool: Path, rules: Rules, world: World) -> dict[str, float]:
    """Every alert that fired in a world, and in which minute it began to."""
    query = {"expr": FIRST % world.minutes, "eval_time": f"{world.minutes - 1}m"}
    # What promtool expects and does not find it prints beside what it got.
    query["exp_samples"] = [{"labels": f'{{alertname="{NONE}"}}', "value": 0}]  # type: ignore[assignment]  # YAML
    series = [{"series": name, "values": written(values)} for name, values in world.series().items()]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": [query]}]
    with tempfile.TemporaryDirectory() as folder:
        table = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
        _write(Path(folder) / "rules.yml", {"groups": [{"name": "rules", "rules": list(rules)}]})
        _write(Path(folder) / "test.yml", table)
        command = [str(promtool), "test", "rules", "test.yml"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if "got:" not in done.stdout + done.stderr:
        raise RuntimeError(f"promtool could not replay it: {done.stdout}{done.stderr}")
    got = (done.stdout + done.stderr).partition("got:")[2]
    return {name: float(at) / 60 for name, at in _GOT.findall(got) if name != NONE}


def written(values: Values) -> str:
    """Samples as promtool reads them; equal ones that follow each other are written once."""
    words: list[str] = []
    start = 0
    for end in range(1, len(values) + 1):
        if end == len(values) or values[end] != values[start]:
            value, count = values[start], end - start
            if value is None:
                words.append(f"_x{count}")
            else:
                words.append(f"{value:.10g}" if count == 1 else f"{value:.10g}x{count - 1}")
            start = end
    return " ".join(words)


def with_incident(incident: Incident, seed: int) -> World:
    """A healthy world in which it happens, a little longer than its alert may take."""
    end = incident.start + incident.minutes + 10
    world = healthy(end, seed)
    incident.happen(world, range(incident.start, end))
    return world


def missed(incident: Incident, fired: Mapping[str, float]) -> str:
    """What is wrong with what fired, or nothing."""
    at = fired.get(incident.alert)
    early = sorted(name for name, when in fired.items() if when < incident.start)
    if early:
        return f"before it happened: {', '.join(early)}"
    if at is None:
        return f"{incident.alert} did not fire"
    late = at - incident.start
    return f"{incident.alert} fired after {late:.0f} minutes" if late > incident.minutes else ""


def _write(file: Path, table: object) -> None:
    file.write_text(yaml.dump(table, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), width=1 << 30))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="incidents whose alert contains this, and no clean days")
    args = parser.parse_args(arguments)
    promtool = find(Settings(), "promtool")
    if promtool is None:
        parser.error("promtool is missing: telltale fetch")
    rules, wrong = bare(Settings()), 0
    if not args.only:
        fired = replay(promtool.absolute(), rules, healthy(args.days * DAY, args.seed))
        print(f"{args.days} clean days: {fired or 'nothing fired'}", flush=True)
        wrong += bool(fired)
    chosen = [one for one in INCIDENTS if args.only in one.alert]

    def found(incident: Incident) -> tuple[str, Mapping[str, float]]:
        fired = replay(promtool.absolute(), rules, with_incident(incident, args.seed))
        return missed(incident, fired), {name: at - incident.start for name, at in fired.items()}

    with ThreadPoolExecutor(max_workers=2) as pool:
        for incident, (why, heard) in zip(chosen, pool.map(found, chosen), strict=True):
            also = ", ".join(f"{name} +{at:.0f} min" for name, at in sorted(heard.items(), key=lambda x: x[1]))
            print(f"{'MISSED' if why else 'found'}  {incident.name}: {why or also}", flush=True)
            wrong += bool(why)
    print(f"{len(chosen)} incidents, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
