"""`telltale monitor`: run the monitors; look at what they say of a model, or ask them for a new reference."""

from __future__ import annotations

import argparse
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
Without an action the monitors run until they are ended. The actions look into the store, and leave it to the monitors
to act on what they write there at their next run (monitor.interval)."""
PIN = """\
Ask for a new reference: what is normal for a series from now on. The monitors make it of the calls, or votes, of the
period at their next run, or refuse it and say why; `telltale monitor references MODEL` shows which."""
CALIBRATE = """\
Judge parts of each current reference against its rest: nothing but chance tells them apart. Prints how many windows
each monitor took for changed, with the 95 % interval, beside the share that it is allowed (monitor.alpha)."""
PIN_EXAMPLES = """\
examples:
  telltale monitor pin llama-3 --version 2026-11 --last 7d --why "new prompt template, on purpose"
  telltale monitor pin llama-3 --version 7b-1 --tenant acme --from 2026-11-20 --to 2026-11-27T12:00 --why "usual week"
  telltale monitor pin llama-3 --version 2026-11 --segment app=checkout,language=ko --last 3d --basis both --why "..."

Times are UTC where they name no zone. `telltale monitor states MODEL` lists the series with their names."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = f"{parser.description} {ABOUT}"
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
    explain = actions.add_parser("explain", help="say what a score found: a sentence, every figure, typical texts")
    explain.add_argument("score", type=int, metavar="SCORE", help="its number, as `telltale monitor states` prints it")
    explain.add_argument("--json", action="store_true", help="the same as JSON")
    states = actions.add_parser("states", help="list series with what each monitor says of them, and why")
    states.add_argument("model", nargs="?", help="default: all models")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if args.action is None:
        return _serve(settings)
    from telltale.pinning import CannotAsk
    from telltale.store import open_existing

    store = open_existing(settings)
    try:
        if args.action == "calibrate":
            return _calibrate(args, settings, store)
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
