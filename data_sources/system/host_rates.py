"""CPU, memory, load, disks and pressure at one tick. What cannot be read is None with its reason; the rest comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from . import rates
from .host import HostReader
from .types import Counters, CpuTimes, Gap, HostSample, Rate

T = TypeVar("T")
PRESSURE = ("cpu", "mem", "io")
UNREADABLE = (OSError, ValueError, RuntimeError)  # what system files and psutil raise when they cannot tell


class HostDownError(OSError):
    """Another host was asked for its figures and did not answer."""


class NoFiguresError(OSError):
    """Another host was asked for its figures and answered without any."""


def why_unread(error: Exception) -> Gap:
    """Why a reading is missing that failed with this error."""
    if isinstance(error, HostDownError):
        return Gap.DOWN
    return Gap.NO_FIGURES if isinstance(error, NoFiguresError) else Gap.READ_ERROR


class HostRates:
    """Keeps the last readings and makes the next sample from them.

    Args:
        host: Reads the counters.
        period_ns: The sampler's period, in nanoseconds.
        clock_ns: The clock that never jumps.
        say: Takes a trouble when it starts and "" when it ends, by what it concerns.
    """

    def __init__(
        self, host: HostReader, *, period_ns: int, clock_ns: Callable[[], int], say: Callable[[str, str], None]
    ) -> None:
        self._host, self._period_ns, self._clock_ns, self._say = host, period_ns, clock_ns, say
        self._cpu: tuple[int, tuple[CpuTimes, ...]] | None = None
        self._disk_tracks: dict[str, rates.Track | None] = {}
        self._waited: tuple[int, Mapping[str, int]] | None = None
        self._unread_ns: dict[str, int] = {}  # when a reading failed, of those whose last one did

    def expect(self, period_ns: int) -> None:
        """Judge what is late by another period."""
        self._period_ns = period_ns

    def sample(self) -> HostSample:
        """Read everything once."""
        reasons: dict[str, str] = {}
        cpu, cores, modes = self._read_cpu(reasons)
        memory = self._try("memory", self._host.memory, reasons)
        if memory is not None and memory.swap_total is None:
            reasons["swap"] = Gap.UNSUPPORTED
        load = self._try("load", self._host.load, reasons)
        disk_io, disks = self._read_disks(reasons)
        return HostSample(cpu, cores, memory, load, disk_io, reasons, modes, disks, self._read_pressure(reasons))

    def _read_cpu(
        self, reasons: dict[str, str]
    ) -> tuple[float | None, tuple[float | None, ...], dict[str, float | None]]:
        at_ns = self._clock_ns()
        since_ns = self._since_unread("cpu", at_ns)
        cores = self._try("cpu", self._host.cpu, reasons)
        if cores is None:
            return None, (), {}
        before, self._cpu = self._cpu, (at_ns, cores)
        unknown = dict.fromkeys(cores[0].modes) if cores else {}
        if before is None or len(before[1]) != len(cores):
            reasons["cpu"] = Gap.MEASURING
            return None, tuple(None for _ in cores), unknown
        if rates.is_late(at_ns - before[0], self._period_ns):
            reasons["cpu"] = rates.why_late(since_ns, self._period_ns)
            return None, tuple(None for _ in cores), unknown
        old, new = rates.sum_cpu(before[1]), rates.sum_cpu(cores)
        whole = rates.busy_percent(old, new)
        if whole is None:
            reasons["cpu"] = Gap.RESET
        each = tuple(rates.busy_percent(old, new) for old, new in zip(before[1], cores, strict=True))
        by_mode = rates.mode_percents(old, new)
        # one core, or the kernel's guess of the wait for disks, may go back while the whole is known
        named = [*((f"core_{number}", percent) for number, percent in enumerate(each)), *by_mode.items()]
        reasons.update({f"cpu_{name}": Gap.RESET for name, percent in named if percent is None})
        return whole, each, by_mode

    def _read_disks(self, reasons: dict[str, str]) -> tuple[Rate, dict[str, Rate]]:
        at_ns = self._clock_ns()
        since_ns = self._since_unread("disk_io", at_ns)
        counters: Mapping[str, Counters] | None = self._try("disk_io", self._host.disks, reasons)
        if counters is None:
            return rates.gap(Gap(reasons["disk_io"])), {}
        if not counters:
            return rates.gap(Gap.UNSUPPORTED), {}
        stepped = {
            name: rates.step(self._disk_tracks.get(name), at_ns, pair, period_ns=self._period_ns)
            for name, pair in counters.items()
        }
        self._disk_tracks = {name: track for name, (track, _) in stepped.items()}
        late = rates.gap(rates.why_late(since_ns, self._period_ns))
        found = {name: late if rate.reason is Gap.LATE else rate for name, (_, rate) in stepped.items()}
        return rates.add_up(found, found), found

    def _read_pressure(self, reasons: dict[str, str]) -> dict[str, float | None]:
        at_ns = self._clock_ns()
        since_ns = self._since_unread("psi", at_ns)
        waited = self._try("psi", self._host.pressure, reasons)
        if waited is None:
            return {}
        before, self._waited = self._waited, (at_ns, waited)
        if not waited:
            reasons["psi"] = Gap.UNSUPPORTED
            return {}
        reasons.update({f"psi_{name}": Gap.UNSUPPORTED for name in PRESSURE if name not in waited})
        if before is None:
            reasons["psi"] = Gap.MEASURING
            return dict.fromkeys(waited)
        step_ns = at_ns - before[0]
        if rates.is_late(step_ns, self._period_ns):
            reasons["psi"] = rates.why_late(since_ns, self._period_ns)
            return dict.fromkeys(waited)
        found = {
            name: rates.waited_percent(before[1][name], value, step_ns / 1e9) if name in before[1] else None
            for name, value in waited.items()
        }
        for name in (name for name, percent in found.items() if percent is None):
            reasons[f"psi_{name}"] = Gap.RESET if name in before[1] else Gap.MEASURING
        return found

    def _since_unread(self, name: str, at_ns: int) -> int | None:
        """How long ago a reading failed; None where the last one did not."""
        failed_ns = self._unread_ns.pop(name, None)
        return None if failed_ns is None else at_ns - failed_ns

    def _try(self, name: str, read: Callable[[], T], reasons: dict[str, str]) -> T | None:
        try:
            value = read()
        except UNREADABLE as error:
            reasons[name], self._unread_ns[name] = why_unread(error), self._clock_ns()
            self._say(name, f"{name} could not be read: {error}")
            return None
        self._say(name, "")
        return value
