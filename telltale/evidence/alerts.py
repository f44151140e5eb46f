"""What a ticket keeps of each of its alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

AlertStatus = Literal["firing", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketAlert:
    """One alert as Alertmanager last reported it, or as a comparison with it last found it.

    `key` is the identity of the ticket that the alert belongs to; `received_at` is when we learned this. Times
    are Unix seconds; `ends_at` is `None` while it fires. The last four are the rule's annotations, empty where the
    rule has none: `signal` is the PromQL of what it judges.
    """

    key: str
    lane: str
    name: str
    status: AlertStatus
    starts_at: float
    ends_at: float | None = None
    received_at: float
    labels: Mapping[str, str]
    summary: str = ""
    description: str = ""
    signal: str = ""
    dashboard_url: str = ""

    @property
    def is_firing(self) -> bool:
        return self.status == "firing"
