"""Receivers, routes and the operator's own fragment, as Alertmanager's own tool reads them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import alerting
from alerting.config import alertmanager, fragment, message, needs, routes
from telltale.binaries import Component
from telltale.cli import check, main
from telltale.settings import Receiver, Settings, SettingsError, Team, load

Binary = Callable[[Component], Path]
SECRET = Path("/run/receivers/secret")
KINDS: dict[str, dict[str, Any]] = {
    "slack": {"kind": "slack", "url_file": SECRET, "channel": "#a{{b}}"},
    "msteams": {"kind": "msteams", "url_file": SECRET},
    "msteamsv2": {"kind": "msteamsv2", "url_file": SECRET},
    "email": {"kind": "email", "to": ["a@b.c"], "sender": "d@e.f", "smarthost": "mail.example:587"},
    "email-login": {
        "kind": "email", "to": ["a@b.c"], "sender": "d@e.f", "smarthost": "mail.example:587", "username": "u",
        "password_file": SECRET,
    },
    "pagerduty": {"kind": "pagerduty", "key_file": SECRET},
    "pagerduty-eu": {"kind": "pagerduty", "key_file": SECRET, "url": "https://events.eu.pagerduty.com/v2/enqueue"},
    "opsgenie": {"kind": "opsgenie", "key_file": SECRET, "url": "https://api.eu.opsgenie.com"},
    "webhook": {"kind": "webhook", "url": "https://x.example/hook", "token_file": SECRET},
    "webhook-secret": {"kind": "webhook", "url_file": SECRET},
    "deadman": {"kind": "webhook", "url": "https://x.example/beat", "deadman": True},
}  # fmt: skip


def settings_of(*names: str, **table: Any) -> Settings:
    receivers = [{"name": name, **KINDS[name]} for name in names]
    return Settings.model_validate({"receivers": receivers, **table})


def write(folder: Path, settings: Settings) -> Path:
    (folder / message.FILE).write_text(message.render(settings))
    file = folder / "alertmanager.yml"
    file.write_text(alertmanager.render(settings, fragment.read(settings.alertmanager.fragment_file)))
    return file


@pytest.fixture(scope="module")
def amtool_version(binary: Binary) -> needs.Version:
    done = subprocess.run([binary("amtool"), "--version"], capture_output=True, text=True, check=True)
    found = needs.parse(done.stdout + done.stderr)
    assert found
    return found


@pytest.mark.parametrize("name", KINDS)
def test_amtool_accepts_each_kind_from_the_version_that_it_needs(
    name: str, binary: Binary, amtool_version: needs.Version, tmp_path: Path
) -> None:
    settings = settings_of(name)
    file = write(tmp_path, settings)
    done = subprocess.run([binary("amtool"), "check-config", file], capture_output=True, text=True)
    known_crash = name == "webhook-secret" and (0, 26) <= amtool_version < (0, 28)
    accepted = not list(needs.too_old(settings, amtool_version, "here"))
    assert (done.returncode == 0) == (accepted or known_crash), done.stdout + done.stderr
    assert str(SECRET) in file.read_text() or name in ("email", "deadman")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("alertmanager, version 0.25.0 (branch: debian/sid, revision: 0.25.0-1+b4)", (0, 25, 0)),
        ("0.28.1", (0, 28, 1)),
        ("alertmanager, version 0.33.1+ds (branch: x)", (0, 33, 1)),
        ("alertmanager, version  (branch: , revision: unknown)", None),
    ],
)
def test_versions(text: str, version: needs.Version | None) -> None:
    assert needs.parse(text) == version


@pytest.fixture
def told(binary: Binary, tmp_path: Path) -> Callable[..., list[str]]:
    """Who is told of an alert with these labels, in the order of the routes."""

    def ask(settings: Settings, **labels: str) -> list[str]:
        quoted = [
            '{}="{}"'.format(label, value.replace("\\", "\\\\").replace('"', '\\"')) for label, value in labels.items()
        ]
        command = [binary("amtool"), "config", "routes", "test", f"--config.file={write(tmp_path, settings)}", *quoted]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip().split(",")

    return ask


def test_without_receivers_there_are_tickets_and_nothing_else(told: Callable[..., list[str]]) -> None:
    assert told(Settings(), severity="page", lane="retrain") == ["tickets"]
    assert told(Settings(), severity="ticket", lane="ops") == ["tickets"]
    assert told(Settings(), severity="info") == ["none"]


HOOK = {"kind": "webhook", "url": "https://x.example"}


@pytest.mark.parametrize(
    ("receivers", "teams", "is_enough"),
    [
        ([{}], [], True),
        ([{}], [{"name": "t", "models": ["support*"], "receivers": ["r"]}], False),
        ([{}], [{"name": "t", "models": ["support*"], "receivers": ["r"]}, {"name": "u", "receivers": ["r"]}], True),
        ([{}], [{"name": "t", "components": ["gpu"]}, {"name": "u", "receivers": ["r"]}], False),
        ([{"lanes": ["retrain"]}], [], False),
        ([{"models": ["*"]}], [], False),
        ([{"lanes": ["retrain"]}, {"name": "s", "lanes": ["ops"]}], [], True),
    ],
)
def test_pages_of_which_nobody_is_told_are_a_warning(
    receivers: list[dict[str, Any]], teams: list[dict[str, Any]], is_enough: bool, told: Callable[..., list[str]]
) -> None:
    settings = Settings.model_validate(
        {"receivers": [{"name": "r", **HOOK, **one} for one in receivers], "teams": teams}
    )

    said = [why for name, why in check.warnings(settings) if name == "receivers"]
    assert [why[:40] for why in said] == ([] if is_enough else [said[0][:40]])
    for component in ("gpu", "stack"):
        labels = {"severity": "page", "lane": "ops", "component": component}
        assert routes.is_told(labels, settings) == bool(set(told(settings, **labels)) - {"tickets", "none"})


ODD = 'a.b"c\\d|e (f) [g] {{h}} é'


def test_each_is_told_what_its_settings_say(told: Callable[..., list[str]]) -> None:
    hook = {"kind": "webhook", "url": "https://x.example"}
    settings = Settings.model_validate(
        {
            "receivers": [
                {"name": "pages", "kind": "pagerduty", "key_file": SECRET},
                {"name": "chat", **hook},
                {"name": "infos", **hook, "severities": ["info"]},
                {"name": "tenants", **hook, "lanes": ["tenant"], "tenants": ["acme", "b*"]},
                {"name": "odd", **hook, "models": [ODD]},
                {"name": "anyone", **hook, "models": ["*"]},
                {"name": "support", **hook},
                {"name": "rest", **hook},
            ],
            "teams": [
                {"name": "support", "models": ["support*"], "lanes": ["retrain"], "receivers": ["support"]},
                {"name": "nobody", "components": ["gpu"]},
                {"name": "rest", "receivers": ["rest"]},
            ],
        }
    )
    assert told(settings, severity="page") == ["tickets", "pages", "chat", "rest"]
    assert told(settings, severity="ticket", component="gpu") == ["tickets", "chat", "none"]
    assert told(settings, severity="info") == ["infos", "none"]
    assert told(settings, severity="ticket", lane="tenant", tenant="bob") == ["tickets", "chat", "tenants", "rest"]
    assert told(settings, severity="ticket", lane="tenant", tenant="xacme") == ["tickets", "chat", "rest"]
    assert told(settings, severity="ticket", model=ODD) == ["tickets", "chat", "odd", "anyone", "rest"]
    assert told(settings, severity="ticket", model="aXb") == ["tickets", "chat", "anyone", "rest"]
    support = told(settings, severity="page", lane="retrain", model="support-eu", component="gpu")
    assert support == ["tickets", "pages", "chat", "anyone", "support"]
    assert told(settings, alertname="Watchdog", severity="info") == ["none"]
    assert told(settings, alertname="TelltaleTest", telltale_receiver="odd", severity="page") == ["odd"]


THEIRS = """
global: {smtp_smarthost: "mail.example:25", smtp_from: "a@b.c"}
route:
  receiver: mine
  routes:
  - {matchers: ['severity="page"'], receiver: pager, mute_time_intervals: [night]}
