"""`telltale healthy PART`: for health checks of containers, which have no curl."""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request

from telltale import exits
from telltale.settings import load

PATHS = {
    "collect": "collector.metrics_listen",
    "gpu": "gpu.listen",
    "monitor": "monitor.listen",
    "tickets": "tickets.listen",
    "web": "web.listen",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", choices=PATHS, help="which part")


def run(args: argparse.Namespace) -> int:
    section, _, key = PATHS[args.part].partition(".")
    address: str = getattr(getattr(load(args.config), section), key)
    # A part that listens on every interface is asked on loopback.
    url = f"http://{address.replace('0.0.0.0', '127.0.0.1').replace('[::]', '[::1]')}/-/healthy"  # noqa: S104 - no bind
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            response.read()
    except (urllib.error.URLError, OSError) as error:
        print(f"{args.part}: {url}: {error}", file=sys.stderr)
        return exits.FAILED
    return exits.OK
