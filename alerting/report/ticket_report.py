"""Everything that is told of a ticket, gathered from the store: what, since when, whom it hits, why it is not noise."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from alerting.report import deploys, impact
from alerting.report import series as of_series
from alerting.report.deploys import Deploys
from alerting.report.impact import Impact
from alerting.report.owner import owner_of
from alerting.report.series import Series
from telltale.evidence.alerts import TicketAlert
from telltale.records import Score, Ticket
from telltale.settings import Settings
from telltale.store import tickets
from telltale.store.tickets import TicketEvent

MAX_EVENTS: Final = 500


@dataclass(frozen=True, slots=True)
class TicketReport:
    """A ticket with its evidence. `since` is when the change began, else the start of the first window that showed it.

    `more_series` are judged too and not shown, as are `more_events`, the oldest. `impact` is None where it is not
    known. `owner` is a team, empty where none is named. `linked` are tickets that people linked with this one, `merged`
    those for which this one stands.
    """

    ticket: Ticket
    events: Sequence[TicketEvent]
    more_events: int
    series: Sequence[Series]
    more_series: int
    since: float
    impact: Impact | None
    deploys: Deploys
    owner: str
    export_command: str
    linked: Sequence[Ticket] = ()
    merged: Sequence[Ticket] = ()

    @property
    def alarming(self) -> list[Series]:
        return [series for series in self.series if series.alarming]

    @property
    def convincing(self) -> list[Series]:
        """Series of the alerts with a window over its threshold."""
        return [series for series in self.alarming if series.exceeded]

    @property
    def panels(self) -> list[tuple[str, str]]:
        """(alert, address) of the panels; an alert's annotations come from outside, so only web addresses."""
        found = {alert.name: alert.dashboard_url for alert in self.ticket.alerts.values()}
        return [(name, url) for name, url in sorted(found.items()) if url.startswith(("http://", "https://"))]

    @property
    def names(self) -> list[str]:
        """The alerts' names, each once."""
        return sorted({alert.name for alert in self.ticket.alerts.values()})

    @property
    def alerts(self) -> list[TicketAlert]:
        """The alerts, those that fire first, then in the order of their start."""
        return sorted(self.ticket.alerts.values(), key=lambda one: (not one.is_firing, one.starts_at, one.name))

    @property
    def counts(self) -> list[tuple[str, int, int]]:
        """(alert, firing, silent) of each name."""
        firing = Counter(alert.name for alert in self.ticket.alerts.values() if alert.is_firing)
        silent = Counter(alert.name for alert in self.ticket.alerts.values() if not alert.is_firing)
        return [(name, firing[name], silent[name]) for name in self.names]

    @property
    def evidence(self) -> list[tuple[int, Score]]:
        """Reports, each once, with the window that they are on."""
        reports = [series.report for series in self.series if series.report]
        found = {score.evidence_id: score for score in reports if score.evidence_id is not None}
        return sorted(found.items(), key=lambda item: item[0])


def build_report(connection: Connection, ticket: Ticket, settings: Settings, now: float) -> TicketReport:
    """Read from the store what belongs to a ticket."""
    number = ticket.id or 0
    events = tickets.events(connection, number, MAX_EVENTS)
    more_events = tickets.count_events(connection, number) - len(events) if len(events) == MAX_EVENTS else 0
    begun = min([alert.starts_at for alert in ticket.alerts.values()] or [ticket.opened_at])
    series, more = of_series.load(connection, ticket, begun, now, settings.monitor.window)
    since = min([begun, *of_series.beginnings([one for one in series if one.alarming])])
    hit = impact.load(connection, ticket, since, ticket.closed_at or now)
    return TicketReport(
        ticket,
        events,
        more_events,
        series,
        more,
        since,
        hit,
        deploys.load(connection, ticket.model, since),
        owner_of(ticket, settings),
        export_command(ticket, settings, hit.tenants[0] if hit and hit.tenants and hit.all_tenants > 1 else None),
        tickets.linked(connection, number),
        tickets.merged_into(connection, number),
    )


def export_command(ticket: Ticket, settings: Settings, tenant: str | None = None) -> str:
    """The command that writes the ticket's data set, for a shell on this machine.

    `tenant` is the one that is hit most, where there are several: a set holds the calls of one.
    """
    of = f" --tenant {shlex.quote(tenant)}" if tenant else ""
    command = f"telltale export --ticket T-{ticket.id}{of} --format kto -o T-{ticket.id}-kto.jsonl"
    named = settings.store.url or settings.store.url_file
    if named or settings.data_dir == Settings.model_fields["data_dir"].default:
        return command
    return f"TELLTALE_DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))} {command}"
