"""Reading CPU, memory, load and disk counters, and finding out whose machine that is.

Inside a container `/proc` shows the host's memory and cores: the container's own limits are read beside them, and both
are labelled.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from .cgroup import ControlGroup
from .types import Counters, CpuTimes, InterfaceInfo, Memory, Scope

PROC_PRESSURE = "/proc/pressure"
SYS_BLOCK = "/sys/block"
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
    """Reads the machine through psutil, and the container's limits from its control group."""

    def __init__(
        self, *, group: ControlGroup | None = None, sys_block: str = SYS_BLOCK, proc_pressure: str = PROC_PRESSURE
    ) -> None:
        self._group = group or ControlGroup()
        self._sys_block = Path(sys_block)
        self._pressure = {name: Path(proc_pressure, file) for name, file in _PRESSURE.items()}

    def cpu(self) -> tuple[CpuTimes, ...]:
        """Seconds by core. Guest time is part of user time already, waiting for a disk is idle."""
        cores = []
        for row in psutil.cpu_times(percpu=True):
            fields = row._asdict()
            idle = fields["idle"] + fields.get("iowait", 0.0)  # systems without the field count it in idle
            busy = sum(seconds for name, seconds in fields.items() if name not in _NOT_BUSY)
            cores.append(CpuTimes(busy, idle, _modes(fields)))
        return tuple(cores)

    def memory(self) -> Memory:
        """Memory of the machine and, where the container has a limit of its own, against that limit."""
        machine, swap = psutil.virtual_memory(), psutil.swap_memory()
        own = self._group.memory(machine.total)
        limit, used = (None, None) if own is None else (own.limit, own.used)
        return Memory(machine.total, machine.available, swap.total, swap.used, limit, used)

    def load(self) -> tuple[float, float, float]:
        """Load averages."""
        return os.getloadavg()

    def disks(self) -> Mapping[str, Counters]:
        """Whole disks only: partitions, loop and device-mapper devices would count the same bytes again."""
        counters = psutil.disk_io_counters(perdisk=True, nowrap=False)
        rows = {} if counters is None else counters  # None is psutil's word for "no disk at all"
        return {
            name: Counters(row.read_bytes, row.write_bytes) for name, row in rows.items() if self._is_whole_disk(name)
        }

    def _is_whole_disk(self, name: str) -> bool:
        if not self._sys_block.exists():  # no sysfs: the system lists physical disks only
            return True
        return (self._sys_block / name.replace("/", "!") / "device").exists()

    def pressure(self) -> Mapping[str, int]:
        """The kernel's pressure counters; a kernel without them, or with them off, counts nothing."""
        found = {}
        for name, path in self._pressure.items():
            try:
                text = path.read_text(encoding="ascii")
            except OSError:
                continue
            total = _SOME_TOTAL.search(text)
            if total is None:
                raise ValueError(f"{path} has no total")
            found[name] = int(total[1])
        return found


_NOT_BUSY = {"idle", "iowait", "guest", "guest_nice"}
_PRESSURE = {"cpu": "cpu", "mem": "memory", "io": "io"}
_SOME_TOTAL = re.compile(r"^some .*\btotal=(\d+)", re.MULTILINE)


def _modes(fields: Mapping[str, float]) -> dict[str, float]:
    """Seconds by mode: being nice is the user's, answering interrupts the system's. Guest time is user time already."""
    found = {
        "user": fields["user"] + fields.get("nice", 0.0),
        "system": fields["system"] + fields.get("irq", 0.0) + fields.get("softirq", 0.0),
    }
    found.update({name: fields[name] for name in ("iowait", "steal") if name in fields})
    return found


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
