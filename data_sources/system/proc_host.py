"""The machine's counters from the kernel's own files, on kept descriptors: a tick lets no other thread in.

psutil opens and closes each file anew: three times the work, and under busy threads a second and more a tick.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .cgroup import ControlGroup, LimitUnreadError
from .kernel_file import KernelFile
from .types import Counters, CpuTimes, Memory

PROC, SYS_BLOCK = "/proc", "/sys/block"
_SECTOR_BYTES = 512  # the kernel's unit, whatever the disk's own
_PRESSURE = {"cpu": "cpu", "mem": "memory", "io": "io"}
_SOME_TOTAL = re.compile(rb"^some .*\btotal=(\d+)", re.MULTILINE)
_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


class ProcHost:
    """Reads `/proc`, and the container's limits from its control group.

    Args:
        group: The control group of this process.
        proc: The process file system.
        sys_block: The kernel's list of block devices.
    """

    def __init__(self, group: ControlGroup | None = None, *, proc: str = PROC, sys_block: str = SYS_BLOCK) -> None:
        self._group = group or ControlGroup()
        self._stat, self._meminfo, self._diskstats, self._loadavg = (
            KernelFile(Path(proc, name)) for name in ("stat", "meminfo", "diskstats", "loadavg")
        )
        self._pressure = {name: KernelFile(Path(proc, "pressure", file)) for name, file in _PRESSURE.items()}
        self._pressure = {name: file for name, file in self._pressure.items() if Path(file.path).exists()}
        self._sys_block = Path(sys_block)
        self._whole: dict[str, bool] = {}
        self._tick_s = 1 / os.sysconf("SC_CLK_TCK")

    def cpu(self) -> tuple[CpuTimes, ...]:
        """Seconds by core.

        Raises:
            OSError: They cannot be read.
            ValueError: The file is not the kernel's.
        """
        rows = [line.split() for line in self._stat.read().splitlines() if line.startswith(b"cpu")]
        cores = tuple(self._core(row) for row in rows[1:])  # the first is the sum
        if not cores:
            raise ValueError(f"{self._stat.path} lists no core")
        return cores

    def _core(self, row: list[bytes]) -> CpuTimes:
        """One core. Guest time is part of user time already, waiting for a disk is idle."""
        spent = dict(zip(_MODES, (int(field) * self._tick_s for field in row[1:]), strict=False))
        idle = spent["idle"] + spent["iowait"]
        modes = {
            "user": spent["user"] + spent["nice"],
            "system": spent["system"] + spent["irq"] + spent["softirq"],
            "iowait": spent["iowait"],
            "steal": spent["steal"],
        }
        return CpuTimes(modes["user"] + modes["system"] + modes["steal"], idle, modes)

    def memory(self) -> Memory:
        """Memory of the machine and, where the container has a limit of its own, against that limit.

        Raises:
            OSError: It cannot be read.
            ValueError: A line that is needed is missing.
        """
        found = {}
        for line in self._meminfo.read().splitlines():
            name, _, rest = line.partition(b":")
            found[name] = rest
        total, available, swap, swap_free = (
            _kilobytes(found, name) for name in (b"MemTotal", b"MemAvailable", b"SwapTotal", b"SwapFree")
        )
        machine = Memory(total, available, swap, swap - swap_free)
        try:
            own = self._group.memory(total)
        except LimitUnreadError:
            return replace(machine, limit_unread=True)
        return machine if own is None else replace(machine, limit=own.limit, limit_used=own.used)

    def load(self) -> tuple[float, float, float]:
        """Load averages.

        Raises:
            OSError: They cannot be read.
            ValueError: The file is not the kernel's.
        """
        one, five, fifteen = (float(field) for field in self._loadavg.read().split()[:3])
        return one, five, fifteen

    def disks(self) -> Mapping[str, Counters]:
        """Whole disks only: partitions, loop and device-mapper devices would count the same bytes again.

        Raises:
            OSError: They cannot be read.
            ValueError: The file is not the kernel's.
        """
        found, whole = {}, {}
        for line in self._diskstats.read().splitlines():
            row = line.split()
            if len(row) < 10:
                raise ValueError(f"a line of {self._diskstats.path} has {len(row)} fields")
            name = row[2].decode("utf-8", "replace")
            known = self._whole.get(name)
            whole[name] = self._is_whole(name) if known is None else known
            if whole[name]:
                found[name] = Counters(int(row[5]) * _SECTOR_BYTES, int(row[9]) * _SECTOR_BYTES)
        self._whole = whole  # a device that went and comes back is looked at anew
        return found

    def _is_whole(self, name: str) -> bool:
        return (self._sys_block / name.replace("/", "!") / "device").exists()

    def pressure(self) -> Mapping[str, int]:
        """Microseconds in which some task waited; a kernel without these files, or with them off, counts nothing.

        Raises:
            ValueError: A file is not the kernel's.
        """
        found = {}
        for name, file in self._pressure.items():
            try:
                text = file.read()
            except OSError:  # switched off at the start of the system
                continue
            total = _SOME_TOTAL.search(text)
            if total is None:
                raise ValueError(f"{file.path} has no total")
            found[name] = int(total[1])
        return found


def _kilobytes(found: Mapping[bytes, bytes], name: bytes) -> int:
    rest = found.get(name)
    if rest is None:
        raise ValueError(f"/proc/meminfo has no {name.decode()}")
    return int(rest.split()[0]) * 1024
