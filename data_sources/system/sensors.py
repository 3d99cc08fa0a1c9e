"""Temperatures and graphics processors, where this machine has them.

Both are read on threads of their own: a sensor on a slow bus takes milliseconds, and a driver in trouble may hang.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import psutil

from .types import Gpu, Temperature


def temperatures() -> tuple[Temperature, ...]:
    """Every sensor; those that answer nonsense are left out.

    Raises:
        OSError: They cannot be read.
    """
    read = getattr(psutil, "sensors_temperatures", None)
    if read is None:  # the system offers none
        return ()
    found: dict[str, Temperature] = {}
    for chip, rows in read().items():
        for number, row in enumerate(rows):
            label = f"{chip} {row.label}".strip() if row.label else f"{chip} {number}" if len(rows) > 1 else chip
            if row.current is not None and -100 < row.current < 250:
                found.setdefault(label, Temperature(label, row.current, row.high, row.critical))
    return tuple(found.values())


def has_nvml() -> bool:
    """Whether NVIDIA's library for Python is installed."""
    return importlib.util.find_spec("pynvml") is not None


class Nvml:
    """NVIDIA's management library. It is no dependency: where `nvidia-ml-py` is installed it is used.

    Args:
        load: Finds the library; raises ImportError where there is none.
    """

    def __init__(self, load: Callable[[], Any] = lambda: importlib.import_module("pynvml")) -> None:
        self._load = load
        self._library: Any = None
        self.missing = False

    def gpus(self) -> tuple[Gpu, ...]:
        """Every graphics processor.

        Returns:
            Nothing where the library or the driver is not there.

        Raises:
            RuntimeError: The driver is there and does not answer.
        """
        library = self._begin()
        if library is None:
            return ()
        try:
            return tuple(_gpu(library, number) for number in range(library.nvmlDeviceGetCount()))
        except library.NVMLError as error:
            self._library = None  # the driver may have been loaded anew: begin again at the next question
            raise RuntimeError(str(error)) from error

    def _begin(self) -> Any:
        if self._library is None and not self.missing:
            try:
                library = self._load()
            except ImportError:
                self.missing = True
                return None
            try:
                library.nvmlInit()
            except (library.NVMLError_LibraryNotFound, library.NVMLError_DriverNotLoaded):
                self.missing = True  # no such driver on this machine
                return None
            except library.NVMLError as error:
                raise RuntimeError(str(error)) from error
            self._library = library
        return self._library


def _gpu(library: Any, number: int) -> Gpu:
    handle = library.nvmlDeviceGetHandleByIndex(number)
    memory = _told(library, library.nvmlDeviceGetMemoryInfo, handle)
    rates = _told(library, library.nvmlDeviceGetUtilizationRates, handle)
    milliwatts = _told(library, library.nvmlDeviceGetPowerUsage, handle)
    celsius = _told(library, library.nvmlDeviceGetTemperature, handle, library.NVML_TEMPERATURE_GPU)
    name = _told(library, library.nvmlDeviceGetName, handle)
    return Gpu(
        number,
        name.decode() if isinstance(name, bytes) else name or f"GPU {number}",
        percent=None if rates is None else float(rates.gpu),
        memory_used=None if memory is None else int(memory.used),
        memory_total=None if memory is None else int(memory.total),
        celsius=None if celsius is None else float(celsius),
        watts=None if milliwatts is None else milliwatts / 1000,
    )


def _told(library: Any, ask: Callable[..., Any], *about: Any) -> Any:
    """One answer, None where this model does not tell it."""
    try:
        return ask(*about)
    except library.NVMLError_NotSupported:
        return None
