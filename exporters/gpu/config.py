"""The exporter's settings as its small processes see them: plain values, no pydantic."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Config(NamedTuple):
    """Fields as in the `[gpu]` table of the settings, durations in seconds; host names as `Settings.host_names`."""

    listen: str = "127.0.0.1:9466"
    interval: float = 1.0
    watchdog: float = 2.0
    simulate: int = 0
    library: str = ""
    pod_resources_socket: str = ""
    container_logs: str = ""
    owners: dict[str, dict[str, str]] = {}  # noqa: RUF012  # read only, and NamedTuple takes nothing else
    web_config: str = ""
    allowed_hosts: tuple[str, ...] = ()
    kmsg: str = ""
    mismatch_exit: float = 60.0
    log_level: str = "info"
    once: bool = False

    @property
    def stale_after(self) -> float:
        """Seconds after which a reading is no longer shown."""
        return max(3 * self.interval, 10.0)


def parse(text: str) -> Config:
    """From JSON, as `dump` made it."""
    table: dict[str, Any] = json.loads(text)
    return Config(**table)


def dump(config: Config) -> str:
    return json.dumps(config._asdict())
