"""What people read: a real Alertmanager, told by our configuration, sends to sinks; what arrives is read."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from support.generations import on_both
from support.ports import free_addresses
from support.sinks import HttpSink, MailSink, Request, http_sink, mail_sink

from alerting import delivery
from alerting.config import alertmanager, fragment, message, needs
from alerting.runbook import first_action
from telltale.binaries import Component
from telltale.cli import main
from telltale.settings import Settings, load

Binary = Callable[[Component], Path]
Until = Callable[..., Any]
NASTY = "<!channel> *x* [y](http://evil) & <b> k, v"
ANNOTATIONS = {
    "summary": "prompts of support drift",
    "description": "Monitor words sees prompts differ.",
    "signal": "telltale_monitor_state",
    "runbook_url": "https://telltale.example/runbooks/ModelDriftPersistent",
    "dashboard_url": "https://grafana.example/d/telltale-model?var-model=support",
}
DRIFT = {
    "alertname": "ModelDriftPersistent",
    "severity": "page",
    "lane": "retrain",
    "component": "model",
    "version": "v2",
    "tenant": "acme",
}
BEGAN = datetime(2026, 11, 30, 3, 7, tzinfo=UTC)
FRAGMENT = """
global: {resolve_timeout: 3m}
route: {receiver: theirs, group_wait: 10ms, routes: [{matchers: ['model="theirs"'], receiver: theirs-too}]}
receivers:
- {name: theirs}
- {name: theirs-too, webhook_configs: [{url: "SINK/theirs", http_config: {authorization: {credentials_file: token}}}]}
time_intervals: [{name: always, time_intervals: [{weekdays: ["sunday:saturday"]}]}]
"""


SETTINGS = """
alerts = { group_wait = "500ms", group_interval = "1s" }
web = { public_url = "https://telltale.example" }
tickets = { listen = "SINK" }
alertmanager = { listen = "LISTEN", fragment_file = "fragment.yml" }
receivers = [
  { name = "chat", kind = "slack", url_file = "slack" },
  { name = "mail", kind = "email", to = ["a@example.org", "b@example.org"], sender = "telltale@example.org", smarthost = "MAIL", require_tls = false },
  { name = "pager", kind = "pagerduty", url = "http://SINK/pagerduty", key_file = "key" },
  { name = "genie", kind = "opsgenie", url = "http://SINK/genie", key_file = "key" },
  { name = "hook", kind = "webhook", url = "http://SINK/hook", token_file = "key" },
  { name = "info", kind = "webhook", url = "http://SINK/info", severities = ["info"], tenants = ["acme*"] },
  { name = "team", kind = "webhook", url = "http://SINK/team" },
  { name = "desk", kind = "webhook", url = "http://SINK/desk" },
  { name = "muted", kind = "webhook", url = "http://SINK/muted", mute = ["always"] },
  { name = "gone", kind = "webhook", url = "http://127.0.0.1:9/", severities = ["info"], models = ["none"] },
  TEAMS
  { name = "beat", kind = "webhook", url = "http://SINK/beat", deadman = true },
]
teams = [
  { name = "support", models = ["support*"], receivers = ["team"] },
  { name = "desk", tenants = ["acme", "c+"], receivers = ["desk"] },
]
"""  # noqa: E501 - one receiver a line

TEAMS = """
  { name = "workflow", kind = "msteamsv2", url_file = "workflow", models = ["<*"] },
  { name = "connector", kind = "msteams", url_file = "connector", models = ["<*"] },
  { name = "secret", kind = "webhook", url_file = "hidden", models = ["<*"] },
