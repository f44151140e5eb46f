"""Follow the loop from outside: everything that the demo reports is read from Prometheus and the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

import httpx

from telltale.records import Judged, Series
from telltale.store import Store, StoreUnavailable, tickets


def is_ready(address: str) -> bool:
    """Whether the part at that address is ready."""
    try:
        return httpx.get(f"http://{address}/-/ready", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


@dataclass(frozen=True, slots=True)
class Reading:
    """The loop's numbers at one moment, each None until the real components respond."""

    calls: float | None = None
    samples: float | None = None
    judged: int = 0
    ready: int = 0
    drifting: tuple[str, ...] = ()
    firing: tuple[str, ...] = ()
    tickets: tuple[tuple[int, str, str], ...] = ()
    """Each with its number, title and lane."""

    @property
    def retraining(self) -> tuple[int, str] | None:
        """The story's ticket; the people who run the service may get theirs earlier."""
        return next(((number, title) for number, title, lane in self.tickets if lane == "retrain"), None)


class Reader:
    """Asks Prometheus, and the store for tickets: the pages need a sign-in."""

    def __init__(self, prometheus: str, store: Store) -> None:
        self._prometheus = prometheus
        self._store = store
        self._client = httpx.Client(timeout=5.0)

    def read(self) -> Reading:
        states = self._query(f'telltale_monitor_state{{state=~"{"|".join(get_args(Judged))}"}} == 1')
        return Reading(
            calls=self._sum('sum(telltale_requests_total{layer="client"})'),
            samples=self._sum('sum(telltale_samples_total{outcome="kept"})'),
            judged=len({_window(labels) for labels in states}),
            ready=len(_healthy(states)),
            drifting=tuple(sorted({_series(labels) for labels in states if labels.get("state") == "alert"})),
            firing=tuple(
                sorted(
                    {
                        f"{labels.get('alertname', '')} ({labels.get('model', '')})"
                        for labels in self._query('ALERTS{alertstate="firing",lane="retrain"}')
                    }
                )
            ),
            tickets=self._tickets(),
        )

    def close(self) -> None:
        self._client.close()

    def _query(self, expression: str) -> list[dict[str, str]]:
        return [labels for labels, _ in self._result(expression)]

    def _sum(self, expression: str) -> float | None:
        return next((value for _, value in self._result(expression)), None)

    def _result(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """An instant query's vector: labels and value of each series; empty while Prometheus does not respond."""
        try:
            response = self._client.get(f"{self._prometheus}/api/v1/query", params={"query": expression})
            response.raise_for_status()
        except httpx.HTTPError:
            return []
        return [(row["metric"], float(row["value"][1])) for row in response.json()["data"]["result"]]

    def _tickets(self) -> tuple[tuple[int, str, str], ...]:
        try:
            with self._store.read() as connection:
                found = tickets.load(connection)
        except StoreUnavailable:
            return ()
        return tuple((ticket.id or 0, ticket.title, ticket.lane) for ticket in found)


@dataclass(frozen=True, slots=True)
class Chapter:
    """One step of the story: the line printed once it is true."""

    name: str
    waiting: str
    is_true: Callable[[Reading], bool]
    line: Callable[[Reading], str]


@dataclass(slots=True)
class Story:
    """The chapters in order, and when each came true (seconds since the start)."""

    chapters: tuple[Chapter, ...]
    times: dict[str, float] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)

    def advance(self, reading: Reading, elapsed: float) -> list[Chapter]:
        """Mark the chapters that have come true, in order; returns the new ones."""
        new = []
        while (chapter := self.current) is not None and chapter.is_true(reading):
            self.times[chapter.name] = elapsed
            self.lines[chapter.name] = chapter.line(reading)
            new.append(chapter)
        return new

    @property
    def current(self) -> Chapter | None:
        """The chapter being waited for; None at the end."""
        return next((chapter for chapter in self.chapters if chapter.name not in self.times), None)


def healthy_chapters(models: int) -> tuple[Chapter, ...]:
    """From the first span to windows judged for every model."""
    return (
        Chapter("spans", "traces arrive over OTLP", lambda r: bool(r.calls), lambda r: f"{r.calls:.0f} calls measured"),
        Chapter(
            "samples",
            "samples are kept, redacted",
            lambda r: bool(r.samples),
            lambda r: f"{r.samples:.0f} samples kept",
        ),
        Chapter(
            "windows",
            "a reference is frozen and windows are judged",
            lambda r: r.judged > 0 and r.ready >= models,
            lambda r: f"{r.judged} series judged, all models healthy",
        ),
    )


def drift_chapters(web: str) -> tuple[Chapter, ...]:
    """From the roll-out to the ticket."""
    return (
        Chapter("drift", "the monitors see it", lambda r: bool(r.drifting), lambda r: ", ".join(r.drifting[:3])),
        Chapter("alert", "Prometheus fires an alert", lambda r: bool(r.firing), lambda r: ", ".join(r.firing[:2])),
        Chapter(
            "ticket",
            "Alertmanager's notification opens a ticket",
            lambda r: r.retraining is not None,
            lambda r: "{1}  {2}/tickets/{0}".format(*(r.retraining or (0, "")), web),
        ),
    )


def _healthy(states: list[dict[str, str]]) -> set[str]:
    """Models whose prompts, responses and votes have all been judged, and found unchanged."""
    judged: dict[str, set[str]] = {}
    for labels in states:
        if labels.get("state") == "ok":
            judged.setdefault(labels.get("model", ""), set()).add(labels.get("direction", ""))
    return {model for model, directions in judged.items() if directions >= {"prompt", "response", "feedback"}}


def _series(labels: dict[str, str]) -> str:
    return f"{labels.get('monitor')} on {labels.get('direction')}s of {labels.get('model')}"


def _window(labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in ("monitor", "signal", "direction", *Series._fields))
