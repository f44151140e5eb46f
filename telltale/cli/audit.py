"""`telltale audit`."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from telltale import exits
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verify", action="store_true", help="check the chain of hashes; exit code 1 if it is broken")
    parser.add_argument("--limit", type=int, default=50, help="newest entries to show (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    from telltale.store import audit, open_existing

    store = open_existing(load(args.config))
    try:
        with store.read() as connection:
            if args.verify:
                return _verify(audit.verify(connection))
            for entry in reversed(audit.entries(connection, args.limit)):
                when = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds")
                print(f"{when} {entry.actor:<16} {entry.action:<20} {entry.subject} {dict(entry.details) or ''}")
    finally:
        store.close()
    return exits.OK


def _verify(broken: int | None) -> int:
    if broken is None:
        print("the audit log's chain is whole")
        return exits.OK
    print(f"the audit log's chain breaks at entry {broken}: it or the one before was changed", file=sys.stderr)
    return exits.FAILED
