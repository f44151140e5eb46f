"""`telltale db`."""

from __future__ import annotations

import argparse

from telltale import exits
from telltale.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("upgrade", "status"), help="bring the tables up to date, or say their state")


def run(args: argparse.Namespace) -> int:
    from telltale.store import open_configured, require_existing
    from telltale.store.engine import explained, make_reader, parse_url, shown
    from telltale.store.migrations import HEAD, current

    settings = load(args.config)
    if args.action == "upgrade":
        open_configured(settings).close()
    require_existing(settings)
    url = parse_url(settings.store_url)
    with explained(url):
        engine = make_reader(url, settings.store.busy_timeout)
        try:
            found = current(engine)
        finally:
            engine.dispose()
    print(f"{shown(url)}: revision {found or 'none'}, newest {HEAD}")
    return exits.OK if found == HEAD else exits.FAILED
