"""The part of NVML's C interface that we call: structures, error codes, and the library loaded with ctypes.

Only the standard library: the usual Python bindings cost 14 MiB in each process. `tests/exporters/gpu/test_nvml_abi.py`
compares every structure and number here with those bindings.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, Structure, Union, c_char_p, c_double, c_longlong, c_uint, c_ulonglong, c_void_p
from typing import Any

MEMORY_V2 = 0x02000028
NO_ATTACH = 2
ALL_LINKS = 0xFFFFFFFF
MAX_LINKS = 36
EVENT_XID = 8
GPM_METRICS_MAX = 477

SUCCESS, UNINITIALIZED, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 0, 1, 3, 4, 6
INSUFFICIENT_SIZE, DRIVER_NOT_LOADED, TIMEOUT, LIBRARY_NOT_FOUND = 7, 9, 10, 12
FUNCTION_NOT_FOUND, GPU_IS_LOST, RESET_REQUIRED, MISMATCH, GPU_NOT_FOUND = 13, 15, 16, 18, 28

REASONS = {
    1: "uninitialized",
    2: "invalid_argument",
    3: "not_supported",
    4: "no_permission",
    6: "not_found",
    7: "insufficient_size",
    8: "insufficient_power",
    9: "driver_not_loaded",
    10: "timeout",
    11: "irq_issue",
    12: "library_not_found",
    13: "function_not_found",
    14: "corrupted_inforom",
    15: "gpu_is_lost",
    16: "reset_required",
    17: "operating_system",
    18: "driver_library_mismatch",
    19: "in_use",
    20: "memory",
    21: "no_data",
    23: "insufficient_resources",
    25: "version_mismatch",
    26: "deprecated",
    27: "not_ready",
    28: "gpu_not_found",
    29: "invalid_state",
    999: "unknown",
}

# After these a new process is needed: the library is never unloaded.
DRIVER_GONE = frozenset({UNINITIALIZED, DRIVER_NOT_LOADED, MISMATCH})
# The card or driver does not provide this value, now or later.
WILL_NOT = frozenset({NOT_SUPPORTED, FUNCTION_NOT_FOUND, 2, 25, 26})


class Value(Union):
    _fields_ = (
        ("dVal", c_double),
        ("siVal", ctypes.c_int),
        ("uiVal", c_uint),
        ("ulVal", ctypes.c_ulong),
        ("ullVal", c_ulonglong),
        ("sllVal", c_longlong),
        ("usVal", ctypes.c_ushort),
    )


# NVML's nvmlValueType_t: the member of Value to read.
VALUE_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")


class FieldValue(Structure):
    _fields_ = (
        ("fieldId", c_uint),
        ("scopeId", c_uint),
        ("timestamp", c_longlong),
        ("latencyUsec", c_longlong),
        ("valueType", c_uint),
        ("nvmlReturn", c_uint),
        ("value", Value),
    )


class PciInfo(Structure):
    _fields_ = (
        ("busIdLegacy", ctypes.c_char * 16),
        ("domain", c_uint),
        ("bus", c_uint),
        ("device", c_uint),
        ("pciDeviceId", c_uint),
        ("pciSubSystemId", c_uint),
        ("busId", ctypes.c_char * 32),
    )


class ProcessInfo(Structure):
    _fields_ = (
        ("pid", c_uint),
        ("usedGpuMemory", c_ulonglong),
        ("gpuInstanceId", c_uint),
        ("computeInstanceId", c_uint),
    )


class ProcessUtilization(Structure):
    _fields_ = (
        ("pid", c_uint),
        ("timeStamp", c_ulonglong),
        ("smUtil", c_uint),
        ("memUtil", c_uint),
        ("encUtil", c_uint),
        ("decUtil", c_uint),
    )


class EventData(Structure):
    _fields_ = (
        ("device", c_void_p),
        ("eventType", c_ulonglong),
        ("eventData", c_ulonglong),
        ("gpuInstanceId", c_uint),
        ("computeInstanceId", c_uint),
    )


class DeviceAttributes(Structure):
    _fields_ = (
        ("multiprocessorCount", c_uint),
        ("sharedCopyEngineCount", c_uint),
        ("sharedDecoderCount", c_uint),
        ("sharedEncoderCount", c_uint),
        ("sharedJpegCount", c_uint),
        ("sharedOfaCount", c_uint),
        ("gpuInstanceSliceCount", c_uint),
        ("computeInstanceSliceCount", c_uint),
        ("memorySizeMB", c_ulonglong),
    )


class GpmMetricInfo(Structure):
    _fields_ = (("shortName", c_char_p), ("longName", c_char_p), ("unit", c_char_p))


class GpmMetric(Structure):
    _fields_ = (
        ("metricId", c_uint),
        ("nvmlReturn", c_uint),
        ("value", c_double),
        ("metricInfo", GpmMetricInfo),
    )


class GpmMetricsGet(Structure):
    _fields_ = (
        ("version", c_uint),
        ("numMetrics", c_uint),
        ("sample1", c_void_p),
        ("sample2", c_void_p),
        ("metrics", GpmMetric * GPM_METRICS_MAX),
    )


class GpmSupport(Structure):
    _fields_ = (("version", c_uint), ("isSupportedDevice", c_uint))


class FabricInfo(Structure):
    _fields_ = (
        ("version", c_uint),
        ("clusterUuid", ctypes.c_ubyte * 16),
        ("status", c_uint),
        ("cliqueId", c_uint),
        ("state", c_uint),
        ("healthMask", c_uint),
    )


FABRIC_V2 = ctypes.sizeof(FabricInfo) | 2 << 24


class LicensableFeature(Structure):
    _fields_ = (
        ("featureCode", c_uint),
        ("featureState", c_uint),
        ("licenseInfo", ctypes.c_char * 128),
        ("productName", ctypes.c_char * 128),
        ("featureEnabled", c_uint),
        ("licenseExpiry", c_uint * 4),
    )


class LicensableFeatures(Structure):
    _fields_ = (
        ("isGridLicenseSupported", ctypes.c_int),
        ("licensableFeaturesCount", c_uint),
        ("features", LicensableFeature * 3),
    )


class NvmlError(Exception):
    """A call failed. `code` is NVML's return code, `call` the function's name."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"{call}: {reason(code)}")
        self.call = call
        self.code = code


