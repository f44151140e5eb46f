"""The GPU dashboard's rows on health, on links to host and peers, and on the exporter itself."""

from __future__ import annotations

from dashboards import style
from dashboards.panels import About, Look, bars, lines, states, table
from dashboards.query import Query
from dashboards.style import Json

ON = '{instance=~"$instance",gpu=~"$gpu"}'
NAMED = "{{instance}} GPU {{gpu}}"


def health() -> list[Json]:
    state = " or ".join(
        f'telltale_gpu_state{{instance=~"$instance",gpu=~"$gpu",state="{name}"}} * {number}'
        for number, name in enumerate(("ok", "refused", "gone", "unknown", "error", "reset_required", "hung", "lost"))
    )
    words = {
        **{
            "0": ("ok", style.GOOD),
            "1": ("refused", style.WARN),
            "2": ("gone", style.WARN),
            "3": ("unknown", style.WARN),
        },
        **{
            "4": ("error", style.BAD),
            "5": ("reset required", style.BAD),
            "6": ("hung", style.BAD),
            "7": ("lost", style.BAD),
        },
    }
    return [
        states(
            "State of each GPU",
            About(
                "What the exporter makes of each GPU.",
                "hung or lost: drain the node; reset required: reset or reboot it.",
            ),
            Look(
                "none",
                style.thresholds((None, style.GOOD), (1, style.WARN), (4, style.BAD)),
                style.values(words),
                low=None,
            ),
            Query(f"max by (instance, gpu) ({state})", NAMED),
            width=10,
            height=7,
        ),
        table(
            "XID errors",
            About(
                "XID events since the exporter began, by code.",
                "look the code up in NVIDIA's list; the fatal ones page as GpuXidFatal.",
            ),
            Look("none", overrides=[style.by_name("Node", custom__width=150)]),
            {"instance": "Node", "gpu": "GPU", "xid": "XID", "Value": "Events"},
            Query(f"sum by (instance, gpu, xid) (gpu_xid_errors_total{ON}) > 0", table=True),
            width=6,
            height=7,
            sort="Events",
        ),
        bars(
            "Uncorrected ECC errors",
            About(
                "Uncorrected memory errors since the driver was loaded.",
                "more than a few: drain and reset; see remapped rows.",
            ),
            Look("none", style.any_is_bad()),
            Query(
                'sum by (instance, gpu) (gpu_ecc_errors_total{instance=~"$instance",gpu=~"$gpu",'
                'severity="uncorrected",since="load"})',
                NAMED,
            ),
            width=8,
            height=7,
        ),
        lines(
            "Memory repair",
            About(
                "Rows or pages that were taken out of use, and whether a reset is waited for.",
                "pending: reset when drained; failed: replace the GPU.",
            ),
            Look("none"),
            Query(f"sum by (instance, gpu) (gpu_remapped_rows_total{ON})", f"{NAMED} rows remapped"),
            Query(f"gpu_row_remap_pending{ON} > 0", f"{NAMED} reset pending"),
            Query(f"gpu_row_remap_failed{ON} > 0", f"{NAMED} repair failed"),
            width=24,
            height=5,
        ),
    ]


def links() -> list[Json]:
    received = style.dashed("/received$/")
    return [
        lines(
            "PCIe",
            About(
                "Bytes per second over PCIe, sent and, dashed, received.",
                "steady high rates while decoding: weights or caches are offloaded to the host.",
            ),
            Look("Bps", overrides=[received]),
            Query(f"gpu_pcie_transmit_bytes_per_second{ON}", f"{NAMED} sent"),
            Query(f"gpu_pcie_receive_bytes_per_second{ON}", f"{NAMED} received"),
        ),
        lines(
            "NVLink",
            About(
                "Bytes per second over NVLink, sent and, dashed, received.",
                "nought with tensor parallelism: the servers talk over PCIe; look at the topology.",
            ),
            Look("Bps", overrides=[received]),
            Query(f"gpu_nvlink_transmit_bytes_per_second{ON}", f"{NAMED} sent"),
            Query(f"gpu_nvlink_receive_bytes_per_second{ON}", f"{NAMED} received"),
        ),
        lines(
            "PCIe lanes and generation",
            About(
                "The link in use, as a share of what GPU and host could do.", "below 100 % under load: reseat the card."
            ),
            Look("percentunit", high=1),
            Query(f"gpu_pcie_link_width{ON} / gpu_pcie_link_width_max", f"{NAMED} lanes"),
            Query(f"gpu_pcie_link_generation{ON} / gpu_pcie_link_generation_max", f"{NAMED} generation"),
        ),
        lines(
            "Link errors",
            About("PCIe replays and NVLink errors per second.", "any steady rate: reseat or replace."),
            Look("cps"),
            Query(f"rate(gpu_pcie_replays_total{ON}[$__rate_interval])", f"{NAMED} PCIe replays"),
            Query(f"sum by (instance, gpu) (rate(gpu_nvlink_errors_total{ON}[$__rate_interval]))", f"{NAMED} NVLink"),
        ),
    ]


def exporter() -> list[Json]:
    here = '{instance=~"$instance"}'
    return [
        lines(
            "Age of readings",
            About(
                "How old the numbers were when they were scraped, and how long one reading takes.",
                "grows: the driver hangs; see the state of each GPU.",
            ),
            Look("s"),
            Query(f"telltale_gpu_sample_age_seconds{here}", "{{instance}} age"),
            Query(f"telltale_gpu_sample_duration_seconds{here}", "{{instance}} reading"),
        ),
        lines(
            "Driver calls that failed",
            About("Failed calls per second, by reason.", "not_supported is harmless; others: see the exporter's log."),
            Look("cps"),
            Query(
                f"sum by (call, reason) (rate(telltale_gpu_errors_total{ON}[$__rate_interval]))",
                "{{call}}: {{reason}}",
            ),
        ),
    ]
