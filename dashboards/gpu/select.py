"""What the rows of the GPU dashboard select, and how they name a GPU."""

from __future__ import annotations

from dashboards import style

ON = '{instance=~"$instance",gpu=~"$gpu"}'
# Series of a MIG instance carry `mig`; those of the whole GPU do not.
WHOLE = '{instance=~"$instance",gpu=~"$gpu",mig=""}'
INSTANCES = '{instance=~"$instance",gpu=~"$gpu",mig!=""}'
OWNED = '{instance=~"$instance",gpu=~"$gpu",tenant=~"$tenant"}'
NODES = '{instance=~"$instance"}'

NAMED = "{{instance}} GPU {{gpu}}"
GPU = "instance, gpu"
"""The labels that identify a GPU in panels."""

WIDTHS = (style.by_name("Node", custom__width=130), style.by_name("GPU", custom__width=55))
"""Narrow columns of a table, so that the others have room."""


def rate(counter: str, selector: str = ON) -> str:
    """The counter's rate per second, by GPU."""
    return f"sum by ({GPU}) (rate({counter}{selector}[$__rate_interval]))"


def newest(gauge: str, selector: str = ON) -> str:
    """The gauge by GPU."""
    return f"max by ({GPU}) ({gauge}{selector})"
