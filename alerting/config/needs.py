"""Which Alertmanager each receiver needs, by its changelog. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from telltale.settings import Receiver, Settings

Version = tuple[int, ...]

# Matchers as strings, and with them every route of ours.
LEAST: Version = (0, 22)


def parse(text: str) -> Version | None:
    """The version in `alertmanager, version 0.25.0 (…)` or `0.28.1`; None where there is none."""
    found = re.search(r"\b(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number) for number in found.groups(default="0")) if found else None


def written(version: Version) -> str:
    return ".".join(str(number) for number in version)


def least(receiver: Receiver) -> tuple[Version, str]:
    """The oldest Alertmanager that can send to this receiver, and what it lacks before."""
    match receiver.kind:
        case "msteams" | "msteamsv2":
            # 0.26 has Teams but reads no file, 0.27 refuses webhook_url_file although it knows it.
            return (0, 28), f"{receiver.kind}_configs with webhook_url_file"
        case "webhook" if receiver.url_file:
            # 0.26 and 0.27 crash over it when they send.
            return (0, 28), "webhook_configs with url_file"
        case "email" if receiver.password_file:
            return (0, 25), "email_configs with auth_password_file"
        case "pagerduty":
            return (0, 25), "pagerduty_configs with routing_key_file"
        case "opsgenie":
            return (0, 24), "opsgenie_configs with api_key_file"
    return LEAST, f"{receiver.kind}_configs"


def trims_from(receiver: Receiver) -> Version:
    """The oldest Alertmanager that leaves out a line break at the end of the receiver's secret."""
    return {"opsgenie": (0, 28, 1), "email": (0, 27), "slack": (0, 25)}.get(receiver.kind, LEAST)


def too_old(settings: Settings, found: Version, where: str) -> Iterator[str]:
    """One line for each receiver that this Alertmanager cannot send to: receiver, need, found, mend."""
    for receiver in settings.receivers:
        needed, lacks = least(receiver)
        if found < needed:
            yield (
                f"receivers: {receiver.name} (kind {receiver.kind}) needs Alertmanager {written(needed)} or newer "
                f"({lacks}), and {where} is {written(found)}; {_mend(receiver)}"
            )


def _mend(receiver: Receiver) -> str:
    newer = "run a newer one (alertmanager.binary, or your own at alertmanager.url)"
    if receiver.kind == "webhook":
        return f"{newer}, or write the address in url and its secret in token_file"
    return f"{newer}, or choose another kind"