"""


@dataclass
class Told:
    """An Alertmanager that runs, and where its messages arrive."""

    settings: Settings
    http: HttpSink
    mail: MailSink
    folder: Path
    version: needs.Version

    def fire(self, *labels: dict[str, str], ends: datetime | None = None, **annotations: str) -> None:
        began = min(BEGAN, ends) if ends else BEGAN
        alerts = [
            {
                "labels": label,
                "annotations": ANNOTATIONS | annotations,
                "startsAt": began.isoformat(),
                "endsAt": (ends or datetime.now(UTC) + timedelta(hours=1)).isoformat(),
            }
            for label in labels
        ]
        url = f"{self.settings.alertmanager_url}/api/v2/alerts"
        headers = {"Content-Type": "application/json"}
        assert httpx.post(url, content=json.dumps(alerts), headers=headers, trust_env=False).is_success


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, binary: Binary) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    with http_sink() as http, mail_sink() as mail:
        said = subprocess.run([binary("alertmanager"), "--version"], capture_output=True, text=True, check=True)
        version = needs.parse(said.stdout + said.stderr)
        assert version
        settings = _settings(folder, http, mail, TEAMS if version >= (0, 28) else "")
        theirs = fragment.read(settings.alertmanager.fragment_file)
        (folder / "alertmanager.yml").write_text(alertmanager.render(settings, theirs))
        (folder / message.FILE).write_text(message.render(settings))
        command = [
            str(binary("alertmanager")),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={settings.alertmanager.listen}",
            "--cluster.listen-address=",
        ]
        with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                _wait_ready(settings, process)
                yield Told(settings, http, mail, folder, version)
            finally:
                process.terminate()


def _settings(folder: Path, http: HttpSink, mail: MailSink, more: str) -> Settings:
    for name, secret in {"slack": f"{http.url}/slack", "key": "routing-key", "token": "their-token"}.items():
        (folder / name).write_text(secret)
    for name in ("workflow", "connector", "hidden"):
        (folder / name).write_text(f"{http.url}/{name}\n")
    (folder / "fragment.yml").write_text(FRAGMENT.replace("SINK", http.url))
    (listen,) = free_addresses(1)
    text = (
        SETTINGS.replace("TEAMS", more).replace("SINK", http.url.removeprefix("http://")).replace("MAIL", mail.address)
    )
    (folder / "telltale.toml").write_text(text.replace("LISTEN", listen))
    return load(folder / "telltale.toml")


def _wait_ready(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    transport = httpx.HTTPTransport(retries=8)
    with httpx.Client(transport=transport, trust_env=False) as client:
        assert client.get(f"{settings.alertmanager_url}/-/ready").is_success
    assert process.poll() is None


@on_both
def test_a_page_says_what_how_bad_since_when_whom_and_what_first(told: Told, until: Until) -> None:
    told.fire(DRIFT | {"model": "support-eu", "segment": "language=ko"})
    ticket = (
        "https://telltale.example/tickets/find?alertname=ModelDriftPersistent&component=model&lane=retrain"
        "&model=support-eu&segment=language%3Dko&severity=page&tenant=acme&version=v2"
    )
    runbook, panel = ANNOTATIONS["runbook_url"], ANNOTATIONS["dashboard_url"]
    said = {
        "what": "prompts of support drift",
        "how_bad": "page, somebody must act now. Monitor words sees prompts differ.",
        "since": "2026-11-30 03:07 UTC",
        "whom_it_hits": "model support-eu, segment language=ko, tenant acme, version v2",
        "first_action": first_action("ModelDriftPersistent"),
    }
    slack = until(lambda: told.http.at("/slack"), "the message to Slack")[0].body["attachments"][0]
    assert slack["title"] == slack["fallback"] == "[PAGE] prompts of support drift"
    assert (slack["title_link"], slack["color"]) == (ticket, "danger")
    assert slack["text"].splitlines() == [
        f"*What* {said['what']}",
        f"*How bad* {said['how_bad']}",
        f"*Since* {said['since']}",
        f"*Whom it hits* {said['whom_it_hits']}",
        f"*First* {said['first_action']}",
        f"<{ticket}|Ticket> <{runbook}|Runbook> <{panel}|Panel>",
    ]
    mail = until(lambda: told.mail.received, "the mail")[0]
    assert (mail["Subject"], mail["To"]) == (slack["title"], "a@example.org, b@example.org")
    plain, html = (part.get_content() for part in mail.iter_parts())
    for text in (*said.values(), ticket, runbook, panel):
        assert text in plain.replace("\r\n", "\n")
        assert text in unescape(html)
    incident = until(lambda: told.http.at("/pagerduty"), "the incident")[0].body
    assert (incident["routing_key"], incident["payload"]["severity"]) == ("routing-key", "critical")
    # One line without what YAML reads as a key, since newer releases parse it.
    assert incident["payload"]["custom_details"].items() >= {k: v.replace(": ", ", ") for k, v in said.items()}.items()
    assert [link["href"] for link in incident["links"]] == [ticket, runbook, panel]
    genie = until(lambda: told.http.at("/genie/v2/alerts"), "the message to Opsgenie")[0]
    assert genie.headers["Authorization"] == "GenieKey routing-key"
    assert (genie.body["priority"], genie.body["message"]) == ("P1", slack["title"])
    assert genie.body["details"].items() >= said.items()
    hook = until(lambda: told.http.at("/hook"), "the message to the webhook")[0]
    assert hook.headers["Authorization"] == "Bearer routing-key"
    assert hook.body["alerts"][0]["labels"]["model"] == "support-eu"


@on_both
def test_what_comes_from_outside_is_text_and_nothing_else(told: Told, until: Until) -> None:
    """Slack would call everybody, mail would show mark-up, a link would lead elsewhere, Go would evaluate."""
    name = f"{NASTY} {{{{ .ExternalURL }}}}"
    told.fire(
        {"alertname": "Hostile", "severity": "page", "model": name},
        summary=f"drift of {name}",
        runbook_url="javascript:alert(1)",
        dashboard_url="https://x.example/|click> <!everyone",
    )
    slack = until(lambda: _about(told.http.at("/slack"), "!channel"), "the message to Slack")
    safe = "&lt;!channel&gt; *x* [y](http://evil) &amp; &lt;b&gt; k, v {{ .ExternalURL }}"
    assert slack["title"] == f"[PAGE] drift of {safe}"
    assert f"*Whom it hits* model {safe}" in slack["text"]
    assert re.findall(r"<[^>]*>", slack["text"]) == [f"<{slack['title_link']}|Ticket>"]
    query = parse_qs(urlsplit(slack["title_link"]).query)
    assert query["model"] == [name]
    incident = until(lambda: _incident(told, "!channel"), "the incident")["payload"]["custom_details"]
    assert incident["what"] == f"drift of {name}"
    assert incident["whom_it_hits"] == f"model {name.removeprefix('<!')}"
    if told.version >= (0, 28):
        until(lambda: told.http.at("/hidden"), "the message to a webhook whose address is a secret")
        card = until(lambda: told.http.at("/connector"), "the message to Teams' connector")[0].body
        assert card["title"] == r"[PAGE] drift of \<!channel\> \*x\* \[y\](http://evil) & \<b\> k, v {{ .ExternalURL }}"
        workflow = until(lambda: told.http.at("/workflow"), "the message to Teams' workflow")[0].body
        assert card["title"] == workflow["attachments"][0]["content"]["body"][0]["text"]
        assert card["text"] == workflow["attachments"][0]["content"]["body"][1]["text"]
    mail = until(lambda: [mail for mail in told.mail.received if "!channel" in mail["Subject"]], "the mail")[0]
    html = list(mail.iter_parts())[1].get_content()
    assert "<!channel>" not in html
    assert "javascript" not in html
    assert NASTY in unescape(html)


def test_what_fell_silent_is_never_called_recovered(told: Told, until: Until) -> None:
    labels = {"alertname": "Silent", "severity": "ticket", "model": "m"}
    told.fire(labels, summary="it is so silent")
    until(lambda: _about(told.http.at("/slack"), "[TICKET] it is so silent"), "the alert")
    told.fire(labels, ends=datetime.now(UTC), summary="it is so silent")
    slack = until(lambda: _about(told.http.at("/slack"), "Fell silent: it is so silent"), "its end")
    assert "It fell silent. The ticket verifies recovery before it closes." in slack["text"]
    assert slack["color"] == "good"
    subjects = until(lambda: [m["Subject"] for m in told.mail.received if "Fell silent" in m["Subject"]], "the mail")
    assert subjects == ["Fell silent: it is so silent"]
    assert not [request for request in told.http.received if request.path == "/slack" and "recovered" in str(request)]


def test_a_storm_is_one_short_message(told: Told, until: Until) -> None:
    storm = [
        {"alertname": "Storm", "severity": "page", "model": "m", "tenant": f"t{number}", "instance": f"i{number}"}
        for number in range(500)
    ]
    told.fire(*storm, summary="it storms")
    slack = until(lambda: _about(told.http.at("/slack"), "500 alerts, the first: it storms"), "the message")
    assert slack["title"] == "[PAGE] 500 alerts, the first: it storms"
    assert "500 alerts in all" in slack["text"]
    assert len(json.dumps(slack)) < 2000
    incident = until(lambda: _incident(told, "it storms"), "the incident")
    assert len(json.dumps(incident)) < 4000
    url = f"{told.settings.alertmanager_url}/api/v2/alerts/groups"
    groups = httpx.get(url, params={"receiver": "chat", "filter": 'alertname="Storm"'}, trust_env=False).json()
    assert [len(group["alerts"]) for group in groups] == [500]


def test_a_new_secret_is_used_without_a_restart(told: Told, until: Until) -> None:
    file = told.folder / "slack"
    kept = file.read_text()
    file.write_text(f"{told.http.url}/slack-new\n")
    try:
        told.fire({"alertname": "AfterTheChange", "severity": "page"})
        until(lambda: told.http.at("/slack-new"), "the message at the new address")
    finally:
        file.write_text(kept)


def test_teams_tenants_severities_and_the_operators_own_are_told_theirs(told: Told, until: Until) -> None:
    alerts = {
        "for-support": {"severity": "page", "model": "support-us", "tenant": "acme"},
        "for-desk": {"severity": "ticket", "model": "other", "tenant": "c+"},
        "for-info": {"severity": "info", "model": "other", "tenant": "acme-eu"},
        "for-theirs": {"severity": "page", "model": "theirs"},
        "Watchdog": {"severity": "info", "lane": "none"},
    }
    told.fire(*({"alertname": name, **labels} for name, labels in alerts.items()))
    places = {"/team": "for-support", "/desk": "for-desk", "/info": "for-info", "/theirs": "for-theirs",
              "/beat": "Watchdog", "/hook": "for-theirs"}  # fmt: skip
    for path, name in places.items():
        until(lambda path=path, name=name: name in names(told, path), f"{name} at {path}")
    assert told.http.at("/theirs")[0].headers["Authorization"] == "Bearer their-token"
    tickets = ("for-support", "for-desk", "for-theirs")
    until(lambda: names(told, "/api/v1/alerts").issuperset(tickets), "what tickets are told of")
    assert {"for-info", "Watchdog"}.isdisjoint(names(told, "/api/v1/alerts"))
    assert "for-support" not in names(told, "/desk")
    assert names(told, "/info") == {"for-info"}
    assert names(told, "/beat") == {"Watchdog"}
    assert names(told, "/muted") == set()


def alerts(told: Told, *arguments: str) -> int:
    """`telltale alerts` with these arguments."""
    return main(["--config", str(told.folder / "telltale.toml"), "alerts", *arguments])


@on_both
def test_a_test_reaches_its_receiver_alone_and_says_that_it_is_one(
    told: Told, until: Until, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alerts(told, "test", "chat") == 0
    assert "delivered to chat" in capsys.readouterr().out
    message = until(lambda: _about(told.http.at("/slack"), "TEST"), "the test")
    assert message["title"] == "[TEST] This is a test of the receiver chat; nothing is wrong"
    assert "*First* Nothing: this is a test." in message["text"]
    elsewhere = [request.path for request in told.http.received if "TelltaleTest" in str(request.body)]
    assert set(elsewhere) == {"/slack"}


def test_the_operators_own_receiver_can_be_tested(told: Told, until: Until) -> None:
    assert alerts(told, "test", "theirs-too") == 0
    until(lambda: "TelltaleTest" in names(told, "/theirs"), "the test")


def test_a_test_that_is_refused_is_not_delivered(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told.http.status["/genie/v2/alerts"] = 400
    try:
        assert alerts(told, "test", "genie") == 1
    finally:
        told.http.status.clear()
    said = capsys.readouterr().err
    assert "not delivered to genie: opsgenie: Alertmanager gave up after" in said
    assert "can be reached" in said


def test_a_silence_over_a_test_is_named(told: Told) -> None:
    matcher = {"name": "telltale_receiver", "value": "info", "isRegex": False}
    times = {"startsAt": datetime.now(UTC).isoformat(), "endsAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    silence = {"matchers": [matcher], **times, "createdBy": "test", "comment": "test"}
    url = f"{told.settings.alertmanager_url}/api/v2/silences"
    assert httpx.post(url, json=silence, trust_env=False).is_success
    verdict = delivery.send_test(told.settings, "info", patience_s=2)
    assert not verdict.delivered
    assert "a silence holds it back" in verdict.text


def test_a_receiver_that_alertmanager_does_not_know(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert alerts(told, "test", "nobody") == 2
    assert "nobody: the Alertmanager at" in capsys.readouterr().err


def test_a_test_that_does_not_arrive_says_what_stands_in_the_way(told: Told) -> None:
    """The last: Alertmanager counts its failure later, and together with other webhooks'."""
    verdict = delivery.send_test(told.settings, "gone", patience_s=3)
    assert not verdict.delivered
    assert "attempts failed so far; from here, 127.0.0.1:9 cannot be reached: Connection refused" in verdict.text


def names(told: Told, path: str) -> set[str]:
    """The names of the alerts that a webhook was sent."""
    return {alert["labels"]["alertname"] for request in told.http.at(path) for alert in request.body["alerts"]}


def _incident(told: Told, words: str) -> Any:
    return next((request.body for request in told.http.at("/pagerduty") if words in str(request.body)), None)


def _about(requests: list[Request], words: str) -> Any:
    return next((one for request in requests for one in request.body["attachments"] if words in str(one)), None)
