"""`telltale alerts`: who is told of what; which receivers get an alert; one test message."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from telltale import exits
from telltale.binaries import find, how_to_get
from telltale.cli import alertmanager
from telltale.settings import Receiver, Settings, load

ABOUT = """\
Without an action it lists receivers and teams. Receivers are [[receivers]] of the settings, and those of
alertmanager.fragment_file."""
ROUTE = """\
Say who is told of an alert with these labels, by the configuration that the settings give. Silences, inhibition and
mute times are not looked at. Exit code 0: somebody is told; 1: nobody, though a ticket may open."""
ROUTE_EXAMPLES = """\
examples:
  telltale alerts route severity=page model=support lane=retrain
  telltale alerts route severity=ticket component=gpu instance=node-7:9466 && echo "somebody is told"

An alert of a rule has all of: alertname, severity (page, ticket, info), lane (retrain, ops, tenant), component; many
have model, version, tenant. `telltale rules` prints where the rules are."""
TEST = """\
Send one message to one receiver, and to no other, through the Alertmanager that runs, and wait until it is delivered
or given up. The message says that it is a test, and that it is over after a minute. Exit code 0: delivered;
1: not delivered, with what is known of the reason; 2: no such receiver."""
TEST_EXAMPLES = """\
examples:
  telltale alerts test oncall

Alertmanager counts what it could not deliver: alertmanager_notifications_failed_total{integration="…"}. The rule
AlertmanagerNotificationsFailing watches it, so a receiver that stops working later opens a ticket."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = f"{parser.description} {ABOUT}"
    raw = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", metavar="ACTION", help="none: list receivers and teams")
    route = actions.add_parser(
        "route", help="who is told of an alert with these labels", description=ROUTE, epilog=ROUTE_EXAMPLES,
        formatter_class=raw,
    )  # fmt: skip
    route.add_argument("labels", nargs="+", metavar="LABEL=VALUE")
    test = actions.add_parser(
        "test", help="send one test message", description=TEST, epilog=TEST_EXAMPLES, formatter_class=raw
    )
    test.add_argument("receiver", metavar="RECEIVER")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if args.action == "route":
        return _route(settings, _labels(args.labels))
    if args.action == "test":
        return _test(settings, args.receiver)
    for line in _listing(settings):
        print(line)
    return exits.OK


def _listing(settings: Settings) -> Iterator[str]:
    from alerting.config import fragment, needs

    if not settings.receivers:
        yield "no [[receivers]]: alerts open tickets, and nobody is told"
    for receiver in settings.receivers:
        need = f"needs Alertmanager {needs.written(needs.least(receiver)[0])} or newer"
        yield f"{receiver.name:<20} {receiver.kind:<10} {_gets(receiver, settings)}; {need}"
    file = settings.alertmanager.fragment_file
    for name in fragment.receivers(fragment.read(file)):
        yield f"{name:<20} {'own':<10} what the routes of {file} give it"
    for team in settings.teams:
        yield f"team {team.name}: {_owned(team.model_dump())}; told through {', '.join(team.receivers) or 'nobody'}"


def _gets(receiver: Receiver, settings: Settings) -> str:
    if receiver.deadman:
        return "the Watchdog alert every 30 seconds"
    only = {"lane": receiver.lanes, "model": receiver.models, "tenant": receiver.tenants}
    limits = [f"{label} {' or '.join(values)}" for label, values in only.items() if values]
    teams = [team.name for team in settings.teams if receiver.name in team.receivers]
    return ", ".join([f"severity {' or '.join(receiver.told_of)}", *limits, *(f"of team {name}" for name in teams)])


def _owned(team: dict[str, tuple[str, ...]]) -> str:
    found = [f"{key} {', '.join(team[key])}" for key in ("models", "tenants", "lanes", "components") if team[key]]
    return "; ".join(found) or "all that is left"


def _labels(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        label, equals, value = text.partition("=")
        if not equals or not label.isidentifier():
            raise exits.UsageError(f"{text}: write LABEL=VALUE, such as severity=page")
        found[label] = value
    return found


def _route(settings: Settings, labels: dict[str, str]) -> int:
    from alerting.teams import team_of

    told = _told(settings, labels)
    kinds = {receiver.name: receiver.kind for receiver in settings.receivers}
    people = [f"{name} ({kinds.get(name, 'alertmanager.fragment_file')})" for name in told if name != "tickets"]
    print(f"team: {team_of(labels, settings) or 'nobody is named'}")
    print(f"ticket: {'yes' if 'tickets' in told else 'no'}")
    print(f"told: {', '.join(people) or 'nobody'}")
    return exits.OK if people else exits.FAILED


def _told(settings: Settings, labels: dict[str, str]) -> list[str]:
    """Receivers by the tool of Alertmanager's own, each once, in the order of the routes."""
    from alerting.config import alertmanager as configuration
    from alerting.config import fragment, routes

    amtool = find(settings, "amtool")
    if amtool is None:
        raise exits.UsageError(f"amtool is missing: {how_to_get('amtool')}")
    if why := alertmanager.outdated_amtool(settings):
        raise exits.UsageError(why)
    with tempfile.TemporaryDirectory(prefix="telltale-") as folder:
        file = Path(folder) / "alertmanager.yml"
        file.touch(mode=0o600)
        file.write_text(configuration.render(settings, fragment.read(settings.alertmanager.fragment_file)))
        command = [str(amtool.absolute()), "config", "routes", "test", f"--config.file={file}"]
        command += [routes.equal(label, value) for label, value in labels.items()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise exits.UsageError(f"amtool refuses it: {(done.stdout + done.stderr).strip()}")
    return [name for name in dict.fromkeys(done.stdout.strip().split(",")) if name != "none"]


def _test(settings: Settings, receiver: str) -> int:
    from alerting import delivery

    try:
        verdict = delivery.send_test(settings, receiver)
    except delivery.Unreachable as error:
        print(f"not sent: {error}", file=sys.stderr)
        return exits.FAILED
    if verdict.delivered:
        print(f"delivered to {receiver}: {verdict.text}; now look there for a message that says that it is a test")
        return exits.OK
    print(f"not delivered to {receiver}: {verdict.text}", file=sys.stderr)
    return exits.FAILED
