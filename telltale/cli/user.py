"""`telltale user`."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from telltale import exits
from telltale.settings import load

if TYPE_CHECKING:
    from telltale.store import Store

ROLES = ("viewer", "reviewer", "adjudicator", "admin")


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add a person; the password is asked for")
    add.add_argument("name")
    add.add_argument("--role", choices=ROLES, default="viewer", help="default: %(default)s")
    passwd = actions.add_parser("passwd", help="change a password; ends the person's sessions")
    passwd.add_argument("name")
    for action in (add, passwd):
        action.add_argument("--password-file", type=Path, help="read the password from a file instead of asking")
    role = actions.add_parser("role", help="change a role; ends the person's sessions")
    role.add_argument("name")
    role.add_argument("role", choices=ROLES)
    disable = actions.add_parser("disable", help="end a person's sessions and let them in no more")
    disable.add_argument("name")
    actions.add_parser("list", help="everybody, with role and state")


def run(args: argparse.Namespace) -> int:
    from telltale.store import open_configured, open_existing

    settings = load(args.config)
    # The first person may be added before the first start.
    store = open_configured(settings) if args.action == "add" else open_existing(settings)
    try:
        return _act(args, store)
    except (ValueError, LookupError, OSError) as error:
        print(error.args[0] if isinstance(error, LookupError) else error, file=sys.stderr)
        return exits.FAILED
    finally:
        store.close()


def _act(args: argparse.Namespace, store: Store) -> int:
    from telltale.web import people

    actor, now = actor_here(), time.time()
    if args.action == "add":
        people.add(store, name=args.name, role=args.role, password=_password(args), actor=actor, now=now)
        print(f"{args.name} is {args.role} in the store {store.place}")
    elif args.action == "passwd":
        people.set_password(store, name=args.name, password=_password(args), actor=actor, now=now)
    elif args.action == "role":
        people.set_role(store, name=args.name, role=args.role, actor=actor, now=now)
    elif args.action == "disable":
        people.disable(store, name=args.name, actor=actor, now=now)
    else:
        for person in people.everyone(store):
            print(f"{person.name:<24} {person.role:<12} {'disabled' if person.disabled_at else 'active'}")
    return exits.OK


def actor_here() -> str:
    """The name under which the audit log records what this command does."""
    return f"{getpass.getuser()} (command)"


def _password(args: argparse.Namespace) -> str:
    if args.password_file:
        return str(args.password_file.read_text().rstrip("\n"))
    if not sys.stdin.isatty():
        raise ValueError("no terminal to ask for the password: use --password-file")
    first = getpass.getpass(f"password of {args.name}: ")
    if first != getpass.getpass("again: "):
        raise ValueError("the two passwords differ")
    return first
