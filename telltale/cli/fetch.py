"""`telltale fetch`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from telltale import exits
from telltale.binaries import Component, find, find_in, tools_folder
from telltale.debian import PROMETHEUS, FetchError, Suite, fetch
from telltale.settings import Settings, load

SUITES: tuple[Suite, ...] = ("newest", "stable")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--missing", action="store_true", help="do nothing if both are here already")
    parser.add_argument(
        "--suite",
        choices=SUITES,
        help="newest: Debian's unstable suite; stable: this machine's own release. "
        "Without it the newest Prometheus and Alertmanager that run here, and other packages of this release",
    )
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="unpack there, not where `telltale up` looks")
    parser.add_argument("packages", nargs="*", default=PROMETHEUS, help="Debian packages (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if args.missing and all(_is_here(settings, args.into, one) for one in ("prometheus", "alertmanager")):
        return exits.OK
    folder = args.into or tools_folder(settings)
    try:
        versions = _fetch(args.packages, folder, args.suite)
    except FetchError as error:
        print(error, file=sys.stderr)
        return exits.FAILED
    for component, version in versions.items():
        print(f"fetch: {component} {version}")
    return exits.OK


def _is_here(settings: Settings, folder: Path | None, component: Component) -> bool:
    return bool(find_in(folder, component) if folder else find(settings, component))


def _fetch(packages: list[str], folder: Path, suite: Suite | None) -> dict[str, str]:
    """From the suite that is asked for; nobody asked: the newest, or with a word this machine's own."""
    if suite is None and tuple(packages) == PROMETHEUS:
        try:
            return fetch(packages, folder, _say, "newest")
        except FetchError as error:
            _say(f"no newer ones: {error}; taking those of this release")
    return fetch(packages, folder, _say, suite or "stable")


def _say(step: str) -> None:
    print(f"fetch: {step}", flush=True)
