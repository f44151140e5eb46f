"""Health of the GPUs: the exporter's verdict on each, errors, and memory repair."""

from __future__ import annotations

from dashboards import style
from dashboards.gpu.select import NAMED, ON, WIDTHS, newest
from dashboards.panels import About, Look, bars, lines, states, table
from dashboards.query import Query
from dashboards.style import Json

STATES = ("ok", "refused", "gone", "unknown", "error", "reset_required", "hung", "lost")
"""From harmless to worst; `error` and above require action."""
RECOVERY = {
    "0": ("nothing", style.GOOD),
    "1": ("reset the GPU", style.BAD),
    "2": ("reboot the node", style.BAD),
    "3": ("drain its NVLink peers", style.WARN),
    "4": ("drain and reset", style.BAD),
}


def health() -> list[Json]:
    """Panels that must be noticed at once."""
    return [_states(), _xids(), _uncorrected(), _recovery(), _repair()]


def memory_detail() -> list[Json]:
    """What decides between a reset and a replacement."""
    return [_places(), _spares()]


def _states() -> Json:
    first_bad = STATES.index("error")
    colours = [style.GOOD, *[style.WARN] * (first_bad - 1), *[style.BAD] * (len(STATES) - first_bad)]
    words = {
        str(number): (name.replace("_", " "), colour)
        for number, (name, colour) in enumerate(zip(STATES, colours, strict=True))
    }
    state = " or ".join(
        f'telltale_gpu_state{{instance=~"$instance",gpu=~"$gpu",state="{name}"}} * {number}'
        for number, name in enumerate(STATES)
    )
    return states(
        "State of each GPU",
        About(
            "What the exporter makes of each GPU.",
            "hung or lost: drain the node; reset required: reset or reboot it.",
        ),
        Look(
            "none",
            style.thresholds((None, style.GOOD), (1, style.WARN), (first_bad, style.BAD)),
            style.values(words),
            low=None,
        ),
        Query(f"max by (instance, gpu) ({state})", NAMED),
        width=9,
        height=7,
    )


def _xids() -> Json:
    return table(
        "XID errors",
        About(
            "XID events since the exporter began, by code, and when each was last seen.",
            "look the code up in NVIDIA's list; the fatal ones page as GpuXidFatal.",
        ),
        Look(
            "none",
            overrides=[
                *WIDTHS,
                style.by_name("XID", custom__width=55),
                style.by_name("Events", custom__width=70),
                style.by_name("Last seen", unit="dateTimeFromNow"),
            ],
        ),
        {"instance": "Node", "gpu": "GPU", "xid": "XID", "Value #A": "Events", "Value #B": "Last seen"},
        Query(f"sum by (instance, gpu, xid) (gpu_xid_errors_total{ON}) > 0", table=True),
        Query(f"1000 * max by (instance, gpu, xid) (gpu_xid_last_timestamp_seconds{ON})", table=True),
        width=8,
        height=7,
        sort="Last seen",
    )


def _uncorrected() -> Json:
    return bars(
        "Uncorrected ECC errors",
        About(
            "Uncorrected memory errors since the driver was loaded.",
            "more than a few: drain and reset; see memory repair.",
        ),
        Look("none", style.any_is_bad()),
        Query(
            'sum by (instance, gpu) (gpu_ecc_errors_total{instance=~"$instance",gpu=~"$gpu",'
            'severity="uncorrected",since="load"})',
            NAMED,
        ),
        width=7,
        height=7,
    )


def _recovery() -> Json:
    return states(
        "What the driver asks for",
        About("The action by which the driver wants each GPU to recover.", "drain, then do it: GpuRecoveryNeeded."),
        Look(
            "none",
            style.thresholds((None, style.GOOD), (1, style.BAD), (3, style.WARN), (4, style.BAD)),
            style.values(RECOVERY),
            low=None,
        ),
        Query(newest("gpu_recovery_action"), NAMED),
        width=9,
        height=6,
    )


def _repair() -> Json:
    return lines(
        "Memory repair",
        About(
            "Rows, or before Ampere pages, that were taken out of use, and whether a reset or reboot has to follow.",
            "pending: reset when drained; failed: replace the GPU.",
        ),
        Look("none", decimals=0),
        Query(f"sum by (instance, gpu) (gpu_remapped_rows_total{ON}) > 0", f"{NAMED} rows remapped"),
        Query(f"gpu_row_remap_pending{ON} > 0", f"{NAMED} reset pending"),
        Query(f"gpu_row_remap_failed{ON} > 0", f"{NAMED} repair failed"),
        Query(f"sum by (instance, gpu) (gpu_retired_pages_total{ON}) > 0", f"{NAMED} pages retired"),
        Query(f"gpu_retired_pages_pending{ON} > 0", f"{NAMED} reboot pending"),
        width=15,
        height=6,
    )


def _places() -> Json:
    def since(start: str) -> str:
        matchers = f'instance=~"$instance",gpu=~"$gpu",since="{start}"'
        return f"sum by (instance, gpu, severity, location) (gpu_ecc_location_errors_total{{{matchers}}})"

    return table(
        "ECC errors by place",
        About(
            "ECC errors since the driver was loaded and ever, in DRAM or in the chip's own SRAM; GPUs without any are"
            " left out.",
            "uncorrected ones in SRAM that come back after a reset: replace the GPU; in DRAM: see the spare rows.",
        ),
        Look("none"),
        {
            "instance": "Node",
            "gpu": "GPU",
            "severity": "Severity",
            "location": "Place",
            "Value #A": "Since load",
            "Value #B": "Ever",
        },
        Query(f"{since('load')} and {since('life')} > 0", table=True),
        Query(f"{since('life')} > 0", table=True),
        width=12,
        height=7,
        sort="Ever",
    )


def _spares() -> Json:
    few = '{instance=~"$instance",gpu=~"$gpu",spare=~"low|none"}'
    return bars(
        "Memory banks short of spare rows",
        About(
            "Memory banks in which few or no spare rows are left for repair.",
            "any: plan the replacement; the next bad row of that bank cannot be repaired.",
        ),
        Look("none", style.any_is_bad()),
        Query(f"sum by (instance, gpu) (gpu_row_remap_banks{few})", NAMED),
        width=12,
        height=7,
    )
