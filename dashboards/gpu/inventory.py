"""What each GPU is: identity and versions, modes, memory, and the MIG instances it is cut into."""

from __future__ import annotations

from dashboards import style
from dashboards.gpu.select import INSTANCES, ON, WHOLE, WIDTHS, newest
from dashboards.panels import About, Look, lines, table
from dashboards.query import Query
from dashboards.style import Json

SWITCH = {"0": ("off", style.PLAIN), "1": ("on", style.PLAIN)}
FABRIC = {
    "0": ("none", style.PLAIN),
    "1": ("not started", style.WARN),
    "2": ("in progress", style.WARN),
    "3": ("ready", style.GOOD),
}
WORDS = {"custom__cellOptions": {"type": "color-text"}}


def inventory() -> list[Json]:
    return [_identity(), _modes(), _memory()]


def mig() -> list[Json]:
    return [_instances(), _instances_busy()]


def _identity() -> Json:
    what = "instance, gpu, name, architecture, pci_bus_id, serial, vbios, driver"
    return table(
        "Identity and versions",
        About(
            "What never changes about a GPU, and its firmware.",
            "give serial and versions when you open a case with the vendor; one that differs explains odd neighbours.",
        ),
        Look("none", overrides=[*WIDTHS, style.by_name("Name", custom__width=220)]),
        {
            "instance": "Node",
            "gpu": "GPU",
            "name": "Name",
            "architecture": "Architecture",
            "pci_bus_id": "PCI bus",
            "serial": "Serial",
            "vbios": "VBIOS",
            "driver": "Driver",
            "image": "InfoROM",
            "ecc": "InfoROM ECC",
        },
        Query(f"max by ({what}) (gpu_info{ON})", table=True),
        Query(f"max by (instance, gpu, image, ecc) (gpu_inforom_info{ON})", table=True),
        height=8,
        sort="GPU",
        ascending=True,
    )


def _modes() -> Json:
    heads = {
        "instance": "Node",
        "gpu": "GPU",
        "Value #A": "P-state",
        "Value #B": "Processes",
        "Value #C": "Persistence",
        "Value #D": "ECC",
        "Value #E": "MIG",
        "Value #F": "NVLink fabric",
        "Value #G": "vGPU licence",
    }
    families = (
        *("gpu_performance_state", "gpu_processes", "gpu_persistence_enabled", "gpu_ecc_enabled", "gpu_mig_enabled"),
        *("gpu_fabric_state", "gpu_vgpu_licensed"),
    )
    licence = {"0": ("missing", style.BAD), "1": ("valid", style.GOOD)}
    return table(
        "Modes",
        About(
            "Modes of each GPU. P-states run from 0, the fastest, to 15.",
            "persistence off: the first call after idle is slow; fabric not ready: NVLink jobs cannot start; licence"
            " missing: the vGPU is slowed down.",
        ),
        Look(
            "none",
            overrides=[
                *WIDTHS,
                style.by_regex("/Persistence|ECC|MIG/", mappings=style.values(SWITCH)),
                style.by_name("NVLink fabric", mappings=style.values(FABRIC), **WORDS),
                style.by_name("vGPU licence", mappings=style.values(licence), **WORDS),
            ],
        ),
        heads,
        *(Query(newest(family), table=True) for family in families),
        width=14,
        height=8,
        sort="GPU",
        ascending=True,
    )


def _memory() -> Json:
    heads = {
        "instance": "Node",
        "gpu": "GPU",
        "Value #A": "Memory",
        "Value #B": "Free",
        "Value #C": "Reserved",
        "Value #D": "BAR1 used",
    }
    return table(
        "Memory",
        About(
            "Memory of each GPU, what is free, what driver and firmware keep, and the share of the BAR1 window in use.",
            "free: what else fits; BAR1 full: peers and network cards cannot map more of its memory.",
        ),
        Look(
            "none",
            overrides=[
                *WIDTHS,
                style.by_regex("/Memory|Free|Reserved/", unit="bytes"),
                style.by_name("BAR1 used", unit="percentunit", decimals=1),
            ],
        ),
        heads,
        Query(newest("gpu_memory_total_bytes", WHOLE), table=True),
        Query(newest("gpu_memory_free_bytes", WHOLE), table=True),
        Query(newest("gpu_memory_reserved_bytes", WHOLE), table=True),
        Query(f"{newest('gpu_bar1_used_bytes')} / {newest('gpu_bar1_total_bytes')}", table=True),
        width=10,
        height=8,
        sort="GPU",
        ascending=True,
    )


def _instances() -> Json:
    def of(family: str) -> Query:
        return Query(f"max by (instance, gpu, mig) ({family}{INSTANCES})", table=True)

    return table(
        "Instances",
        About("The MIG instances, their size and memory.", "one without use: give it to somebody, or cut anew."),
        Look("none", overrides=[*WIDTHS, style.by_regex("/Memory|Used/", unit="bytes")]),
        {
            "instance": "Node",
            "gpu": "GPU",
            "mig": "MIG instance",
            "profile": "Profile",
            "Value #B": "Multiprocessors",
            "Value #C": "Memory",
            "Value #D": "Used",
        },
        Query(f"max by (instance, gpu, mig, profile) (gpu_mig_info{INSTANCES})", table=True),
        of("gpu_mig_multiprocessors"),
        of("gpu_memory_total_bytes"),
        of("gpu_memory_used_bytes"),
        width=14,
        sort="GPU",
        ascending=True,
    )


def _instances_busy() -> Json:
    return lines(
        "Instances busy",
        About(
            "Share of time in which the engines of each instance were busy.",
            "one full and the others idle: cut the GPU otherwise.",
        ),
        Look("percentunit", high=1),
        Query(f"max by (instance, gpu, mig) (gpu_graphics_engine_active_ratio{INSTANCES})", "{{mig}}"),
        width=10,
    )
