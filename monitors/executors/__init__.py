"""Where windows are judged: in this process, in processes beside it, or on a Ray cluster. The results are the same."""

from __future__ import annotations

from monitors.executors.executor import Executor, Job, drive
from monitors.executors.inline import Inline
from telltale.settings import Monitor as Settings

__all__ = ["Executor", "Job", "chosen", "drive"]


def chosen(settings: Settings) -> Executor:
    """The executor that the settings name; it starts nothing before the first task. Close it."""
    if settings.executor == "processes":
        from monitors.executors.processes import Processes

        return Processes(settings.workers, settings.judge_timeout)
    if settings.executor == "ray":
        from monitors.executors.cluster import Cluster

        return Cluster(settings.ray_address, settings.workers, settings.judge_timeout)
    return Inline()
