"""`telltale erase`."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from telltale import exits
from telltale.cli import progress
from telltale.cli.user import actor_here
from telltale.settings import load

if TYPE_CHECKING:
    from telltale.store import Store
    from telltale.store.erasure import Found, Target

MOST_LISTED = 20


def configure(parser: argparse.ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--subject", help="a person, as feedback (subject) and traces (user) name them; -: from stdin")
    whose.add_argument("--trace", metavar="TRACE_ID", help="everything under this trace")
    parser.add_argument("--tenant", help="whose person or trace; needed where several tenants know it")
    parser.add_argument("--dry-run", action="store_true", help="count what there is, and erase nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before it is erased")


def run(args: argparse.Namespace) -> int:
    from telltale.store import open_existing
    from telltale.store.erasure import Unclear

    store = open_existing(load(args.config))
    try:
        return _erase(args, store)
    except Unclear as error:
        print(f"{error} with --tenant", file=sys.stderr)
        return exits.USAGE
    finally:
        store.close()


def _erase(args: argparse.Namespace, store: Store) -> int:
    from telltale.store import erasure

    target = _target(args, store)
    found = erasure.count(store, target)
    _show(found)
    if args.dry_run or found.is_empty:
        return exits.OK
    if not args.yes and input("Erase all of it for good? Type yes: ").strip() != "yes":
        print("nothing was erased", file=sys.stderr)
        return exits.FAILED
    erasure.erase(store, target, actor=actor_here(), now=time.time(), progress=progress.show)
    print("erased; backups, and exports named above, still hold what they held")
    return exits.OK


def _target(args: argparse.Namespace, store: Store) -> Target:
    from telltale.store import erasure

    if args.trace:
        trace = args.trace.strip().lower()
        if len(trace) != 32 or set(trace) - set("0123456789abcdef"):
            raise exits.UsageError(f"{args.trace} is no trace id: 32 hex digits")
        return erasure.Target(args.tenant or "", trace)
    subject = sys.stdin.readline().rstrip("\n") if args.subject == "-" else args.subject
    return store.write(lambda connection: erasure.of_subject(connection, subject, args.tenant))


def _show(found: Found) -> None:
    from datetime import UTC, datetime

    counts = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in found.counts.items())
    print(f"{found.name}: {counts}")
    for one in found.exports:
        day = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M")
        held = f"is in the data set {one.of}" if one.id is not None else f"may be in the data set of {one.of}"
        print(f"{held}, which {one.actor} made at {day} UTC (sha256 {one.sha256[:12]})")
    if found.repeated_in:
        more = len(found.repeated_in) - MOST_LISTED
        listed = ", ".join(found.repeated_in[:MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")
        print(f"later calls of the same conversations repeat it, and stay: {listed}")
