"""What limits a GPU: memory bandwidth, arithmetic pipes, clocks, engines, cooling."""

from __future__ import annotations

from dashboards import style
from dashboards.gpu.select import GPU, NAMED, ON, WHOLE, newest
from dashboards.panels import About, Look, bars, lines
from dashboards.query import Query
from dashboards.style import Json

RATIO = Look("percentunit", high=1)


def inside() -> list[Json]:
    return [_bandwidth(), _occupancy(), _pipes(), *_clocks(), _energy(), _fans(), _media()]


def _bandwidth() -> Json:
    used, busy = newest("gpu_dram_active_ratio", WHOLE), newest("gpu_memory_copy_utilization_ratio")
    return lines(
        "Memory bandwidth",
        About(
            "Share of the memory bandwidth in use; before Hopper, share of time in which memory was read or written.",
            "high while tensor cores idle: decoding is bound by memory; larger batches or quantised weights help.",
        ),
        RATIO,
        Query(f"{used} or {busy}", NAMED),
        width=8,
    )


def _occupancy() -> Json:
    return lines(
        "Occupancy, and matrix units stalled",
        About(
            "Resident warps as a share of the most possible, and dashed the share of time in which the matrix units"
            " waited for data, where the driver reports it.",
            "stalls grow with the load: look at memory bandwidth.",
        ),
        Look("percentunit", high=1, overrides=[style.twin("/stalled$/")]),
        Query(newest("gpu_sm_occupancy_ratio", WHOLE), NAMED),
        Query(newest("gpu_mma_stall_ratio"), f"{NAMED} stalled"),
        width=8,
    )


def _pipes() -> Json:
    # From the newest drivers' counters where available: exact over any time range.
    cycles = f"sum by (instance, gpu, pipe) (rate(gpu_pipe_cycles_total{WHOLE}[$__rate_interval]))"
    elapsed = WHOLE.replace("}", ',state="elapsed"}')
    whole = f"sum by ({GPU}) (rate(gpu_sm_cycles_total{elapsed}[$__rate_interval]))"
    counted = f"{cycles} / on ({GPU}) group_left () ({whole} > 0)"
    window = f"max by (instance, gpu, pipe) (gpu_tensor_pipe_active_ratio{WHOLE} or gpu_pipe_active_ratio{WHOLE})"
    return lines(
        "Arithmetic pipes",
        About(
            "Share of cycles in which each pipe was busy, on average over the chosen GPUs: hmma is half precision and"
            " imma integer on the tensor cores, dmma and dfma double precision, the others are ordinary arithmetic.",
            "imma or hmma not in use while serving a quantised model: its kernels fell back to slower arithmetic.",
        ),
        RATIO,
        Query(f"avg by (pipe) ({counted} or {window})", "{{pipe}}"),
        width=8,
    )


def _clocks() -> list[Json]:
    def share(clock: str) -> str:
        chosen = f'{{instance=~"$instance",gpu=~"$gpu",clock="{clock}"}}'
        return f"{newest('gpu_clock_hertz', chosen)}\n  / {newest('gpu_clock_max_hertz', chosen)}"

    return [
        lines(
            "Clocks",
            About(
                "Clocks of multiprocessors and, dashed, of memory as a share of the highest.",
                "low under load: see which reason slows the clocks, above.",
            ),
            Look("percentunit", high=1, overrides=[style.twin("/memory$/")]),
            Query(share("sm"), NAMED),
            Query(share("memory"), f"{NAMED} memory"),
            width=8,
        ),
        lines(
            "Time below the wanted performance",
            About(
                "Share of time in which a policy limited performance, by the driver's own counters.",
                "thermal: cooling; board_limit or reliability: have the board or its power supply looked at.",
            ),
            Look("percentunit"),
            Query(f"avg by (policy) (rate(gpu_violation_seconds_total{ON}[$__rate_interval]))", "{{policy}}"),
            width=8,
        ),
    ]


def _energy() -> Json:
    return bars(
        "Energy",
        About("Energy that each GPU used in the time shown.", "for cost and carbon; the owners' shares stand above."),
        Look("kwatth", decimals=2),
        Query(f"sum by ({GPU}) (increase(gpu_energy_joules_total{ON}[$__range])) / 3.6e6", NAMED),
        width=8,
    )


def _fans() -> Json:
    return lines(
        "Fans",
        About("Fan speed as a share of its highest; boards without fans show nothing.", "still while hot: replace it."),
        RATIO,
        Query(newest("gpu_fan_speed_ratio"), NAMED),
        width=12,
        height=7,
    )


def _media() -> Json:
    engines = ("encoder", "decoder", "jpeg", "ofa")
    names = ("video encoder", "video decoder", "JPEG", "optical flow")
    return lines(
        "Media engines",
        About(
            "Share of time the engines for video, images and optical flow were busy, on average over the chosen GPUs.",
            "near 100 % on a model of images or video: decoding is the bottleneck; decode elsewhere or add GPUs.",
        ),
        RATIO,
        *(Query(f"avg(gpu_{engine}_utilization_ratio{ON})", name) for engine, name in zip(engines, names, strict=True)),
        width=12,
        height=7,
    )