class DriverGone(NvmlError):
    """The driver went away or was replaced: only a new process can load the library that fits the new one."""


def reason(code: int) -> str:
    """NVML's return code as a word for labels."""
    return REASONS.get(code, f"code_{code}")


class Library:
    """libnvidia-ml. Raises NvmlError(LIBRARY_NOT_FOUND) when it cannot be loaded.

    A function that this driver lacks returns FUNCTION_NOT_FOUND like any other failure.
    """

    def __init__(self, path: str = "") -> None:
        try:
            self._lib = ctypes.CDLL(path or "libnvidia-ml.so.1")
        except OSError as error:
            raise NvmlError(f"loading {path or 'libnvidia-ml.so.1'}", LIBRARY_NOT_FOUND) from error
        self._functions: dict[str, Callable[..., int]] = {}

    def has(self, name: str) -> bool:
        return self.function(name) is not _missing

    def function(self, name: str) -> Callable[..., int]:
        """The C function, or one that returns FUNCTION_NOT_FOUND."""
        found = self._functions.get(name)
        if found is None:
            found = self._functions[name] = getattr(self._lib, name, _missing)
        return found

    def call(self, name: str, *args: Any) -> None:
        """Call it; raise NvmlError, or DriverGone, unless it succeeds."""
        check(name, self.function(name)(*args))

    def init(self, flags: int = 0) -> None:
        if flags and self.has("nvmlInitWithFlags"):
            self.call("nvmlInitWithFlags", flags)
        else:
            self.call("nvmlInit_v2")

    def text(self, name: str, *args: Any, size: int = 96) -> str:
        """The text that a function writes into a string buffer; '' if it fails."""
        buffer = ctypes.create_string_buffer(size)
        code = self.function(name)(*args, buffer, c_uint(size))
        return "" if code else buffer.value.decode("utf-8", "replace")

    def count(self) -> int:
        number = c_uint()
        self.call("nvmlDeviceGetCount_v2", ctypes.byref(number))
        return number.value

    def handle(self, index: int) -> c_void_p:
        handle = c_void_p()
        self.call("nvmlDeviceGetHandleByIndex_v2", c_uint(index), ctypes.byref(handle))
        return handle


def check(name: str, code: int) -> None:
    if code in DRIVER_GONE:
        raise DriverGone(name, code)
    if code:
        raise NvmlError(name, code)


def _missing(*_: Any) -> int:
    return FUNCTION_NOT_FOUND


__all__ = ["POINTER", "DriverGone", "Library", "NvmlError", "check", "reason"]
