"""Links to the host and to other GPUs: traffic, width, errors, peers."""

from __future__ import annotations

from dashboards import style
from dashboards.gpu.select import NAMED, ON, WHOLE, newest, rate
from dashboards.panels import About, Look, lines, table
from dashboards.query import Query
from dashboards.style import Json

# nvmlGpuP2PStatus_t
NO_PEER = {
    "1": ("chipset cannot", style.WARN),
    "2": ("GPU cannot", style.WARN),
    "3": ("topology does not allow it", style.WARN),
    "4": ("disabled in the driver", style.WARN),
    "5": ("not supported", style.WARN),
    "6": ("unknown", style.UNKNOWN),
}


def links() -> list[Json]:
    return [*_traffic(), _lanes(), _errors(), _up(), _peers()]


def _traffic() -> list[Json]:
    received = Look("Bps", overrides=[style.twin("/received$/")])

    def both(link: str) -> tuple[Query, Query]:
        """Counters miss nothing between two scrapes; for cards without them, the rate over the last interval."""
        sent = f"gpu_{link}_transmitted_bytes_total", f"gpu_{link}_transmit_bytes_per_second"
        got = f"gpu_{link}_received_bytes_total", f"gpu_{link}_receive_bytes_per_second"
        return Query(_rate_or(*sent), NAMED), Query(_rate_or(*got), f"{NAMED} received")

    return [
        lines(
            "PCIe",
            About(
                "Bytes per second over PCIe, sent and, dashed, received.",
                "steady high rates while decoding: weights or caches are offloaded to the host.",
            ),
            received,
            *both("pcie"),
            width=8,
        ),
        lines(
            "NVLink",
            About(
                "Bytes per second over NVLink, sent and, dashed, received.",
                "zero with tensor parallelism: the servers talk over PCIe; look at the topology.",
            ),
            received,
            *both("nvlink"),
            width=8,
        ),
        lines(
            "Chip to chip",
            About(
                "Bytes per second between GPU and CPU on Grace superchips, sent and, dashed, received.",
                "steady high rates while decoding: weights or caches are offloaded to the host.",
            ),
            received,
            Query(newest("gpu_c2c_transmit_bytes_per_second", WHOLE), NAMED),
            Query(newest("gpu_c2c_receive_bytes_per_second", WHOLE), f"{NAMED} received"),
            width=8,
        ),
    ]


def _rate_or(counter: str, gauge: str) -> str:
    return f"{rate(counter)}\n  or {newest(gauge, WHOLE)}"


def _lanes() -> Json:
    return lines(
        "PCIe lanes and generation",
        About(
            "Lanes and, dashed, generation of the link in use, as a share of what GPU and host could do.",
            "below 100 % under load: reseat the card.",
        ),
        Look("percentunit", high=1, overrides=[style.twin("/generation$/")]),
        Query(f"gpu_pcie_link_width{ON} / gpu_pcie_link_width_max", NAMED),
        Query(f"gpu_pcie_link_generation{ON} / gpu_pcie_link_generation_max", f"{NAMED} generation"),
        width=8,
    )


def _errors() -> Json:
    return lines(
        "Link errors",
        About(
            "PCIe replays and errors, and NVLink errors, per second.",
            "any steady rate: reseat or replace; fatal ones come with an XID.",
        ),
        Look("cps"),
        Query(f"{rate('gpu_pcie_replays_total')} > 0", f"{NAMED} PCIe replays"),
        Query(
            f"sum by (instance, gpu, kind) (rate(gpu_pcie_errors_total{ON}[$__rate_interval])) > 0",
            f"{NAMED} PCIe {{{{kind}}}}",
        ),
        Query(
            f"sum by (instance, gpu, kind) (rate(gpu_nvlink_errors_total{ON}[$__rate_interval])) > 0",
            f"{NAMED} NVLink {{{{kind}}}}",
        ),
        width=8,
    )


def _up() -> Json:
    return lines(
        "NVLinks up",
        About(
            "How many of its NVLinks each GPU has up.",
            "fewer than its neighbours: a link failed to train; drain the node and reset its GPUs.",
        ),
        Look("none", decimals=0),
        Query(f"sum by (instance, gpu) (gpu_nvlink_active{ON})", NAMED),
        width=8,
    )


def _peers() -> Json:
    return table(
        "Pairs of GPUs without NVLink",
        About(
            "Pairs that cannot reach each other's memory over NVLink, and why; empty where all can.",
            "do not place one model's tensor parallel workers across such a pair.",
        ),
        Look("none", mappings=style.values(NO_PEER)),
        {"instance": "Node", "gpu": "GPU", "peer": "Other GPU", "Value": "Why not"},
        Query(f"max by (instance, gpu, peer) (gpu_p2p_status{ON}) > 0", table=True),
        height=5,
    )
