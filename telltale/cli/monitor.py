"""`telltale monitor`: run the monitors; look at what they say of a model, or ask them for a new reference."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from telltale import exits
from telltale.cli import start_logging
from telltale.settings import Settings, load

if TYPE_CHECKING:
    from telltale.records import Basis
    from telltale.store import Store

BASES: dict[str, tuple[Basis, ...]] = {"calls": ("calls",), "votes": ("votes",), "both": ("calls", "votes")}

ABOUT = """\
Without an action the monitors run until they are ended; with --once they judge what is due, and end. The actions look
into the store, and leave it to the monitors to act on what they write there at their next run (monitor.interval)."""
PIN = """\
Ask for a new reference: what is normal for a series from now on. The monitors make it of the calls, or votes, of the
period at their next run, or refuse it and say why; `telltale monitor references MODEL` shows which."""
CALIBRATE = """\
Judge parts of each current reference against its rest: nothing but chance tells them apart. Prints how many windows
each monitor took for changed, with the 95 % interval, beside the share that it is allowed (monitor.alpha)."""
ONCE = """\
judge what is due, print what the monitors say of each series and why they say nothing of others, and end: with 1 when
a monitor failed"""
BACKTEST = """\
Judge windows of a past time as the monitors would have, with today's settings. Nothing is stored and nobody is told.
They are compared with what they were compared with then; with --reference-from, with the calls and votes of that time.
Prints, by series and monitor: windows; hits, which exceed their threshold, and how many do by chance; suspect windows;
windows in alert, and alerts. Then each alert with what changed most, and what could not be judged, and why. Vectors
that are not stored (monitor.embeddings) are not made. Ends with 1 when a monitor failed."""
BACKTEST_EXAMPLES = """\
examples:
  telltale monitor backtest --from 2026-11-20 --to 2026-11-27
  telltale monitor backtest --from 2026-11-20 --model llama-3 --reference-from 2026-11-13 --reference-to 2026-11-20
  telltale monitor backtest --from 2026-11-20 --json | jq '.series[].monitors[] | select(.alerts > 0)'

Times are UTC where they name no zone."""
DIGEST = """\
List the series that changed in the last day, the most certain first. One p-value a series of all its windows and
signals (Simes), then Benjamini and Hochberg over all series: at most a tenth of what is listed did not change.
Nobody is paged: alerts are what `telltale monitor states` says."""
PIN_EXAMPLES = """\
examples:
  telltale monitor pin llama-3 --version 2026-11 --last 7d --why "new prompt template, on purpose"
  telltale monitor pin llama-3 --version 7b-1 --tenant acme --from 2026-11-20 --to 2026-11-27T12:00 --why "usual week"
  telltale monitor pin llama-3 --version 2026-11 --segment app=checkout,language=ko --last 3d --basis both --why "..."

Times are UTC where they name no zone. `telltale monitor states MODEL` lists the series with their names."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = f"{parser.description} {ABOUT}"
    parser.add_argument("--once", action="store_true", help=ONCE)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", help="none: run the monitors")
    raw = argparse.RawDescriptionHelpFormatter
    pin = actions.add_parser(
        "pin", help="ask for a new reference of a period", description=PIN, epilog=PIN_EXAMPLES, formatter_class=raw
    )
    pin.add_argument("model")
    pin.add_argument("--version", required=True, help="the model's version")
    pin.add_argument("--tenant", default="", help="of a series of one tenant ([[monitor.series]])")
    pin.add_argument("--segment", default="", help="of a series of a segment: app=checkout,language=ko")
    pin.add_argument(
        "--from", dest="begins", metavar="TIME", help="begin of the period: 2026-11-20 or 2026-11-20T14:00+09:00"
    )
    pin.add_argument("--to", dest="ends", metavar="TIME", help="its end (default: now)")
    pin.add_argument("--last", metavar="LENGTH", help="the period up to now instead: 12h, 7d")
    pin.add_argument("--why", required=True, metavar="TEXT", help="what it is; pages and the audit log show it")
    pin.add_argument("--basis", choices=BASES, default="calls", help="what it is made of (default: %(default)s)")
    known = actions.add_parser("references", help="list references: current, old, asked for, refused")
    known.add_argument("model", nargs="?", help="default: the current ones of all models")
    calibrate = actions.add_parser(
        "calibrate", help="how often each monitor takes unchanged traffic for changed", description=CALIBRATE
    )
    calibrate.add_argument("model", nargs="?", help="default: all models")
    actions.add_parser(
        "digest", help="list which series changed in the last day, over the whole fleet", description=DIGEST
    )
    explain = actions.add_parser("explain", help="say what a score found: a sentence, every figure, typical texts")
    explain.add_argument("score", type=int, metavar="SCORE", help="its number, as `telltale monitor states` prints it")
    explain.add_argument("--json", action="store_true", help="the same as JSON")
    past = actions.add_parser(
        "backtest",
        help="what the monitors would have said of a past time",
        description=BACKTEST,
        epilog=BACKTEST_EXAMPLES,
        formatter_class=raw,
    )
    past.add_argument("--from", dest="begins", metavar="TIME", required=True, help="begin of the time that is judged")
    past.add_argument("--to", dest="ends", metavar="TIME", help="its end (default: now)")
    past.add_argument("--model", help="default: all models")
    past.add_argument("--reference-from", metavar="TIME", help="compare with a reference of a time that begins here")
    past.add_argument("--reference-to", metavar="TIME", help="its end (default: where what is judged begins)")
    past.add_argument("--json", action="store_true", help="print one JSON document")
    states = actions.add_parser("states", help="list series with what each monitor says of them, and why")
    states.add_argument("model", nargs="?", help="default: all models")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if args.action is None:
        return _once(settings) if args.once else _serve(settings)
    if args.once:
        raise exits.UsageError(f"telltale monitor: --once runs the monitors; it goes with no action ({args.action})")
    from telltale.pinning import CannotAsk
    from telltale.store import open_existing

    store = open_existing(settings)
    try:
        if args.action in ("backtest", "calibrate"):
            return (_backtest if args.action == "backtest" else _calibrate)(args, settings, store)
        if args.action == "digest":
            return _digest(store)
        if args.action == "explain":
            return _explain(args, store)
        return _pin(args, settings, store) if args.action == "pin" else _list(args, store)
    except CannotAsk as error:
        raise exits.UsageError(f"telltale monitor {args.action}: {error}") from None
    finally:
        store.close()


