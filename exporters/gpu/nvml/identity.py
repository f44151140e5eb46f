"""The identity of a GPU, which never changes."""

from __future__ import annotations

from ctypes import byref, c_uint, c_void_p
from typing import NamedTuple

from exporters.gpu.nvml.library import Library, NvmlError, PciInfo
from exporters.gpu.series import label

_BRANDS = {
    **{1: "Quadro", 2: "Tesla", 3: "NVS", 4: "GRID", 5: "GeForce", 6: "Titan", 7: "vApps", 8: "vPC", 9: "vCS"},
    **{10: "vWS", 11: "Cloud Gaming", 12: "Quadro RTX", 13: "NVIDIA RTX", 14: "NVIDIA", 15: "GeForce RTX"},
    16: "Titan RTX",
}
_ARCHITECTURES = {
    **{2: "Kepler", 3: "Maxwell", 4: "Pascal", 5: "Volta", 6: "Turing", 7: "Ampere", 8: "Ada", 9: "Hopper"},
    10: "Blackwell",
}


class Identity(NamedTuple):
    gpu: int
    uuid: str
    name: str
    pci_bus_id: str
    serial: str
    vbios: str
    brand: str
    architecture: str
    inforom: tuple[str, str, str, str]
    """Image, OEM, ECC and power management versions; '' where there is none."""

    @property
    def labels(self) -> str:
        """The labels that every series of this GPU has."""
        return f'gpu="{self.gpu}"{label("uuid", self.uuid)}'


def identify(library: Library, handle: c_void_p, index: int) -> Identity:
    """Read what identifies the GPU. Raises NvmlError when not even its UUID can be read."""
    uuid = library.text("nvmlDeviceGetUUID", handle)
    if not uuid:
        temperature = c_uint()
        library.call("nvmlDeviceGetTemperature", handle, c_uint(0), byref(temperature))
        raise NvmlError("nvmlDeviceGetUUID", 999)
    return Identity(
        index,
        uuid,
        library.text("nvmlDeviceGetName", handle),
        _pci(library, handle),
        library.text("nvmlDeviceGetSerial", handle, size=30),
        library.text("nvmlDeviceGetVbiosVersion", handle, size=32),
        _BRANDS.get(_number(library, "nvmlDeviceGetBrand", handle), ""),
        _ARCHITECTURES.get(_number(library, "nvmlDeviceGetArchitecture", handle), ""),
        (
            library.text("nvmlDeviceGetInforomImageVersion", handle, size=16),
            library.text("nvmlDeviceGetInforomVersion", handle, c_uint(0), size=16),
            library.text("nvmlDeviceGetInforomVersion", handle, c_uint(1), size=16),
            library.text("nvmlDeviceGetInforomVersion", handle, c_uint(2), size=16),
        ),
    )


def _pci(library: Library, handle: c_void_p) -> str:
    info = PciInfo()
    code = library.function("nvmlDeviceGetPciInfo_v3")(handle, byref(info))
    return "" if code else info.busId.decode("ascii", "replace")


def _number(library: Library, name: str, handle: c_void_p) -> int:
    number = c_uint()
    return -1 if library.function(name)(handle, byref(number)) else number.value
