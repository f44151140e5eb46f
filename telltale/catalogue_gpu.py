"""The GPU families: what `telltale gpu` serves on /metrics.

Plain rows, without the catalogue's classes: the exporter's processes import this file and stay small.
Families with `mig` carry that label only on series of a MIG instance. With simulated GPUs every series has
`simulated="true"` besides. A family is absent for a GPU that cannot give it: never 0, never NaN.
"""

from __future__ import annotations

from typing import Literal

Row = tuple[str, Literal["counter", "gauge"], str, tuple[str, ...], str]

_G = ("gpu", "uuid")
_M = (*_G, "mig")
_OWNER = (*_G, "namespace", "pod", "container", "tenant", "service")

DEVICE: tuple[Row, ...] = (
    (
        "gpu_info",
        "gauge",
        "",
        (*_G, "name", "pci_bus_id", "serial", "vbios", "brand", "driver", "nvml", "architecture"),
        "1 for each GPU, with what never changes about it.",
    ),
    (
        "gpu_inforom_info",
        "gauge",
        "",
        (*_G, "image", "oem", "ecc", "power"),
        "1 for each GPU, with its InfoROM versions.",
    ),
    ("gpu_temperature_celsius", "gauge", "celsius", _G, "Temperature of the GPU die."),
    ("gpu_memory_temperature_celsius", "gauge", "celsius", _G, "Temperature of the memory."),
    ("gpu_power_watts", "gauge", "watts", _G, "Power draw; a one second average from Ampere on."),
    ("gpu_power_instant_watts", "gauge", "watts", _G, "Power draw at the moment of the reading."),
    ("gpu_power_limit_watts", "gauge", "watts", (*_G, "limit"), "Power limits, by kind."),
    ("gpu_energy_joules_total", "counter", "joules", _G, "Energy used since the driver was loaded."),
    ("gpu_clock_hertz", "gauge", "hertz", (*_G, "clock"), "Clock frequency, by domain."),
    ("gpu_clock_max_hertz", "gauge", "hertz", (*_G, "clock"), "Highest clock frequency, by domain."),
    ("gpu_utilization_ratio", "gauge", "ratio", _G, "Share of the last driver period in which a kernel ran."),
    (
        "gpu_memory_copy_utilization_ratio",
        "gauge",
        "ratio",
        _G,
        "Share of the last driver period in which memory was read or written.",
    ),
    ("gpu_encoder_utilization_ratio", "gauge", "ratio", _G, "Share of time the video encoder was busy."),
    ("gpu_decoder_utilization_ratio", "gauge", "ratio", _G, "Share of time the video decoder was busy."),
    ("gpu_jpeg_utilization_ratio", "gauge", "ratio", _G, "Share of time the JPEG engine was busy."),
    ("gpu_ofa_utilization_ratio", "gauge", "ratio", _G, "Share of time the optical flow engine was busy."),
    ("gpu_busy_seconds_total", "counter", "seconds", _G, "Utilisation integrated over time since the exporter began."),
    ("gpu_memory_total_bytes", "gauge", "bytes", _M, "Memory of the GPU or instance."),
    ("gpu_memory_used_bytes", "gauge", "bytes", _M, "Memory in use, without what the driver reserves."),
    ("gpu_memory_free_bytes", "gauge", "bytes", _M, "Memory not in use."),
    ("gpu_memory_reserved_bytes", "gauge", "bytes", _M, "Memory that driver and firmware keep for themselves."),
    ("gpu_bar1_used_bytes", "gauge", "bytes", _G, "BAR1 aperture in use."),
    ("gpu_bar1_total_bytes", "gauge", "bytes", _G, "Size of the BAR1 aperture."),
    ("gpu_fan_speed_ratio", "gauge", "ratio", _G, "Fan speed as a share of its highest."),
    ("gpu_performance_state", "gauge", "", _G, "Performance state: 0 (highest) to 15."),
    ("gpu_throttle_active", "gauge", "", (*_G, "reason"), "1 while that reason holds the clocks down."),
    (
        "gpu_throttle_seconds_total",
        "counter",
        "seconds",
        (*_G, "reason"),
        "Time that reason held the clocks down: the driver's own counter where it has one, else integrated samples.",
    ),
    (
        "gpu_violation_seconds_total",
        "counter",
        "seconds",
        (*_G, "policy"),
        "Time below the wanted performance, by the policy that asked for it, as the driver counts it.",
    ),
    ("gpu_pcie_transmitted_bytes_total", "counter", "bytes", _G, "Bytes sent over PCIe."),
    ("gpu_pcie_received_bytes_total", "counter", "bytes", _G, "Bytes received over PCIe."),
    ("gpu_pcie_transmit_bytes_per_second", "gauge", "bytes", _M, "PCIe send rate over the last interval."),
    ("gpu_pcie_receive_bytes_per_second", "gauge", "bytes", _M, "PCIe receive rate over the last interval."),
    ("gpu_pcie_replays_total", "counter", "", _G, "PCIe replays."),
    ("gpu_pcie_errors_total", "counter", "", (*_G, "kind"), "PCIe errors, by kind."),
    ("gpu_pcie_link_generation", "gauge", "", _G, "PCIe generation in use."),
    ("gpu_pcie_link_generation_max", "gauge", "", _G, "PCIe generation that GPU and host could use."),
    ("gpu_pcie_link_width", "gauge", "", _G, "PCIe lanes in use."),
    ("gpu_pcie_link_width_max", "gauge", "", _G, "PCIe lanes that GPU and host could use."),
    (
        "gpu_ecc_errors_total",
        "counter",
        "",
        (*_G, "severity", "since"),
        "ECC errors: corrected or uncorrected, since the driver was loaded (load) or ever (life).",
    ),
    ("gpu_ecc_enabled", "gauge", "", _G, "1 if ECC is on."),
    ("gpu_retired_pages_total", "counter", "", (*_G, "severity"), "Memory pages retired, by cause; before Ampere."),
    ("gpu_retired_pages_pending", "gauge", "", _G, "1 if pages wait for a reboot to be retired; before Ampere."),
    ("gpu_remapped_rows_total", "counter", "", (*_G, "severity"), "Memory rows remapped, by cause."),
    ("gpu_row_remap_pending", "gauge", "", _G, "1 if a remap waits for a reset."),
    ("gpu_row_remap_failed", "gauge", "", _G, "1 if a row could not be remapped: replace the GPU."),
    ("gpu_row_remap_banks", "gauge", "", (*_G, "spare"), "Memory banks by the spare rows they still have."),
    ("gpu_nvlink_active", "gauge", "", (*_G, "link"), "1 if the NVLink is up."),
    ("gpu_nvlink_transmitted_bytes_total", "counter", "bytes", (*_G, "link"), "Data sent over NVLink."),
    ("gpu_nvlink_received_bytes_total", "counter", "bytes", (*_G, "link"), "Data received over NVLink."),
    ("gpu_nvlink_transmit_bytes_per_second", "gauge", "bytes", _M, "NVLink send rate over the last interval."),
    ("gpu_nvlink_receive_bytes_per_second", "gauge", "bytes", _M, "NVLink receive rate over the last interval."),
    ("gpu_nvlink_errors_total", "counter", "", (*_G, "kind"), "NVLink errors over all links, by kind."),
    ("gpu_p2p_status", "gauge", "", (*_G, "peer"), "NVLink peer access to another GPU: 0 possible, else why not."),
    ("gpu_xid_errors_total", "counter", "", (*_G, "xid"), "XID events since the exporter began, by code."),
    ("gpu_xid_last_timestamp_seconds", "gauge", "seconds", (*_G, "xid"), "When that XID was last seen."),
    (
        "gpu_recovery_action",
        "gauge",
        "",
        _G,
        "What the driver asks for: 0 nothing, 1 reset, 2 node reboot, 3 drain P2P, 4 drain and reset.",
    ),
    (
        "gpu_health_status",
        "gauge",
        "",
        _G,
        "0 healthy, 10 warning, 20 failed, by remapping, recovery action, uncorrected errors and XIDs of this hour.",
    ),
    ("gpu_fabric_state", "gauge", "", _G, "NVLink fabric: 0 not supported, 1 not started, 2 in progress, 3 completed."),
    ("gpu_vgpu_licensed", "gauge", "", _G, "1 if the vGPU licence is in force."),
    ("gpu_persistence_enabled", "gauge", "", _G, "1 if persistence mode is on."),
    ("gpu_processes", "gauge", "", _G, "Processes that compute on the GPU."),
    ("gpu_mig_enabled", "gauge", "", _G, "1 if the GPU is cut into MIG instances."),
    ("gpu_mig_info", "gauge", "", (*_M, "instance", "compute_instance", "profile"), "1 for each MIG instance."),
    ("gpu_mig_multiprocessors", "gauge", "", _M, "Streaming multiprocessors of the instance."),
    ("gpu_graphics_engine_active_ratio", "gauge", "ratio", _M, "Share of time graphics or compute engines were busy."),
    ("gpu_sm_active_ratio", "gauge", "ratio", _M, "Share of cycles with a warp on a multiprocessor, over all of them."),
    ("gpu_sm_occupancy_ratio", "gauge", "ratio", _M, "Resident warps as a share of the most possible."),
    ("gpu_tensor_active_ratio", "gauge", "ratio", _M, "Share of cycles the tensor cores were busy."),
    ("gpu_tensor_pipe_active_ratio", "gauge", "ratio", (*_M, "pipe"), "The same, by tensor pipe."),
    ("gpu_pipe_active_ratio", "gauge", "ratio", (*_M, "pipe"), "Share of cycles an arithmetic pipe was busy."),
    ("gpu_dram_active_ratio", "gauge", "ratio", _M, "Share of the memory bandwidth in use."),
    ("gpu_c2c_transmit_bytes_per_second", "gauge", "bytes", _M, "Send rate of the chip-to-chip link."),
    ("gpu_c2c_receive_bytes_per_second", "gauge", "bytes", _M, "Receive rate of the chip-to-chip link."),
    (
        "gpu_sm_cycles_total",
        "counter",
        "",
        (*_M, "state"),
        "Multiprocessor cycles, elapsed and active; r615 and newer.",
    ),
)

