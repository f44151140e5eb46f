"""`telltale rules`: write the rules and the configuration; the rules for Kubernetes; what they would have done."""

from __future__ import annotations

import argparse
import sys
import time

from telltale import exits
from telltale.cli import progress, stack
from telltale.settings import Settings, load

ABOUT = """\
Without an action it writes them into <data_dir>/generated and prints where."""
EXAMPLES = """\
examples:
  telltale rules
  telltale rules --kubernetes --namespace monitoring --label release=kube-prometheus-stack | kubectl apply -f -
  telltale rules burn-in --days 7

Prometheus finds a PrometheusRule by its labels; which, says kubectl get prometheus -A -o jsonpath='{..ruleSelector}'"""
BURN_IN = """\
Replay every rule over the past of a Prometheus and say what it would have done: how often it would have fired, when,
and whom it would have told. Do this before anybody is woken: a rule that fires every night needs another threshold.
`times` counts how often a rule began to fire; `alerts` counts each series by itself. A rule whose series this
Prometheus does not have is named as not judged. Silences and inhibition are not looked at."""
BURN_IN_EXAMPLES = """\
examples:
  telltale rules burn-in                                  # the last 7 days of the Prometheus of the settings
  telltale rules burn-in --days 1 --prometheus http://prometheus.monitoring:9090
  telltale rules burn-in --json | jq '.rules[] | select(.severity == "page" and .times > 0)'

Exit code 0: nobody would have been called; 4: at least one page; 1: Prometheus cannot be asked."""
MAX_DAYS = 92.0


def configure(parser: argparse.ArgumentParser) -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser.formatter_class = raw
    parser.description, parser.epilog = f"{parser.description} {ABOUT}", EXAMPLES
    parser.add_argument("--kubernetes", action="store_true", help="print the rules as a PrometheusRule instead")
    parser.add_argument("--namespace", default="", help="its namespace (default: where it is applied to)")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="a label of it; repeatable")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", help="none: write the files")
    burn_in = actions.add_parser(
        "burn-in",
        help="what the rules would have done in the past days",
        description=BURN_IN,
        epilog=BURN_IN_EXAMPLES,
        formatter_class=raw,
    )
    burn_in.add_argument("--days", type=_days, default=7.0, help="how far back (default: %(default)g)")
    burn_in.add_argument("--prometheus", metavar="URL", help="which Prometheus (default: that of the settings)")
    burn_in.add_argument("--step", type=float, metavar="SECONDS", help="between evaluations (default: scrape_interval)")
    burn_in.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if args.action == "burn-in":
        return _burn_in(args, settings)
    if args.kubernetes:
        import alerting.rules

        print(alerting.rules.resource(settings, args.namespace, _labels(args.label)), end="")
        return exits.OK
    stack.write_configuration(settings)
    for name in ("rules.yml", "gpu.yml", "prometheus.yml", "alertmanager.yml"):
        print(stack.generated(settings) / name)
    return exits.OK


def _burn_in(args: argparse.Namespace, settings: Settings) -> int:
    import json

    import alerting.rules
    from alerting.burn_in import history, report, table

    step = args.step or settings.prometheus.scrape_interval
    end = time.time() // step * step
    past = history.History(args.prometheus or settings.prometheus_url)
    try:
        groups = alerting.rules.catalogue(settings)
        found = report.burn_in(groups, past, end - args.days * report.DAY_S, end, step, progress.show)
    except history.HistoryError as error:
        print(f"burn-in: {error}", file=sys.stderr)
        return exits.FAILED
    finally:
        past.close()
        progress.show("", 1.0)
    told = table.told(groups, settings)
    print(json.dumps(found.table(), indent=2) if args.json else table.text(found, told))
    return exits.FOUND if found.times("page") else exits.OK


def _labels(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (name, sign, _) in zip(texts, pairs, strict=True) if not (name and sign)]:
        raise exits.UsageError(f"--label {wrong[0]}: not NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= MAX_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days above 0 and up to {MAX_DAYS:g}")
    return days
