"""The command `telltale`: the one place that knows the parts, and imports each only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Protocol

from telltale import __version__, exits

COMMANDS = {
    "up": "run the whole stack on this machine",
    "demo": "see the loop: a model drifts, an alert fires, a ticket opens",
    "collect": "receive traces (OTLP), expose metrics, keep samples",
    "gpu": "expose GPU metrics (NVML)",
    "monitor": "score samples and feedback against their reference; list states and references, ask for a new one",
    "web": "serve the pages and the feedback API",
    "tickets": "take alerts and keep tickets",
    "alerts": "list who is told of alerts; say who gets one; send a test",
    "check": "check settings, store, rules and configuration; start nothing",
    "settings": "list every setting with its default and meaning",
    "fetch": "fetch Debian's Prometheus and Alertmanager without installing them",
    "import": "take in feedback from files: CSV, JSONL, exports of Langfuse and TensorZero",
    "rubric": "list, show and publish what reviewers are asked",
    "export": "write the data set of a ticket or a model",
    "erase": "erase all that is kept of a person or a trace",
    "user": "add, list, change and disable people",
    "key": "add, list and revoke API keys",
    "audit": "show the audit log and verify its chain",
    "db": "bring the store's tables up to date, or say their state",
    "rules": "write the alert rules and the configuration of Prometheus and Alertmanager",
    "dashboards": "write the Grafana dashboards and provisioning files",
    "healthy": "ask a running part whether it is healthy",
}


class Command(Protocol):
    """What the module of a command defines."""

    def configure(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see `telltale.exits`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _top()
    split = _command_index(arguments) + 1
    options, rest = parser.parse_known_args(arguments[:split])
    rest += arguments[split:]
    module: Command = importlib.import_module(f"telltale.cli.{options.command}")
    sub = argparse.ArgumentParser(prog=f"telltale {options.command}", description=COMMANDS[options.command] + ".")
    module.configure(sub)
    args = sub.parse_args(rest)
    args.config = options.config
    return _guarded(module, args)


def _guarded(module: Command, args: argparse.Namespace) -> int:
    try:
        return module.run(args)
    except exits.UsageError as error:
        print(error, file=sys.stderr)
        return exits.USAGE
    except _store_unavailable() as error:
        print(f"store: {error} (store.url; `telltale check` shows more)", file=sys.stderr)
        return exits.FAILED
    except KeyboardInterrupt:
        return exits.INTERRUPTED


def _store_unavailable() -> tuple[type[Exception], ...]:
    """The store's own error, where a store is in use: a GPU node has none installed."""
    module = sys.modules.get("telltale.store.errors")
    return (module.StoreUnavailable,) if module else ()


def start_logging(level: str) -> None:
    """One line an event on standard error, with UTC time."""
    import time

    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=level.upper(), format="%(asctime)sZ %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    for chatty in ("alembic", "uvicorn", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _top() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS)) + 2
    listing = "\n".join(f"  {name:<{width}}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="telltale",
        description="Observability and model monitoring for teams that serve language models.",
        epilog=f"commands:\n{listing}\n\n`telltale COMMAND --help` describes each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"telltale {__version__}")
    parser.add_argument(
        "--config", metavar="FILE", help="settings file (default: $TELLTALE_CONFIG, ./telltale.toml, /etc/telltale/)"
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    return parser


def _command_index(arguments: Sequence[str]) -> int:
    """The index of the command's name: all that follows belongs to the command."""
    skip = False
    for index, argument in enumerate(arguments):
        if skip:
            skip = False
        elif argument == "--config":
            skip = True
        elif not argument.startswith("-"):
            return index
    return len(arguments)
