"""`telltale db`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from telltale import exits
from telltale.settings import load

if TYPE_CHECKING:
    from sqlalchemy import Connection


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
            print(f"{shown(url)}: revision {found or 'none'}, newest {HEAD}")
            if found == HEAD:
                with engine.begin() as connection:
                    print(_contents(connection, settings.store.max_bytes))
        finally:
            engine.dispose()
    return exits.OK if found == HEAD else exits.FAILED


def _contents(connection: Connection, max_bytes: int) -> str:
    """How much there is, and how much of it an older version wrote."""
    from telltale.store import moving, samples, size

    limit = f" of store.max_bytes = {max_bytes:,}" if max_bytes else ""
    left = moving.left(connection)
    rest = f"; the collector still has to move the texts of up to {left:,} into blocks" if left else ""
    return f"{samples.count(connection):,} samples, {size.used(connection):,} bytes in use{limit}{rest}"
