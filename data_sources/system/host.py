"""Reading CPU, memory, load and disk counters, and finding out whose machine that is.

Inside a container `/proc` shows the host's memory and cores: the container's own limits are read beside them, and both
are labelled.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from .types import Counters, CpuTimes, InterfaceInfo, Memory, Scope

CGROUP = "/sys/fs/cgroup"
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


class PsutilHost:
    """Reads the machine through psutil, and the container's limits from its control group."""

    def __init__(self, *, cgroup: str = CGROUP, sys_block: str = SYS_BLOCK) -> None:
        self._cgroup = Path(cgroup)
        self._sys_block = Path(sys_block)

    def cpu(self) -> tuple[CpuTimes, ...]:
        """Seconds by core. Guest time is part of user time already, waiting for a disk is idle."""
        cores = []
        for row in psutil.cpu_times(percpu=True):
            fields = row._asdict()
            idle = fields["idle"] + fields.get("iowait", 0.0)  # systems without the field count it in idle
            busy = sum(seconds for name, seconds in fields.items() if name not in _NOT_BUSY)
            cores.append(CpuTimes(busy, idle))
        return tuple(cores)

    def memory(self) -> Memory:
        """Memory of the machine and, where the container has a limit of its own, against that limit."""
        machine, swap = psutil.virtual_memory(), psutil.swap_memory()
        limit, used = self._limit(machine.total)
        return Memory(machine.total, machine.available, swap.total, swap.used, limit, used)

    def _limit(self, machine_total: int) -> tuple[int | None, int | None]:
        limit, used = _number(self._cgroup / "memory.max"), _number(self._cgroup / "memory.current")
        if limit is None or used is None or limit >= machine_total:
            return None, None
        cache = _stat(self._cgroup / "memory.stat").get("inactive_file")
        return limit, used if cache is None else max(used - cache, 0)

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


_NOT_BUSY = {"idle", "iowait", "guest", "guest_nice"}


def cpu_limit(cgroup: str = CGROUP) -> float | None:
    """Cores the control group may use, None without a limit."""
    try:
        quota, period = (Path(cgroup) / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None  # no control group of the second kind: no limit that we know of


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


def _number(path: Path) -> int | None:
    """A number in a control file; None for "max" and for a file that is not there: no limit that we know of."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _stat(path: Path) -> dict[str, int]:
    try:
        rows = (line.split() for line in path.read_text(encoding="ascii").splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2}
    except (OSError, ValueError):
        return {}
