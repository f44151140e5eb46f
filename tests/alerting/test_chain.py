"""From a metric to a ticket and back, through the real Prometheus and the real Alertmanager."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any, get_args

import pytest
from support.generations import on_both

from alerting.config import prometheus
from telltale.records import SeriesState, Ticket
from telltale.settings import Settings
from telltale.store import tickets

pytestmark = pytest.mark.e2e
Until = Callable[..., Any]

DRIFT = 'monitor="text",signal="words",direction="prompt",model="sup\\"port",version="v2",tenant="",segment=""'
FEEDBACK = 'monitor="feedback",signal="votes",direction="feedback",model="sup\\"port",version="v2",tenant="",segment=""'


def page(drift: bool, feedback: bool) -> str:
    return RUNNING + states(DRIFT, "alert" if drift else "ok") + states(FEEDBACK, "alert" if feedback else "ok")


# Monitors that ran just now, for as long as a test takes.
RUNNING = "".join(
    f'telltale_monitor_last_success_timestamp_seconds{{monitor="{name}"}} {time.time()}\n'
    f'telltale_monitor_interval_seconds{{monitor="{name}"}} 3600\n'
    for name in ("text", "feedback")
)


def states(series: str, now: str) -> str:
    """What the monitors say of a series: 1 for the state that it is in, 0 for the others."""
    return "".join(
        f'telltale_monitor_state{{{series},lane="retrain",state="{state}"}} {int(state == now)}\n'
        for state in get_args(SeriesState)
    )


def all_tickets(chain: Any) -> list[Ticket]:
    store = chain.store()
    try:
        with store.read() as connection:
            found: list[Ticket] = tickets.load(connection)
            return found
    finally:
        store.close()


def in_state(chain: Any, state: str) -> Callable[[], Ticket | None]:
    return lambda: next((ticket for ticket in all_tickets(chain) if ticket.state == state), None)


def kinds(chain: Any, ticket: Ticket) -> list[str]:
    store = chain.store()
    try:
        with store.read() as connection:
            return [event.kind for event in tickets.events(connection, ticket.id or 0)]
    finally:
        store.close()


@on_both
def test_drift_and_feedback_meet_in_one_ticket_that_closes_when_both_recovered(chain: Any, until: Until) -> None:
    chain.page.text = page(drift=True, feedback=True)
    names = {"ModelDriftPersistent", "NegativeFeedbackHigh", "ModelRetrainRecommended"}
    ticket = until(
        lambda: next((t for t in all_tickets(chain) if {a.name for a in t.alerts.values()} == names), None),
        "a ticket with all three alerts",
    )
    assert (ticket.lane, ticket.model, ticket.version) == ("retrain", 'sup"port', "v2")
    assert ticket.title == 'sup"port: retraining recommended, drift, more negative feedback (v2)'
    chain.page.text = page(drift=False, feedback=False)
    closed = until(in_state(chain, "closed"), "the ticket to close")
    assert closed.close_reason == "recovered"
    history = kinds(chain, closed)
    assert history[0] == "opened"
    assert history[-1] == "closed"
    assert history.index("verified") > history.index("recovering")
    assert len(all_tickets(chain)) == 1


def test_an_exporter_that_dies_is_not_a_recovery(chain: Any, until: Until) -> None:
    chain.page.text = page(drift=True, feedback=False)
    until(in_state(chain, "open"), "a ticket")
    chain.page.text = None
    until(in_state(chain, "blind"), "the ticket to turn blind")
    chain.page.text = page(drift=True, feedback=False)
    until(in_state(chain, "open"), "the ticket to be open again")
    chain.page.text = page(drift=False, feedback=False)
    until(in_state(chain, "closed"), "the ticket to close")
    assert len(all_tickets(chain)) == 1


def test_what_the_webhook_missed_is_opened_and_what_vanished_is_closed(chain: Any, until: Until) -> None:
    """The tracker is down when the alert starts and when it ends, and Alertmanager is reset in between."""
    alertmanager_url, prometheus_url = chain.settings.alertmanager_url, chain.settings.prometheus_url
    chain.kill("tickets")
    chain.page.text = page(drift=True, feedback=False)

    def firing() -> bool:
        listed = chain.get(f"{alertmanager_url}/api/v2/alerts") or []
        return any(alert["labels"]["alertname"] == "ModelDriftPersistent" for alert in listed)

    def is_over() -> bool:
        response = chain.get(f"{prometheus_url}/api/v1/query", query='ALERTS{alertname="ModelDriftPersistent"}')
        return response is not None and response["data"]["result"] == []

    until(firing, "the alert")
    chain.start("tickets")
    until(in_state(chain, "open"), "the ticket")
    chain.kill("alertmanager")
    chain.page.text = page(drift=False, feedback=False)
    until(is_over, "the end of the alert")
    chain.start("alertmanager")
    until(in_state(chain, "closed"), "the ticket to close")
    assert len(all_tickets(chain)) == 1


def test_a_version_that_was_rolled_back_leaves_no_ticket_behind(chain: Any, until: Until) -> None:
    chain.page.text = page(drift=True, feedback=False)
    until(in_state(chain, "open"), "a ticket")
    chain.page.text = RUNNING + states(DRIFT, "stale") + states(DRIFT.replace('"v2"', '"v1"'), "ok")
    assert until(in_state(chain, "closed"), "the ticket to close").close_reason == "superseded"


def test_nothing_is_superseded_unless_it_is_known_that_its_rows_end(chain: Any, until: Until) -> None:
    other, nobody = (DRIFT.replace('"v2"', f'"{version}"') for version in ("v1", ""))
    for rows in (
        # A small share of the traffic: its rows take a while to be enough for a judgement.
        RUNNING + states(DRIFT, "gathering") + states(other, "ok"),
        # It is forgotten: of what came of it nothing is known.
        RUNNING + states(other, "ok") + states(nobody, "ok"),
        # No rows of it come, but the monitors that say so are not known to run.
        states(DRIFT, "stale") + states(other, "ok"),
    ):
        chain.page.text = page(drift=True, feedback=False)
        until(in_state(chain, "open"), "a ticket")
        chain.page.text = rows
        until(in_state(chain, "blind"), "the ticket to turn blind")
        time.sleep(2 * chain.settings.tickets.close_hold)
        assert [ticket.state for ticket in all_tickets(chain)] == ["blind"]
    chain.page.text = RUNNING + states(DRIFT, "stale") + states(other, "ok")
    assert until(in_state(chain, "closed"), "the ticket to close").close_reason == "superseded"


def test_a_prometheus_that_is_gone_turns_the_ticket_blind(chain: Any, until: Until) -> None:
    chain.page.text = page(drift=True, feedback=False)
    ticket = until(in_state(chain, "open"), "a ticket")
    chain.kill("prometheus")
    # Alertmanager would take four minutes to give up on a silent Prometheus; it gets the end of the alert at once.
    (alert,) = ticket.alerts.values()
    ended = [{"labels": alert.labels, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:00:01Z"}]
    url = f"{chain.settings.alertmanager_url}/api/v2/alerts"
    assert chain.client.post(url, content=json.dumps(ended), headers={"Content-Type": "application/json"}).is_success
    until(in_state(chain, "blind"), "the ticket to turn blind")
    chain.start("prometheus")
    until(in_state(chain, "open"), "the ticket to be open again")


def test_the_tracker_stops_cleanly(tracker_alone: Any, until: Until) -> None:
    until(lambda: tracker_alone.get(f"http://{tracker_alone.settings.tickets.listen}/-/ready"), "the tracker")
    assert tracker_alone.kill("tickets", signal.SIGTERM) == 0


def test_new_inference_servers_are_scraped_without_a_restart(chain: Any, until: Until) -> None:
    """Write to a temporary file and rename it, as the stack does."""
    prometheus_url = chain.settings.prometheus_url
    until(lambda: chain.get(f"{prometheus_url}/-/ready"), "Prometheus")
    server = {"targets": [chain.settings.monitor.listen], "kind": "vllm", "labels": {"cluster": "a"}}
    settings = Settings.model_validate({"prometheus": {"scrape": [server]}})
    aside = chain.folder / "targets/inference.json.new"
    aside.write_text(json.dumps(prometheus.targets(settings)))
    aside.rename(chain.folder / "targets/inference.json")
    query = {"query": f'up{{job="inference",kind="vllm",cluster="a",instance="{chain.settings.monitor.listen}"}} == 1'}
    until(
        lambda: (chain.get(f"{prometheus_url}/api/v1/query", **query) or {"data": {"result": []}})["data"]["result"],
        "the new server",
    )
