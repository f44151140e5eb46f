"""`telltale rubric`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from telltale import exits
from telltale.cli.user import actor_here
from telltale.settings import load

if TYPE_CHECKING:
    from telltale.store import Store


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="all rubrics with their versions")
    show = actions.add_parser("show", help="write the newest version of a rubric as TOML")
    show.add_argument("name")
    publish = actions.add_parser("publish", help="make a rubric, or its next version, from TOML")
    publish.add_argument("file", type=Path, help="as `telltale rubric show` writes it")


def run(args: argparse.Namespace) -> int:
    from telltale.labels import InvalidLabel
    from telltale.store import open_existing

    store = open_existing(load(args.config))
    try:
        return _act(args, store)
    except (InvalidLabel, LookupError, OSError, UnicodeError) as error:
        print(error.args[0] if isinstance(error, LookupError) else error, file=sys.stderr)
        return exits.FAILED
    finally:
        store.close()


def _act(args: argparse.Namespace, store: Store) -> int:
    from feedback.labelling import rubric_file
    from telltale.labels import DEFAULT
    from telltale.store.review import rubrics

    if args.action == "publish":
        wanted = rubric_file.read(args.file.read_text(encoding="utf-8"))
        made = store.write(lambda c: rubrics.publish(c, wanted, actor=actor_here(), now=time.time()))
        print(f"{made.name} is at version {made.number}")
        return exits.OK
    with store.read() as connection:
        if args.action == "list":
            for one in rubrics.all_newest(connection):
                print(f"{one.name:<32} version {one.number}: {', '.join(field.name for field in one.fields)}")
            return exits.OK
        found = rubrics.newest(connection, args.name) or (DEFAULT if args.name == DEFAULT.name else None)
    if found is None:
        raise LookupError(f"there is no rubric {args.name}")
    print(rubric_file.write(found), end="")
    return exits.OK
