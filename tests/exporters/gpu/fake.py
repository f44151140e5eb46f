"""The control file of the fake libnvidia-ml: what it returns, switched while it runs."""

from __future__ import annotations

import ctypes
import mmap
import subprocess
from ctypes import Structure, c_char, c_double, c_int32, c_uint32, c_uint64
from pathlib import Path

MAX_GPUS, MAX_FIELD, MAX_GPM = 16, 320, 480
SCALARS = (
    *("temperature", "utilization", "memory_utilization", "power_mw", "enforced_mw", "pstate", "fan"),
    *("pcie_gen", "pcie_width", "pcie_gen_max", "pcie_width_max", "persistence", "brand", "architecture"),
    *("encoder", "decoder", "jpeg", "ofa", "ecc_mode", "reasons", "fabric", "vgpu", "memory_errors"),
    *("clock_graphics", "clock_sm", "clock_memory", "clock_video"),
    *("clock_max_graphics", "clock_max_sm", "clock_max_memory", "clock_max_video"),
    *("memory_total", "memory_reserved", "memory_free", "memory_used", "bar1_total", "bar1_used"),
    *("remap_max", "remap_high", "remap_partial", "remap_low", "remap_none"),
)
LOST, NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, UNKNOWN = 15, 3, 4, 9, 999
MIB = 1 << 20


class Process(Structure):
    _fields_ = (
        ("pid", c_uint32),
        ("sm", c_uint32),
        ("memory", c_uint64),
        ("instance", c_uint32),
        ("unused", c_uint32),
    )


class Mig(Structure):
    _fields_ = (
        ("uuid", c_char * 64),
        ("instance", c_uint32),
        ("compute", c_uint32),
        ("slices", c_uint32),
        ("multiprocessors", c_uint32),
        ("memory_mb", c_uint64),
        ("total", c_uint64),
        ("used", c_uint64),
        ("gpm", c_double * MAX_GPM),
    )


class Gpu(Structure):
    _fields_ = (
        *((name, c_int32) for name in ("fault", "hang", "delay_us", "gpm", "mig_on", "migs", "processes", "links")),
        ("events", c_int32),
        ("xid_count", c_int32),
        ("xids", c_uint32 * 64),
        *((name, c_char * 64) for name in ("uuid", "name")),
        *((name, c_char * 32) for name in ("pci", "serial", "vbios")),
        *((name, c_char * 16) for name in ("image", "oem", "ecc", "power")),
        ("scalar", c_double * len(SCALARS)),
        ("field", c_double * MAX_FIELD),
        ("gpm_value", c_double * MAX_GPM),
        ("scalar_rc", c_int32 * len(SCALARS)),
        ("field_rc", c_int32 * MAX_FIELD),
        ("gpm_rc", c_int32 * MAX_GPM),
        ("process", Process * 200),
        ("mig", Mig * 8),
    )

    def set(self, **values: float | None) -> None:
        """Scalars by name; None makes the card refuse that reading."""
        for name, value in values.items():
            slot = SCALARS.index(name)
            self.scalar_rc[slot] = NOT_SUPPORTED if value is None else 0
            self.scalar[slot] = value or 0

    def set_field(self, number: int, value: float | None) -> None:
        self.field_rc[number] = NOT_SUPPORTED if value is None else 0
        self.field[number] = value or 0

    def set_gpm(self, number: int, value: float | None) -> None:
        self.gpm_rc[number] = NOT_SUPPORTED if value is None else 0
        self.gpm_value[number] = value or 0

    def raise_xid(self, code: int) -> None:
        self.xids[self.xid_count % 64] = code
        self.xid_count += 1

    def run(self, *processes: tuple[int, int, int], instance: int = 0xFFFFFFFF) -> None:
        """(pid, memory bytes, SM percent) each."""
        for slot, (pid, memory, sm) in zip(self.process, processes, strict=False):
            slot.pid, slot.memory, slot.sm, slot.instance = pid, memory, sm, instance
        self.processes = len(processes)

    def cut(self, *instances: tuple[str, int, int]) -> None:
        """MIG instances: (uuid, GPU instance id, slices) each; none turns MIG off."""
        for slot, (uuid, instance, slices) in zip(self.mig, instances, strict=False):
            slot.uuid, slot.instance, slot.compute, slot.slices = uuid.encode(), instance, 0, slices
            slot.multiprocessors, slot.memory_mb = 16 * slices, 10240 * slices
            slot.total, slot.used = 10240 * slices * MIB, 1024 * slices * MIB
            slot.gpm[2] = 25.0
        self.migs, self.mig_on = len(instances), int(bool(instances))


