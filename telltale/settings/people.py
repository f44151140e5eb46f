"""Who is told of alerts: `[[receivers]]` and `[[teams]]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from telltale.settings.section import Section
from telltale.settings.values import Address, Named, Url

Severity = Literal["page", "ticket", "info"]
Lane = Literal["retrain", "ops", "tenant", "none"]
ReceiverKind = Literal["slack", "msteams", "msteamsv2", "email", "pagerduty", "opsgenie", "webhook"]


def _receiver_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError("a receiver's name has up to 64 letters, digits, ., _ and -")
    return value


def _mailbox(value: str) -> str:
    if not re.fullmatch(r"[^\s@,<>{}]+@[^\s@,<>{}]+", value) or not value.isprintable():
        raise ValueError("write one mail address alone, such as oncall@example.org")
    return value


ReceiverName = Annotated[str, AfterValidator(_receiver_name)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]


class Receiver(Section):
    """One way to tell people, through an integration of Alertmanager's own. `consistency` says what each kind needs."""

    name: ReceiverName = Field(description="Its name; teams name it so.")
    kind: ReceiverKind = Field(description="Alertmanager's integration.")
    url: Url = Field("", description="webhook: where to; opsgenie, pagerduty: the API, where it is elsewhere.")
    url_file: Path | None = Field(None, description="slack, msteams, msteamsv2, webhook: file that holds the URL.")
    key_file: Path | None = Field(None, description="pagerduty: file of the routing key; opsgenie: of the API key.")
    token_file: Path | None = Field(None, description="webhook: file of a bearer token to send.")
    password_file: Path | None = Field(None, description="email: file of the password that goes with `username`.")
    channel: Named | None = Field(None, description="slack: channel, where the webhook's own is not meant.")
    to: tuple[Mailbox, ...] = Field((), max_length=32, description="email: who gets it.")
    sender: Mailbox | None = Field(None, description="email: from whom.")
    smarthost: Address | None = Field(None, description="email: host:port of the mail server.")
    username: Named | None = Field(None, description="email: user at the mail server.")
    require_tls: bool = Field(True, description="email: refuse to send without STARTTLS.")
    severities: tuple[Severity, ...] = Field(
        (), description="What it gets; empty means page, and ticket too where the kind is no pager."
    )
    lanes: tuple[Lane, ...] = Field((), description="Only these lanes; empty means all.")
    models: tuple[Named, ...] = Field((), max_length=64, description="Only these models; `*` stands for any text.")
    tenants: tuple[Named, ...] = Field((), max_length=64, description="Only these tenants; `*` stands for any text.")
    mute: tuple[Named, ...] = Field(
        (), description="Times in which it is not told: names of time_intervals in alertmanager.fragment_file."
    )
    resolved: bool = Field(True, description="Tell too when an alert fell silent.")
    deadman: bool = Field(
        False,
        description="webhook: gets the Watchdog alert every 30 seconds and nothing else, for a service that raises the "
        "alarm when it stops.",
    )

    @property
    def told_of(self) -> tuple[Severity, ...]:
        """The severities that it gets."""
        if self.severities or self.deadman:
            return self.severities
        return ("page",) if self.kind in ("pagerduty", "opsgenie") else ("page", "ticket")


class Team(Section):
    """Who owns alerts: the first team all of whose patterns match. Without patterns it owns what is left over."""

    name: Named = Field(description="The owner's name, as tickets show it.")
    models: tuple[Named, ...] = Field((), max_length=64, description="Its models; `*` stands for any text.")
    tenants: tuple[Named, ...] = Field((), max_length=64, description="Its tenants, likewise.")
    lanes: tuple[Named, ...] = Field((), max_length=64, description="Its lanes: retrain, ops, tenant, likewise.")
    components: tuple[Named, ...] = Field((), max_length=64, description="Its components: gpu, serving, likewise.")
    receivers: tuple[ReceiverName, ...] = Field((), max_length=16, description="Receivers told of its alerts alone.")