receivers:
- {name: mine, webhook_configs: [{url: "http://x.example"}]}
- {name: pager, pagerduty_configs: [{routing_key_file: keys/pager}]}
inhibit_rules: [{source_matchers: ['alertname="A"'], target_matchers: ['alertname="B"']}]
time_intervals: [{name: night, time_intervals: [{times: [{start_time: "00:00", end_time: "06:00"}]}]}]
templates: ["texts/*.tmpl"]
"""


def with_fragment(folder: Path, text: str, *names: str) -> Settings:
    file = folder / "own.yml"
    file.write_text(text)
    return settings_of(*names, alertmanager={"fragment_file": file})


def test_the_operators_own_goes_on_working_beside_ours(told: Callable[..., list[str]], tmp_path: Path) -> None:
    settings = with_fragment(tmp_path, THEIRS, "webhook", "deadman")
    assert told(settings, severity="page") == ["tickets", "pager", "webhook"]
    assert told(settings, severity="info") == ["mine", "none"][:1]
    assert told(settings, alertname="Watchdog", severity="info") == ["mine", "deadman"]
    written = (tmp_path / "alertmanager.yml").read_text()
    assert f"routing_key_file: {tmp_path}/keys/pager" in written
    assert f"- {tmp_path}/texts/*.tmpl" in written
    assert 'alertname="GpuXidFatal"' in written
    assert 'alertname="A"' in written


def test_an_alertmanager_yml_without_receivers_of_ours(told: Callable[..., list[str]], tmp_path: Path) -> None:
    assert told(with_fragment(tmp_path, THEIRS), severity="page") == ["tickets", "pager"]


def test_mute_times_of_theirs_for_receivers_of_ours(binary: Binary, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text(THEIRS)
    receivers = [{"name": "chat", **KINDS["webhook"], "mute": ["night"]}]
    settings = Settings.model_validate(
        {"receivers": receivers, "alertmanager": {"fragment_file": tmp_path / "own.yml"}}
    )
    done = subprocess.run([binary("amtool"), "check-config", write(tmp_path, settings)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("receivers: [{name: webhook}]", "receivers: webhook: a receiver of Telltale has that name too; rename yours"),
        ("receivers: [{name: tickets}]", "receivers: tickets: a receiver of Telltale has that name too"),
        ("receivers: {name: x}", "receivers: is no list"),
        ("receivers: [{webhook_configs: []}]", "receivers: one has no name"),
        ("route: [x]", "route: is no table"),
        ("- x", "is no table"),
        ('a: "https://hooks.example/secret\n', "is not YAML in line 2"),
        ("receivers: []\nroute: {}\nreceivers: []", "is not YAML in line 3: receivers is there twice"),
        ("a: {[secret]: 1}", "is not YAML in line 1"),
        ("templates: [{a: b}]", "templates: one is no text"),
        ("a: &a [*a]", "holds itself, or far more than people write"),
        ("a: " + "[" * 2000, "is nested too deeply"),
        (
            "a: &a [x]\n" + "\n".join(f"{c}: &{c} [{', '.join([f'*{b}'] * 9)}]" for b, c in pairwise("abcdefghijkl")),
            "holds itself, or far more than people write",
        ),
    ],
)
def test_a_fragment_that_cannot_be_merged_is_refused_in_words(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        write(tmp_path, with_fragment(tmp_path, text, "webhook"))
    assert str(caught.value).startswith(f"alertmanager.fragment_file = {tmp_path / 'own.yml'}: {why}")
    assert "secret" not in str(caught.value)


# As in Alertmanager's documentation, without quotes: other YAML takes such times for numbers in base 60.
UNQUOTED = """
global: {smtp_from: a@b.c, smtp_smarthost: mail.example:25, smtp_auth_username: u, smtp_auth_password: 012345}
route: {receiver: mine, routes: [{match: {paged: yes, build: 1_000, on: 2026-01-01}, mute_time_intervals: [night]}]}
receivers:
- &mine {name: mine, webhook_configs: [{url: http://x.example, send_resolved: no, max_alerts: 7}]}
- name: 24
time_intervals:
- name: night
  time_intervals: [{times: [{start_time: 17:00, end_time: 22:30}], months: [10:12], days_of_month: [-1]}]
"""


def test_what_is_not_quoted_is_what_alertmanager_takes_it_for(told: Callable[..., list[str]], tmp_path: Path) -> None:
    settings = with_fragment(tmp_path, UNQUOTED, "webhook")
    assert told(settings, severity="page", paged="yes", build="1_000", on="2026-01-01") == [
        "tickets",
        "mine",
        "webhook",
    ]
    written = (tmp_path / "alertmanager.yml").read_text()
    assert "- name: '24'" in written
    for text in ("smtp_auth_password: 012345", "start_time: 17:00", "- 10:12", "paged: yes", "send_resolved: no"):
        assert text in written


def test_keys_that_are_merged_into_others_are_not_there_twice(tmp_path: Path) -> None:
    merged = """
x-a: &a {receiver: mine, group_wait: 1s}
x-b: &b {<<: *a, group_wait: 2s}
route: {<<: *b, group_wait: 3s}
receivers: [{name: mine}]
"""
    table = fragment.read(with_fragment(tmp_path, merged).alertmanager.fragment_file)
    assert table["route"] == {"receiver": "mine", "group_wait": "3s"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '[receivers]\nname = "x"\nkind = "slack"\npassword = "hush"',
            "receivers = (a table): write [[receivers]], with",
        ),
        ('[[receivers]]\nkind = "pagerduty"\nrouting_key = "hush"', "receivers.0.name: is missing; write it"),
        (
            '[[receivers]]\nname = "x"\nkind = "slack"\nurl_file = "u"\nseverities = "page"',
            "= 'page': write a list, in [",
        ),
    ],
)
def test_a_fault_shows_no_secret_that_stands_beside_it(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "telltale.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "telltale.toml")
    assert why in str(caught.value)
    assert "hush" not in str(caught.value)


FILE = 'url_file = "url"'
FAULTS = {
    'name = "x"\nkind = "slack"': "receivers: x: kind slack needs url_file; write the secret into a file",
    'name = "x"\nkind = "webhook"': "receivers: x: kind webhook needs either url or",
    f'name = "x"\nkind = "webhook"\nurl = "https://a.example"\n{FILE}': "and not both",
    'name = "x"\nkind = "pagerduty"\nto = ["a@b.c"]\nkey_file = "k"': "kind pagerduty has no use for to; leave it out",
    f'name = "tickets"\nkind = "slack"\n{FILE}': "that name is taken by Telltale itself",
    f'name = "x"\nkind = "slack"\n{FILE}\nmute = ["night"]': "no alertmanager.fragment_file defines such",
    f'name = "a b"\nkind = "slack"\n{FILE}': "receivers.0.name = 'a b': a receiver's name has",
    f'name = "x"\nkind = "slak"\n{FILE}': "receivers.0.kind = 'slak'",
    f'name = "x"\nkind = "slack"\n{FILE}\nchanel = "a"': "did you mean receivers.0.channel?",
    f'name = "x"\nkind = "slack"\n{FILE}\ndeadman = true': "kind slack has no use for deadman",
    'name = "x"\nkind = "webhook"\nurl = "https://a.example"\ndeadman = true\nlanes = ["ops"]': "Watchdog alert alone",
    'name = "x"\nkind = "email"\nto = ["a"]\nsender = "a@b.c"\nsmarthost = "m:25"': "write one mail address alone",
    'name = "x"\nkind = "email"\nto = ["a@b.c"]\nsender = "a@b.c"\nsmarthost = "m:25"\nusername = "u"': (
        "username without password_file; write the secret into a file"
    ),
    f'name = "x"\nkind = "slack"\n{FILE}\n[[receivers]]\nname = "x"\nkind = "slack"\n{FILE}': (
        "receivers: x is there 2 times; give each its own name"
    ),
    f'name = "chat"\nkind = "slack"\n{FILE}\n[[teams]]\nname = "t"\nreceivers = ["chta"]': (
        "teams: t: receivers = chta: no [[receivers]] has that name; did you mean chat?"
    ),
    f'name = "x"\nkind = "slack"\n{FILE}\n[[teams]]\nname = "t"\n[[teams]]\nname = "u"': "put it last",
    f'name = "x"\nkind = "slack"\n{FILE}\n[[teams]]\nname = "t"\nlanes = ["ops"]\n[[teams]]\nname = "t"': (
        "teams: t is there 2 times"
    ),
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_name_place_value_and_mend(text: str, tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(f"[[receivers]]\n{text}\n")
    with pytest.raises(SettingsError, match=r"telltale\.toml: ") as caught:
        load(file)
    assert FAULTS[text] in str(caught.value)


def test_the_command_says_who_is_told(binary: Binary, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(
        f'[alertmanager]\namtool = "{binary("amtool")}"\n'
        '[[receivers]]\nname = "chat"\nkind = "slack"\nurl_file = "x"\n'
        '[[teams]]\nname = "desk"\nmodels = ["support*"]\nreceivers = ["chat"]\n'
    )
    config = ["--config", str(file), "alerts"]
    assert main([*config, "route", "severity=page", "model=support-1"]) == 0
    assert capsys.readouterr().out.splitlines() == ["team: desk", "ticket: yes", "told: chat (slack)"]
    assert main([*config, "route", "severity=page", 'model="x\\']) == 1
    assert capsys.readouterr().out.splitlines() == ["team: nobody is named", "ticket: yes", "told: nobody"]
    assert main([*config, "route", "severity"]) == 2
    assert "write LABEL=VALUE" in capsys.readouterr().err
    assert main(config) == 0
    listed = capsys.readouterr().out
    assert "severity page or ticket, of team desk; needs Alertmanager 0.22 or newer" in listed
    assert "team desk: models support*; told through chat" in listed


def test_the_documented_receivers_load_and_every_setting_of_one_is_documented(tmp_path: Path) -> None:
    text = (Path(alerting.__file__).parent / "README.md").read_text()
    (example,) = re.findall(r"```toml\n(\[\[receivers\]\].*?)```", text, re.DOTALL)
    (tmp_path / "own.yml").write_text(THEIRS)
    file = tmp_path / "telltale.toml"
    file.write_text(f'[alertmanager]\nfragment_file = "own.yml"\n{example}')
    found = load(file)
    assert {receiver.name for receiver in found.receivers} == {"oncall", "chat", "mail", "outside"}
    named = set(re.findall(r"`(\w+)(?: = \w+)?`|^(\w+) = ", text, re.MULTILINE))
    words = {word for pair in named for word in pair}
    assert {*Receiver.model_fields, *Team.model_fields} <= words
    kinds = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
    assert {kind["kind"] for kind in KINDS.values()} <= kinds