class Control(Structure):
    _fields_ = (
        *((name, c_uint32) for name in ("magic", "count", "init_rc", "init_hang", "generation", "calls", "delay_us")),
        ("event_hang", c_uint32),
        ("attach_rc", c_uint32),
        ("driver", c_char * 32),
        ("nvml", c_char * 32),
        ("gpu", Gpu * MAX_GPUS),
    )


class Fake:
    """The fake library and its control file in `folder`. `control` is the file itself: changes act at once."""

    def __init__(self, folder: Path, library: Path, gpus: int = 2) -> None:
        self.library, self.file = library, folder / "nvml.ctl"
        self.file.write_bytes(bytes(ctypes.sizeof(Control)))
        with self.file.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), ctypes.sizeof(Control))
        self.control = Control.from_buffer(self._memory)
        self.control.driver, self.control.nvml = b"590.48.01", b"13.590.48"
        self.control.count = gpus
        for index in range(MAX_GPUS):
            hopper(self.control.gpu[index], index)

    def __getitem__(self, index: int) -> Gpu:
        gpu: Gpu = self.control.gpu[index]
        return gpu

    @property
    def environment(self) -> dict[str, str]:
        return {"FAKE_NVML_CTL": str(self.file)}


def build(folder: Path, *flags: str) -> Path:
    """Compile the library into `folder`."""
    names = ", ".join(SCALARS)
    sizes = f"MAX_GPUS = {MAX_GPUS}, MAX_FIELD = {MAX_FIELD}, MAX_GPM = {MAX_GPM}, SCALARS = {len(SCALARS)}"
    (folder / "slots.h").write_text(f"enum {{ {names} }};\nenum {{ {sizes} }};\n")
    library = folder / "libnvidia-ml.so.1"
    source = Path(__file__).with_name("fake_nvml.c")
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{folder}", *flags]
    subprocess.run([*command, "-o", str(library), str(source)], check=True)
    return library


def hopper(gpu: Gpu, index: int) -> None:
    """A card that gives everything: an H100 in a DGX, idle."""
    gpu.uuid, gpu.name = f"GPU-{index:08x}-0000-4000-8000-000000000000".encode(), b"NVIDIA H100 80GB HBM3"
    gpu.pci, gpu.serial = f"00000000:{index + 16:02X}:00.0".encode(), f"165{index:010d}".encode()
    gpu.vbios, gpu.image, gpu.oem, gpu.ecc = b"96.00.A5.00.01", b"G520.0200.00.05", b"2.1", b"7.16"
    gpu.gpm, gpu.links, gpu.events = 1, 18, 1
    gpu.set(temperature=41, utilization=0, memory_utilization=0, power_mw=69_620, enforced_mw=700_000, pstate=0)
    gpu.set(fan=None, pcie_gen=5, pcie_width=16, pcie_gen_max=5, pcie_width_max=16, persistence=1, brand=14)
    gpu.set(architecture=9, encoder=0, decoder=0, jpeg=0, ofa=0, ecc_mode=1, reasons=1, fabric=3, vgpu=1)
    gpu.set(memory_errors=0)
    gpu.set(clock_graphics=345, clock_sm=345, clock_memory=2619, clock_video=765)
    gpu.set(clock_max_graphics=1980, clock_max_sm=1980, clock_max_memory=2619, clock_max_video=1545)
    gpu.set(memory_total=81559 * MIB, memory_reserved=479 * MIB, memory_free=81080 * MIB, memory_used=0)
    gpu.set(bar1_total=131072 * MIB, bar1_used=MIB, remap_max=2560, remap_high=0, remap_partial=0)
    gpu.set(remap_low=0, remap_none=0)
    for number in range(MAX_FIELD):
        gpu.set_field(number, 0)
    gpu.set_field(82, 48)
    gpu.set_field(83, 5_000_000 + index)
    gpu.set_field(186, 69_620)
    for number, milliwatts in ((192, 700), (190, 700), (189, 700), (187, 200), (188, 700)):
        gpu.set_field(number, milliwatts * 1000)
    for number in range(MAX_GPM):
        gpu.set_gpm(number, 10.0)
