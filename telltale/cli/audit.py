"""`telltale audit`."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from telltale import exits
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("show", "verify"), default="show", help="default: %(default)s")
    parser.add_argument("--verify", action="store_true", help="as verify: check chain and head; exit code 1 if broken")
    parser.add_argument("--limit", type=int, default=50, help="newest entries to show (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    from telltale.store import audit, open_existing

    store = open_existing(load(args.config))
    try:
        with store.read() as connection:
            if args.verify or args.action == "verify":
                return _verify(audit.fault(connection, store.head))
            for entry in reversed(audit.entries(connection, args.limit)):
                when = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds")
                print(f"{when} {entry.actor:<16} {entry.action:<20} {entry.subject} {dict(entry.details) or ''}")
    finally:
        store.close()
    return exits.OK


def _verify(fault: str | None) -> int:
    if fault is None:
        print("the audit log's chain is whole")
        return exits.OK
    print(fault, file=sys.stderr)
    return exits.FAILED
