"""Alertmanager's routes to people: by severity, lane, model and tenant, and by the team that owns an alert.

Each of our routes goes on to the next (`continue`), so that nobody's takes an alert away from anybody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from alerting.rules.text import duration
from alerting.teams import expression, fits, patterns, team_of
from telltale.settings import Receiver, Settings

Route = dict[str, object]

TEST_ALERT = "TelltaleTest"
TEST_RECEIVER = "telltale_receiver"
"""Label of a test alert: the one receiver that gets it."""
WATCHDOG = "Watchdog"
# One message for a storm, but none for two causes: an incident that somebody has acknowledged wakes nobody again.
GROUP_BY = [
    *("severity", "lane", "alertname", "cluster", "namespace", "service"),
    *("model", "model_name", "version", "slo"),
]
GROUP_RETRAIN_BY = ["severity", "lane", "cluster", "model", "version"]
# Alertmanager repeats at the first interval after the repetition's time: every 30 seconds.
BEAT_INTERVAL_S, BEAT_REPEAT_S = 15.0, 25.0


def tests(receivers: Iterable[str]) -> Iterator[Route]:
    """First of all routes, and the end of the way: what is sent to test one receiver reaches no other."""
    for name in receivers:
        yield {
            "receiver": name,
            "matchers": [equal("alertname", TEST_ALERT), equal(TEST_RECEIVER, name)],
            # Of each test its own group: one that was sent before does not hold it back.
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "10s",
        }


def people(settings: Settings) -> Iterator[Route]:
    """Dead man's switches, receivers that belong to no team, and the teams."""
    of_teams = {name for team in settings.teams for name in team.receivers}
    for receiver in settings.receivers:
        if receiver.deadman:
            yield _beat(receiver)
        elif receiver.name not in of_teams:
            yield _receiver(receiver)
    if of_teams:
        yield _teams(settings)


def is_told(labels: Mapping[str, str], settings: Settings) -> bool:
    """Whether any receiver of the settings is told of an alert with these labels, by the routes that `people` gives."""
    owner = team_of(labels, settings)
    of_teams = {name for team in settings.teams for name in team.receivers}
    owned = {name for team in settings.teams if team.name == owner for name in team.receivers}
    return any(
        not receiver.deadman
        and labels.get("severity") in receiver.told_of
        and (not receiver.lanes or labels.get("lane") in receiver.lanes)
        and fits(receiver.models, labels.get("model", ""))
        and fits(receiver.tenants, labels.get("tenant", ""))
        and (receiver.name not in of_teams or receiver.name in owned)
        for receiver in settings.receivers
    )


def equal(label: str, value: str) -> str:
    """A matcher of exactly this value, whatever is in it."""
    return f"{label}={_quoted(value)}"


def _teams(settings: Settings) -> Route:
    """The first team that matches takes the alert, so its routes do not go on; what they stand in does."""
    receivers = {receiver.name: receiver for receiver in settings.receivers}
    return {
        "receiver": "none",
        "continue": True,
        "routes": [
            {
                "receiver": "none",
                "matchers": [_globs(label, globs) for label, globs in patterns(team).items()],
                "routes": [_receiver(receivers[name]) for name in team.receivers],
            }
            for team in settings.teams
        ],
    }


def _receiver(receiver: Receiver) -> Route:
    matchers = [f'alertname!="{WATCHDOG}"', _one_of("severity", receiver.told_of)]
    if receiver.lanes:
        matchers.append(_one_of("lane", receiver.lanes))
    matchers += [
        _globs(label, globs) for label, globs in (("model", receiver.models), ("tenant", receiver.tenants)) if globs
    ]
    mute: Route = {"mute_time_intervals": list(receiver.mute)} if receiver.mute else {}
    retrain: Route = {"matchers": [equal("lane", "retrain")], "group_by": list(GROUP_RETRAIN_BY), **mute}
    return {
        "receiver": receiver.name,
        "matchers": matchers,
        "group_by": list(GROUP_BY),
        "continue": True,
        **mute,
        "routes": [retrain],
    }


def _beat(receiver: Receiver) -> Route:
    return {
        "receiver": receiver.name,
        "matchers": [equal("alertname", WATCHDOG)],
        "group_by": ["alertname"],
        "group_wait": "0s",
        "group_interval": duration(BEAT_INTERVAL_S),
        "repeat_interval": duration(BEAT_REPEAT_S),
        "continue": True,
    }


def _globs(label: str, globs: Iterable[str]) -> str:
    return f"{label}=~{_quoted(expression(globs))}"


def _one_of(label: str, values: Iterable[str]) -> str:
    return f'{label}=~"{"|".join(values)}"'


def _quoted(value: str) -> str:
    """A value as Alertmanager's matchers read it, whatever is in it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
