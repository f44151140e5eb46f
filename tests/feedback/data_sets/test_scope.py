"""Which calls a data set is made of: one tenant's, and of a ticket its versions and the time of its episodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.data_sets import START, lines

from feedback.data_sets import scope
from feedback.export import main
from telltale.evidence.alerts import TicketAlert
from telltale.records import Score, Ticket
from telltale.settings import Settings
from telltale.store import Store, scores, tickets
from telltale.store.tickets import TicketEvent

HOUR = 3600.0
SERIES = {"monitor": "tokens", "signal": "energy", "direction": "prompt", "tenant": "", "segment": ""}
TICKET = Ticket("key-1", "retrain", "chat", "chat-2", "Drift", "open", 1, START, START)


def alert(**labels: str) -> TicketAlert:
    """An alert on a series of the model."""
    named = {"model": "chat", "version": "chat-2", **{name: value for name, value in SERIES.items() if value}, **labels}
    return TicketAlert(
        key="key-1",
        lane="retrain",
        name="ModelDrift",
        status="firing",
        starts_at=START,
        received_at=START,
        labels=named,
    )


def score(hours: float, state: Any = "suspect", **fields: Any) -> Score:
    """A window of an hour that begins so many hours after START."""
    begin = START + hours * HOUR
    values = {**SERIES, "model": "chat", "version": "chat-2", "samples": 9, "since": begin, **fields}
    return Score(window_start=begin, window_end=begin + HOUR, state=state, **values)


@pytest.fixture
def ticket(store: Store) -> Callable[..., str]:
    """`ticket(timeline, judged, **fields)`: the name of a ticket with these lines, (hours, kind), and scores."""

    def make(timeline: list[tuple[float, str]], judged: list[Score], **fields: Any) -> str:
        def save(connection: Any) -> int:
            scores.save(connection, judged)
            made = tickets.save(connection, replace(TICKET, **{"alerts": {"a": alert()}, **fields}))
            events = [TicketEvent(START + hours * HOUR, kind, "telltale", {}) for hours, kind in timeline]
            tickets.add_events(connection, made.id or 0, events)
            return made.id or 0

        return f"T-{store.write(save)}"

    return make


def spec(settings: Settings, tmp_path: Path, name: str) -> dict[str, Any]:
    output = tmp_path / f"{name}.jsonl"
    assert main(settings, ticket=name, output=output) == 0
    found: dict[str, Any] = json.loads((tmp_path / f"{name}.jsonl.manifest.json").read_text())["spec"]
    return found


def hours(found: dict[str, Any]) -> list[list[float | None]]:
    return [[None if at is None else (at - START) / HOUR for at in span] for span in found["spans"]]


def test_a_ticket_s_set_has_its_version_and_its_episodes(
    settings: Settings, call: Any, say: Any, ticket: Any, tmp_path: Path
) -> None:
    for number, (at, version) in enumerate(
        [(4.5, "chat-2"), (5.5, "chat-1"), (9.0, "chat-2"), (20.0, "chat-2"), (31.0, "chat-2"), (31.1, "chat-1")]
    ):
        call(number, observed_at=START + at * HOUR, version=version)
        say(number, value=0.0)
    judged = [score(5, since=START + 5 * HOUR), score(29, "ok"), score(30)]
    name = ticket([(6, "opened"), (10, "closed"), (32, "reopened")], judged, episode=2)

    found = spec(settings, tmp_path, name)

    assert found["versions"] == ["chat-2"]
    assert hours(found) == [[5, 10], [30, None]]
    assert [row["prompt"][0]["content"] for row in lines(tmp_path / f"{name}.jsonl")] == ["question 2", "question 4"]


def test_a_ticket_begins_with_the_series_that_its_alerts_are_about(
    settings: Settings, call: Any, say: Any, ticket: Any, tmp_path: Path
) -> None:
    call(0, observed_at=START + 5.2 * HOUR)
    say(0)
    others = [
        score(2, monitor="descriptors"),
        score(1, tenant="bank"),
        score(0, direction="response"),
        score(0.5, segment="app=x"),
    ]
    name = ticket([(6, "opened")], [score(5), *others])

    assert hours(spec(settings, tmp_path, name)) == [[5, None]]


def test_of_an_alert_over_several_series_the_signal_tells_the_direction(
    settings: Settings, call: Any, say: Any, ticket: Any, tmp_path: Path
) -> None:
    call(0, observed_at=START + 5.2 * HOUR)
    say(0)
    labels = {"model": "chat", "version": "chat-2", "severity": "ticket"}
    votes = replace(alert(), labels=labels, signal='telltale_monitor_state{model="chat",direction="feedback"} == 1')
    judged = [score(3), score(4, direction="feedback", monitor="votes")]

    assert hours(spec(settings, tmp_path, ticket([(6, "opened")], judged, alerts={"a": votes}))) == [[4, None]]


def test_where_nobody_says_when_it_began_it_is_some_windows_before(
    settings: Settings, call: Any, say: Any, ticket: Any, tmp_path: Path
) -> None:
    call(0, observed_at=START)
    say(0)
    back = settings.monitor.persistence[1] + 1

    [[begun, until]] = hours(spec(settings, tmp_path, ticket([(1, "opened")], [])))
    assert (begun, until) == (1 - back * settings.monitor.window / HOUR, None)


def test_an_episode_begins_when_the_one_before_it_is_over() -> None:
    timeline = [TicketEvent(at, kind, "", {}) for at, kind in ((1, "opened"), (2, "snoozed"), (3, "closed"))]
    assert scope.episodes(TICKET, []) == [(START, None)]
    assert scope.episodes(replace(TICKET, state="closed"), timeline) == [(1, 3)]
    # Opened again by a restored store, whose timeline lacks it.
    assert scope.episodes(TICKET, timeline) == [(1, None)]
    again = [*timeline, TicketEvent(4, "reopened", "", {}), TicketEvent(5, "reopened", "", {})]
    assert scope.episodes(TICKET, again) == [(1, 3), (4, None)]


def test_tenants_never_mix_in_one_set(
    settings: Settings, call: Any, say: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, tenant in enumerate(("shop", "bank", "shop")):
        call(number, tenant=tenant)
        say(number, tenant=tenant)

    assert main(settings, model="chat", output=tmp_path / "x.jsonl") == 2
    assert "2 tenants (bank, shop)" in capsys.readouterr().err
    for format in ("kto", "sft", "prompts", "jsonl"):
        output = tmp_path / f"{format}.jsonl"
        assert main(settings, model="chat", tenant="shop", format=format, output=output) == 0  # type: ignore[arg-type]  # a literal
        assert {row["tenant"] for row in lines(tmp_path / f"{format}.jsonl.refs.jsonl")} == {"shop"}
        assert len(lines(output)) == 2
    assert main(settings, model="chat", tenant="other", output=tmp_path / "none.jsonl") == 1
    assert "no samples of chat of tenant other" in capsys.readouterr().err


def test_an_alert_s_tenant_is_the_set_s(settings: Settings, call: Any, say: Any, ticket: Any, tmp_path: Path) -> None:
    for number, tenant in enumerate(("shop", "bank")):
        call(number, observed_at=START + 5.5 * HOUR, tenant=tenant)
        say(number, tenant=tenant)
    name = ticket([(6, "opened")], [score(5, tenant="bank")], alerts={"a": alert(tenant="bank")})

    assert spec(settings, tmp_path, name)["tenant"] == "bank"


def test_a_tenant_gets_what_a_ticket_says_of_it_alone(
    settings: Settings, call: Any, say: Any, ticket: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (tenant, version) in enumerate((("shop", "v2"), ("bank", "v3"), ("shop", "v3"))):
        call(number, observed_at=START + 5.5 * HOUR, tenant=tenant, version=version)
        say(number, tenant=tenant)
    alerts = {name: alert(tenant=name, version=version) for name, version in (("shop", "v2"), ("bank", "v3"))}
    name = ticket([(6, "opened")], [], alerts=alerts, version="v2")
    output = tmp_path / "own.jsonl"

    assert main(settings, ticket=name, tenant="shop", output=output) == 0
    made = json.loads((tmp_path / "own.jsonl.manifest.json").read_text())
    assert (made["rows"], made["spec"]["versions"]) == (1, ["v2"])


def test_of_tickets_on_others_a_tenant_is_told_what_it_is_told_of_none(
    settings: Settings, call: Any, say: Any, ticket: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(0, observed_at=START + 5.5 * HOUR, tenant="bank", model="plan-x", version="v9")
    of_bank = ticket([(6, "opened")], [], key="a", alerts={"a": alert(tenant="bank")})
    of_no_tenant = ticket([(6, "opened")], [], key="b", model="plan-x", version="v9", alerts={})
    of_no_model = ticket([(6, "opened")], [], key="c", model="", alerts={})
    for name in (of_bank, of_no_tenant, of_no_model, "T-99"):
        assert main(settings, ticket=name, tenant="shop", format="jsonl", output=tmp_path / "x.jsonl") == 2
        assert capsys.readouterr().err == f"there is no ticket {name} with calls of tenant shop\n"