OWNER: tuple[Row, ...] = (
    ("gpu_owner_info", "gauge", "", (*_OWNER, "mig"), "1 for each owner of a GPU; join it on gpu and uuid."),
    (
        "gpu_owner_energy_joules_total",
        "counter",
        "joules",
        _OWNER,
        "Energy per owner: all of it for a sole owner, else by share of SM time; the rest has empty labels.",
    ),
    (
        "gpu_owner_busy_seconds_total",
        "counter",
        "seconds",
        _OWNER,
        "GPU-seconds of work per owner: utilisation integrated over time, split as the energy is.",
    ),
    ("gpu_owner_memory_used_bytes", "gauge", "bytes", _OWNER, "GPU memory that the owner's processes hold."),
    ("gpu_owner_processes", "gauge", "", _OWNER, "Processes of the owner on the GPU."),
)

EXPORTER: tuple[Row, ...] = (
    (
        "gpu_up",
        "gauge",
        "",
        _G,
        "The same as telltale_gpu_up, under the name that stands beside the other gpu_* series.",
    ),
    ("telltale_gpu_up", "gauge", "", _G, "1 if the last reading of the GPU succeeded and is fresh."),
    (
        "telltale_gpu_state",
        "gauge",
        "",
        (*_G, "state"),
        "1 for the state of the GPU: ok, lost, hung, reset_required, refused, error, gone or unknown.",
    ),
    ("telltale_gpu_sampler_up", "gauge", "", (), "1 if the process that reads the driver is alive and its page fresh."),
    ("telltale_gpu_sample_age_seconds", "gauge", "seconds", (), "Age of the readings on this page."),
    ("telltale_gpu_sample_duration_seconds", "gauge", "seconds", (), "How long the last reading of all GPUs took."),
    ("telltale_gpu_samples_total", "counter", "", (), "Readings of all GPUs."),
    ("telltale_gpu_devices", "gauge", "", ("kind",), "GPUs: seen by the driver now, expected from before."),
    ("telltale_gpu_quarantined", "gauge", "", (*_G, "call"), "1 for each GPU left alone because that call hung."),
    (
        "telltale_gpu_errors_total",
        "counter",
        "",
        (*_G, "call", "reason"),
        "Driver calls that failed, by reason; not_supported is counted once an hour.",
    ),
    (
        "telltale_gpu_slow_call",
        "gauge",
        "",
        (*_G, "call"),
        "1 for each call that took over 2 ms and is therefore made every ten readings only.",
    ),
    ("telltale_gpu_sampler_restarts_total", "counter", "", ("reason",), "Starts of the sampler after the first."),
    ("telltale_gpu_abandoned_processes", "gauge", "", (), "Samplers that were killed and do not end: a stuck driver."),
    ("telltale_gpu_last_error_info", "gauge", "", ("error",), "1 with the reason why there are no readings."),
    ("telltale_gpu_owners_up", "gauge", "", ("source",), "1 if that source of ownership answers."),
    ("telltale_gpu_scrapes_total", "counter", "", ("path",), "Scrapes answered."),
)

ROWS = (*DEVICE, *OWNER, *EXPORTER)