def _serve(settings: Settings) -> int:
    import monitors

    start_logging(settings.log_level)
    return monitors.main(settings)


def _once(settings: Settings) -> int:
    import monitors
    from telltale.cli import monitor_lists, progress
    from telltale.store import open_configured

    start_logging(settings.log_level)
    store = open_configured(settings)
    try:
        new, failed = monitors.once(settings, store, progress.show)
        progress.show("", 1.0)
        with store.read() as connection:
            print("\n".join(monitor_lists.states(connection, None)))
    finally:
        store.close()
    print(f"{new:,} new scores" + (f"; FAILED: {', '.join(failed)} (the log says where)" if failed else ""))
    return exits.FAILED if failed else exits.OK


def _backtest(args: argparse.Namespace, settings: Settings, store: Store) -> int:
    """Raises CannotAsk."""
    import monitors
    from telltale import pinning
    from telltale.cli import progress

    now, retention = time.time(), settings.store.retention
    span = pinning.parse_time(args.begins), pinning.parse_time(args.ends) if args.ends else now
    pinning.check_period(*span, now, retention)
    reference = None
    if args.reference_from is not None:
        reference = (
            pinning.parse_time(args.reference_from),
            pinning.parse_time(args.reference_to) if args.reference_to else span[0],
        )
        pinning.check_period(*reference, now, retention)
    elif args.reference_to is not None:
        raise pinning.CannotAsk("with --reference-to say --reference-from")
    lines, document, is_whole = monitors.look_back(settings, store, span, args.model, reference, progress.show)
    progress.show("", 1.0)
    begins, ends = (pinning.written(at) for at in span)
    if args.json:
        print(json.dumps({"from": begins, "to": ends, "series": document}, ensure_ascii=False, indent=2))
    else:
        compared = " to ".join(map(pinning.written, reference)) if reference else "what was in force then"
        print(f"{begins} to {ends}, compared with {compared}")
        print("\n".join(lines))
    return exits.OK if is_whole else exits.FAILED


def _digest(store: Store) -> int:
    import monitors
    from telltale.terminal import harmless

    print("\n".join(map(harmless, monitors.changed(store, time.time()))))
    return exits.OK


def _list(args: argparse.Namespace, store: Store) -> int:
    from telltale.cli import monitor_lists

    listed = {"references": monitor_lists.references, "states": monitor_lists.states}[args.action]
    with store.read() as connection:
        for line in listed(connection, args.model):
            print(line)
    return exits.OK


def _explain(args: argparse.Namespace, store: Store) -> int:
    """Raises CannotAsk."""
    from telltale.cli import monitor_explain

    with store.read() as connection:
        if args.json:
            print(monitor_explain.as_json(connection, args.score))
            return exits.OK
        for line in monitor_explain.explain(connection, args.score):
            print(line)
    return exits.OK


def _calibrate(args: argparse.Namespace, settings: Settings, store: Store) -> int:
    import monitors
    from telltale.cli import progress

    lines = monitors.calibrate(settings, store, args.model, progress.show)
    progress.show("", 1.0)
    print("\n".join(lines))
    return exits.OK


def _pin(args: argparse.Namespace, settings: Settings, store: Store) -> int:
    """Raises CannotAsk."""
    from telltale import pinning
    from telltale.cli.user import actor_here
    from telltale.records import Series

    now, actor = time.time(), actor_here()
    series = Series(args.model, args.version, args.tenant, args.segment)
    begins, ends = _period(args, now)
    request = pinning.Request(series, BASES[args.basis], begins, ends, args.why)
    rules, retention = settings.redaction.rules, settings.store.retention
    store.write(lambda c: pinning.ask(c, request, actor=actor, now=now, retention=retention, rules=rules))
    print(
        f"asked for a reference of {' '.join(filter(None, series))} from {pinning.written(begins)} "
        f"to {pinning.written(ends)}: the monitors make it at their next run"
    )
    return exits.OK


def _period(args: argparse.Namespace, now: float) -> tuple[float, float]:
    """Raises CannotAsk."""
    from telltale.pinning import CannotAsk, parse_time
    from telltale.settings.values import parse_seconds

    if (args.last is None) == (args.begins is None):
        raise CannotAsk("say which period: either --last 7d, or --from and --to")
    if args.begins is not None:
        return parse_time(args.begins), parse_time(args.ends) if args.ends else now
    if args.ends is not None:
        raise CannotAsk("--last ends now; with --to say --from")
    try:
        return now - parse_seconds(args.last), now
    except ValueError as error:
        raise CannotAsk(f"--last {args.last!r}: {error}") from None
