"""Reading CPU, memory, load and disk counters, and finding out whose machine that is.

Inside a container `/proc` shows the host's memory and cores: the container's own limits are read beside them, and both
are labelled.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from .cgroup import ControlGroup
from .proc_host import PROC, ProcHost
from .types import Counters, CpuTimes, InterfaceInfo, Memory, Scope

_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # fixed in the kernel: PROC_PID_INIT_INO


class HostReader(Protocol):
    """Anything that reads the machine's counters. Each method raises OSError or ValueError when it cannot."""

    def cpu(self) -> tuple[CpuTimes, ...]:
        """Seconds by core."""
        ...

    def memory(self) -> Memory:
        """Memory in bytes."""
        ...

    def load(self) -> tuple[float, float, float]:
        """Runnable tasks averaged over 1, 5 and 15 minutes."""
        ...

    def disks(self) -> Mapping[str, Counters]:
        """Bytes read and written by whole disk."""
        ...

    def pressure(self) -> Mapping[str, int]:
        """Microseconds in which some task waited, by "cpu", "mem" and "io"; empty where the system does not count."""
        ...


class PsutilHost:
    """Reads the machine through psutil, for systems without `/proc`."""

    def cpu(self) -> tuple[CpuTimes, ...]:
        """Seconds by core."""
        cores = []
        for row in psutil.cpu_times(percpu=True):
            fields = row._asdict()
            idle = fields["idle"] + fields.get("iowait", 0.0)  # systems without the field count it in idle
            busy = sum(seconds for name, seconds in fields.items() if name not in _NOT_BUSY)
            modes = {"user": fields["user"] + fields.get("nice", 0.0), "system": fields["system"]}
            cores.append(CpuTimes(busy, idle, modes))
        return tuple(cores)

    def memory(self) -> Memory:
        """Memory of the machine."""
        machine, swap = psutil.virtual_memory(), psutil.swap_memory()
        return Memory(machine.total, machine.available, swap.total, swap.used)

    def load(self) -> tuple[float, float, float]:
        """Load averages."""
        return os.getloadavg()

    def disks(self) -> Mapping[str, Counters]:
        """Physical disks."""
        counters = psutil.disk_io_counters(perdisk=True, nowrap=False)
        rows = {} if counters is None else counters  # None is psutil's word for "no disk at all"
        return {name: Counters(row.read_bytes, row.write_bytes) for name, row in rows.items()}

    def pressure(self) -> Mapping[str, int]:
        """Nobody counts it there."""
        return {}


_NOT_BUSY = {"idle", "iowait", "guest", "guest_nice"}


def host_reader(group: ControlGroup) -> HostReader:
    """The best reader this system offers."""
    return ProcHost(group) if Path(PROC, "stat").exists() else PsutilHost()


def uptime_s() -> float | None:
    """Seconds since the system started, those it slept included; None when it does not tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return None if clock is None else time.clock_gettime(clock)


def find_scope(infos: Mapping[str, InterfaceInfo], *, proc: str = "/proc") -> tuple[Scope, str]:
    """Whose network the counters are.

    Args:
        infos: The interfaces that are seen.
        proc: The process file system.

    Returns:
        The scope, and how it was found out, in words.
    """
    pid = _link(f"{proc}/self/ns/pid")
    if pid is None:
        return "unknown", "This system does not tell whether it is a container"
    physical = any(info.kind == "physical" for info in infos.values())
    if pid != _FIRST_PID_NAMESPACE:
        if physical:
            return "host", "A container that shares the host's network"
        if {info.kind for info in infos.values()} - {"loopback"} == {"unknown"}:
            return "unknown", "Its interfaces do not tell whether it is the host's network"
        return "container", "The network of this container, not of its host"
    own, first = _link(f"{proc}/self/ns/net"), _link(f"{proc}/1/ns/net")
    if own is not None and first is not None:
        if own == first:
            return "host", "The network of the first process on this machine"
        return "container", "Another network than that of the first process on this machine"
    if physical:
        return "host", "A network that holds a physical interface"
    return "unknown", "The first process's network may not be looked at"


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
