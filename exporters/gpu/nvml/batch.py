"""Many values in one driver call: field values and GPM metrics, in buffers made once."""

from __future__ import annotations

from collections.abc import Iterable
from ctypes import byref, c_uint, c_void_p

from exporters.gpu.nvml.library import (
    VALUE_MEMBERS,
    WILL_NOT,
    FieldValue,
    GpmMetricsGet,
    GpmSupport,
    Library,
    NvmlError,
)
from exporters.gpu.nvml.table import GPM, Field
from exporters.gpu.series import Values


class Batch:
    """The fields of one tier of one GPU."""

    call = "nvmlDeviceGetFieldValues"

    def __init__(self, library: Library, fields: Iterable[Field]) -> None:
        self.fields = tuple(fields)
        self._read = library.function(self.call)
        self._buffer = (FieldValue * max(1, len(self.fields)))()
        for slot, field in zip(self._buffer, self.fields, strict=False):
            slot.fieldId, slot.scopeId = field.id, field.scope

    def read(self, handle: c_void_p) -> tuple[Values, dict[Field, int]]:
        """Values and, for fields without one, NVML's code. Raises NvmlError when the whole call fails: what the
        buffer then holds is of the last call."""
        if not self.fields:
            return {}, {}
        code = self._read(handle, c_uint(len(self.fields)), self._buffer)
        if code:
            raise NvmlError(self.call, code)
        values: Values = {}
        failed: dict[Field, int] = {}
        for slot, field in zip(self._buffer, self.fields, strict=False):
            if slot.nvmlReturn:
                failed[field] = slot.nvmlReturn
            else:
                member = "uiVal" if field.unsigned else VALUE_MEMBERS[min(slot.valueType, 6)]
                values[field.key] = scaled(getattr(slot.value, member), field.scale)
        return values, failed


class GpmPair:
    """Two GPM samples of a GPU or MIG instance, used in turn; the metrics are of the time between them.

    One thread may use it: the driver has been seen to crash on samples that two threads share.
    """

    def __init__(self, library: Library, handle: c_void_p, instance: int | None = None) -> None:
        self._library, self._handle, self._instance = library, handle, instance
        self._metrics = list(GPM)
        self._request = GpmMetricsGet(version=1)
        self._samples = [c_void_p(), c_void_p()]
        for sample in self._samples:
            library.call("nvmlGpmSampleAlloc", byref(sample))
        self._taken = 0

    @staticmethod
    def supported(library: Library, handle: c_void_p) -> bool:
        support = GpmSupport(version=1)
        code = library.function("nvmlGpmQueryDeviceSupport")(handle, byref(support))
        return code == 0 and support.isSupportedDevice == 1

    def read(self) -> Values:
        """Metrics since the last call; none on the first. Raises NvmlError."""
        newest = self._samples[self._taken % 2]
        if self._instance is None:
            self._library.call("nvmlGpmSampleGet", self._handle, newest)
        else:
            self._library.call("nvmlGpmMigSampleGet", self._handle, c_uint(self._instance), newest)
        self._taken += 1
        if self._taken < 2:
            return {}
        return self._between(self._samples[self._taken % 2], newest)

    def _between(self, older: c_void_p, newer: c_void_p) -> Values:
        request = self._request
        request.numMetrics, request.sample1, request.sample2 = len(self._metrics), older.value, newer.value
        for slot, metric in zip(request.metrics, self._metrics, strict=False):
            slot.metricId = metric.id
        self._library.call("nvmlGpmMetricsGet", byref(request))
        results = list(zip(request.metrics, self._metrics, strict=False))
        values = {
            metric.key: scaled(slot.value, metric.scale)
            for slot, metric in results
            if not slot.nvmlReturn and slot.value == slot.value
        }
        self._metrics = [metric for slot, metric in results if slot.nvmlReturn not in WILL_NOT]
        return values

    def close(self) -> None:
        for sample in self._samples:
            self._library.function("nvmlGpmSampleFree")(sample)


def scaled(value: float, scale: float) -> float:
    """The value in base units, without the digits that the multiplication of floats invents."""
    return value if scale == 1 else round(value * scale, 9)
