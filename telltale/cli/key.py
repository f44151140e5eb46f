"""`telltale key`."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from telltale import exits
from telltale.cli.user import actor_here
from telltale.settings import load

if TYPE_CHECKING:
    from telltale.store import Store

SCOPES = ("feedback:write", "otlp:write", "export:read")


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="create a key for a service; its secret is printed once, and never again")
    add.add_argument("name", help="what it is for")
    add.add_argument(
        "--tenant",
        required=True,
        help="whose calls and feedback it brings; '*': of your own service that serves every tenant",
    )
    add.add_argument("--scope", choices=SCOPES, action="append", required=True, help="may be given more than once")
    add.add_argument("--days", type=float, help="days until it expires (default: never)")
    revoke = actions.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("key_id", help="the eight characters after tt_")
    actions.add_parser("list", help="all keys; secrets are not stored")


def run(args: argparse.Namespace) -> int:
    from telltale.store import open_existing

    store = open_existing(load(args.config))
    try:
        return _act(args, store)
    except (ValueError, LookupError) as error:
        print(error.args[0], file=sys.stderr)
        return exits.FAILED
    finally:
        store.close()


def _act(args: argparse.Namespace, store: Store) -> int:
    from telltale.web import people

    actor, now = actor_here(), time.time()
    if args.action == "add":
        scopes, tenant = args.scope, args.tenant
        print(people.add_key(store, name=args.name, tenant=tenant, scopes=scopes, actor=actor, now=now, days=args.days))
    elif args.action == "revoke":
        people.revoke_key(store, key_id=args.key_id, actor=actor, now=now)
    else:
        for key in people.keys(store):
            state = "revoked" if key.revoked_at else _until(key.expires_at, now)
            print(f"{key.key_id}  {key.tenant:<16} {','.join(key.scopes):<28} {state:<20} {key.name}")
    return exits.OK


def _until(expires_at: float | None, now: float) -> str:
    if expires_at is None:
        return "active"
    day = datetime.fromtimestamp(expires_at, UTC).date().isoformat()
    return f"expired {day}" if expires_at <= now else f"until {day}"
