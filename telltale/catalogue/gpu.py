"""The GPU families: what `telltale gpu` serves on /metrics.

Families with `mig` carry that label only on series of a MIG instance. With simulated GPUs every series has
`simulated="true"` besides. A family is absent for a GPU that cannot give it: never 0, never NaN.
"""

from __future__ import annotations

from telltale.catalogue.metric import Metric

_G = ("gpu", "uuid")
_M = (*_G, "mig")
_OWNER = (*_G, "namespace", "pod", "container", "tenant", "service")

DEVICE = (
    Metric(
        "gpu_info",
        "gauge",
        "",
        (*_G, "name", "pci_bus_id", "serial", "vbios", "brand", "driver", "nvml", "architecture"),
        "1 for each GPU, with its name, firmware, driver and place in the machine.",
    ),
    Metric(
        "gpu_inforom_info",
        "gauge",
        "",
        (*_G, "image", "oem", "ecc", "power"),
        "1 for each GPU, with its InfoROM versions.",
    ),
    Metric("gpu_temperature_celsius", "gauge", "celsius", _G, "Temperature of the GPU die."),
    Metric("gpu_memory_temperature_celsius", "gauge", "celsius", _G, "Temperature of the memory."),
    Metric("gpu_power_watts", "gauge", "watts", _G, "Power draw; a one second average from Ampere on."),
    Metric("gpu_power_limit_watts", "gauge", "watts", (*_G, "limit"), "Power limits, by kind."),
    Metric("gpu_energy_joules_total", "counter", "joules", _G, "Energy used since the driver was loaded."),
    Metric("gpu_clock_hertz", "gauge", "hertz", (*_G, "clock"), "Clock frequency, by domain."),
    Metric("gpu_clock_max_hertz", "gauge", "hertz", (*_G, "clock"), "Highest clock frequency, by domain."),
    Metric("gpu_utilization_ratio", "gauge", "ratio", _G, "Share of the last driver period in which a kernel ran."),
    Metric(
        "gpu_memory_copy_utilization_ratio",
        "gauge",
        "ratio",
        _G,
        "Share of the last driver period in which memory was read or written.",
    ),
    Metric("gpu_encoder_utilization_ratio", "gauge", "ratio", _G, "Share of time the video encoder was busy."),
    Metric("gpu_decoder_utilization_ratio", "gauge", "ratio", _G, "Share of time the video decoder was busy."),
    Metric("gpu_jpeg_utilization_ratio", "gauge", "ratio", _G, "Share of time the JPEG engine was busy."),
    Metric("gpu_ofa_utilization_ratio", "gauge", "ratio", _G, "Share of time the optical flow engine was busy."),
    Metric(
        "gpu_busy_seconds_total", "counter", "seconds", _G, "Utilisation integrated over time since the exporter began."
    ),
    Metric("gpu_memory_total_bytes", "gauge", "bytes", _M, "Memory of the GPU or instance."),
    Metric("gpu_memory_used_bytes", "gauge", "bytes", _M, "Memory in use, without what the driver reserves."),
    Metric("gpu_memory_free_bytes", "gauge", "bytes", _M, "Memory not in use."),
    Metric("gpu_memory_reserved_bytes", "gauge", "bytes", _M, "Memory that driver and firmware keep for themselves."),
    Metric("gpu_bar1_used_bytes", "gauge", "bytes", _G, "BAR1 aperture in use."),
    Metric("gpu_bar1_total_bytes", "gauge", "bytes", _G, "Size of the BAR1 aperture."),
    Metric("gpu_fan_speed_ratio", "gauge", "ratio", _G, "Fan speed as a share of its highest."),
    Metric("gpu_performance_state", "gauge", "", _G, "Performance state: 0 (highest) to 15."),
    Metric("gpu_throttle_active", "gauge", "", (*_G, "reason"), "1 while the clocks are throttled for that reason."),
    Metric(
        "gpu_throttle_seconds_total",
        "counter",
        "seconds",
        (*_G, "reason"),
        "Time the clocks were throttled for that reason: the driver's counter where it has one, else samples added up.",
    ),
    Metric(
        "gpu_violation_seconds_total",
        "counter",
        "seconds",
        (*_G, "policy"),
        "Time that a policy kept performance below what was wanted, by policy, as the driver counts it.",
    ),
    Metric("gpu_pcie_transmitted_bytes_total", "counter", "bytes", _G, "Bytes sent over PCIe."),
    Metric("gpu_pcie_received_bytes_total", "counter", "bytes", _G, "Bytes received over PCIe."),
    Metric("gpu_pcie_transmit_bytes_per_second", "gauge", "bytes", _M, "PCIe send rate over the last interval."),
    Metric("gpu_pcie_receive_bytes_per_second", "gauge", "bytes", _M, "PCIe receive rate over the last interval."),
    Metric("gpu_pcie_replays_total", "counter", "", _G, "PCIe replays."),
    Metric("gpu_pcie_errors_total", "counter", "", (*_G, "kind"), "PCIe errors, by kind."),
    Metric("gpu_pcie_link_generation", "gauge", "", _G, "PCIe generation in use."),
    Metric("gpu_pcie_link_generation_max", "gauge", "", _G, "PCIe generation that GPU and host could use."),
    Metric("gpu_pcie_link_width", "gauge", "", _G, "PCIe lanes in use."),
    Metric("gpu_pcie_link_width_max", "gauge", "", _G, "PCIe lanes that GPU and host could use."),
    Metric(
        "gpu_ecc_errors_total",
        "counter",
        "",
        (*_G, "severity", "since"),
        "ECC errors: corrected or uncorrected, since the driver was loaded (load) or ever (life).",
    ),
    Metric(
        "gpu_ecc_location_errors_total",
        "counter",
        "",
        (*_G, "severity", "since", "location"),
        "ECC errors by severity and place: dram or sram.",
    ),
    Metric("gpu_ecc_enabled", "gauge", "", _G, "1 if ECC is on."),
    Metric(
        "gpu_retired_pages_total", "counter", "", (*_G, "severity"), "Memory pages retired, by cause; before Ampere."
    ),
    Metric("gpu_retired_pages_pending", "gauge", "", _G, "1 if pages wait for a reboot to be retired; before Ampere."),
    Metric("gpu_remapped_rows_total", "counter", "", (*_G, "severity"), "Memory rows remapped, by cause."),
    Metric("gpu_row_remap_pending", "gauge", "", _G, "1 if a remap waits for a reset."),
    Metric("gpu_row_remap_failed", "gauge", "", _G, "1 if a row could not be remapped: replace the GPU."),
    Metric("gpu_row_remap_banks", "gauge", "", (*_G, "spare"), "Memory banks by the spare rows they still have."),
    Metric("gpu_nvlink_active", "gauge", "", (*_G, "link"), "1 if the NVLink is up."),
    Metric("gpu_nvlink_transmitted_bytes_total", "counter", "bytes", (*_G, "link"), "Data sent over NVLink."),
    Metric("gpu_nvlink_received_bytes_total", "counter", "bytes", (*_G, "link"), "Data received over NVLink."),
    Metric("gpu_nvlink_transmit_bytes_per_second", "gauge", "bytes", _M, "NVLink send rate over the last interval."),
    Metric("gpu_nvlink_receive_bytes_per_second", "gauge", "bytes", _M, "NVLink receive rate over the last interval."),
    Metric("gpu_nvlink_errors_total", "counter", "", (*_G, "kind"), "NVLink errors over all links, by kind."),
    Metric(
        "gpu_p2p_status", "gauge", "", (*_G, "peer"), "NVLink peer access to another GPU: 0 possible, else why not."
    ),
    Metric("gpu_xid_errors_total", "counter", "", (*_G, "xid"), "XID events since the exporter began, by code."),
    Metric("gpu_xid_last_timestamp_seconds", "gauge", "seconds", (*_G, "xid"), "When that XID was last seen."),
    Metric(
        "gpu_recovery_action",
        "gauge",
        "",
        _G,
        "What the driver asks for: 0 nothing, 1 reset, 2 node reboot, 3 drain P2P, 4 drain and reset.",
    ),
    Metric(
        "gpu_health_status",
        "gauge",
        "",
        _G,
        "0 healthy, 10 warning, 20 failed, by remapping, recovery action, uncorrected errors and XIDs of this hour.",
    ),
    Metric(
        "gpu_fabric_state",
        "gauge",
        "",
        _G,
        "NVLink fabric: 0 not supported, 1 not started, 2 in progress, 3 completed.",
    ),
    Metric("gpu_vgpu_licensed", "gauge", "", _G, "1 if the vGPU licence is in force."),
    Metric("gpu_persistence_enabled", "gauge", "", _G, "1 if persistence mode is on."),
    Metric("gpu_processes", "gauge", "", _G, "Processes that compute on the GPU."),
    Metric("gpu_mig_enabled", "gauge", "", _G, "1 if the GPU is cut into MIG instances."),
    Metric("gpu_mig_info", "gauge", "", (*_M, "instance", "compute_instance", "profile"), "1 for each MIG instance."),
    Metric("gpu_mig_multiprocessors", "gauge", "", _M, "Streaming multiprocessors of the instance."),
    Metric(
        "gpu_graphics_engine_active_ratio", "gauge", "ratio", _M, "Share of time graphics or compute engines were busy."
    ),
    Metric(
        "gpu_sm_active_ratio",
        "gauge",
        "ratio",
        _M,
        "Share of cycles in which a multiprocessor had work, averaged over all of them.",
    ),
    Metric("gpu_sm_occupancy_ratio", "gauge", "ratio", _M, "Resident warps as a share of the most possible."),
    Metric("gpu_tensor_active_ratio", "gauge", "ratio", _M, "Share of cycles the tensor cores were busy."),
    Metric(
        "gpu_tensor_pipe_active_ratio",
        "gauge",
        "ratio",
        (*_M, "pipe"),
        "Share of cycles a pipe of the tensor cores was busy.",
    ),
    Metric("gpu_pipe_active_ratio", "gauge", "ratio", (*_M, "pipe"), "Share of cycles an arithmetic pipe was busy."),
    Metric("gpu_mma_stall_ratio", "gauge", "ratio", _G, "Share of time the matrix units were stalled; r615 and newer."),
    Metric(
        "gpu_pipe_cycles_total",
        "counter",
        "",
        (*_M, "pipe"),
        "Cycles in which an arithmetic pipe was busy; divide by gpu_sm_cycles_total. r615 and newer.",
    ),
    Metric("gpu_dram_active_ratio", "gauge", "ratio", _M, "Share of the memory bandwidth in use."),
    Metric("gpu_c2c_transmit_bytes_per_second", "gauge", "bytes", _M, "Send rate of the chip-to-chip link."),
    Metric("gpu_c2c_receive_bytes_per_second", "gauge", "bytes", _M, "Receive rate of the chip-to-chip link."),
    Metric(
        "gpu_sm_cycles_total",
        "counter",
        "",
        (*_M, "state"),
        "Multiprocessor cycles, elapsed and active; r615 and newer.",
    ),
)

OWNER = (
    Metric("gpu_owner_info", "gauge", "", (*_OWNER, "mig"), "1 for each owner of a GPU; join it on gpu and uuid."),
    Metric(
        "gpu_owner_energy_joules_total",
        "counter",
        "joules",
        _OWNER,
        "Energy per owner: all of it for a sole owner, else by share of SM time; the rest has empty labels.",
    ),
    Metric(
        "gpu_owner_busy_seconds_total",
        "counter",
        "seconds",
        _OWNER,
        "GPU-seconds of work per owner: utilisation integrated over time, split as the energy is.",
    ),
    Metric("gpu_owner_memory_used_bytes", "gauge", "bytes", _OWNER, "GPU memory that the owner's processes use."),
    Metric("gpu_owner_processes", "gauge", "", _OWNER, "Processes of the owner on the GPU."),
)

EXPORTER = (
    Metric("telltale_gpu_up", "gauge", "", _G, "1 if the last reading of the GPU succeeded and is fresh."),
    Metric(
        "telltale_gpu_state",
        "gauge",
        "",
        (*_G, "state"),
        "1 for the state of the GPU: ok, lost, hung, reset_required, refused, error, gone or unknown.",
    ),
    Metric(
        "telltale_gpu_sampler_up",
        "gauge",
        "",
        (),
        "1 if the process that reads the driver is alive and its readings are fresh.",
    ),
    Metric("telltale_gpu_sample_age_seconds", "gauge", "seconds", (), "Age of the readings on this page."),
    Metric(
        "telltale_gpu_sample_duration_seconds", "gauge", "seconds", (), "How long the last reading of all GPUs took."
    ),
    Metric("telltale_gpu_samples_total", "counter", "", (), "Readings of all GPUs."),
    Metric(
        "telltale_gpu_devices",
        "gauge",
        "",
        ("kind",),
        "GPUs that the driver shows now (seen), and those seen since the exporter began (expected).",
    ),
    Metric("telltale_gpu_quarantined", "gauge", "", (*_G, "call"), "1 for each GPU left alone because that call hung."),
    Metric(
        "telltale_gpu_errors_total",
        "counter",
        "",
        (*_G, "call", "reason"),
        "Driver calls that failed, by reason; not_supported is counted once an hour.",
    ),
    Metric(
        "telltale_gpu_slow_call",
        "gauge",
        "",
        (*_G, "call"),
        "1 for each call that took over 2 ms and is therefore made every ten readings only.",
    ),
    Metric("telltale_gpu_sampler_restarts_total", "counter", "", ("reason",), "Starts of the sampler after the first."),
    Metric(
        "telltale_gpu_abandoned_processes",
        "gauge",
        "",
        (),
        "Samplers that were killed and do not end, because the driver is stuck.",
    ),
    Metric("telltale_gpu_last_error_info", "gauge", "", ("error",), "1, with the reason, while there are no readings."),
    Metric("telltale_gpu_owners_up", "gauge", "", ("source",), "1 if that source of owners responds."),
    Metric("telltale_gpu_scrapes_total", "counter", "", ("path",), "Scrapes of the exporter, by page."),
)

GPU = (*DEVICE, *OWNER, *EXPORTER)
