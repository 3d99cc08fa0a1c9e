"""What the control group allows: inside a container the machine's figures are the host's, its limits are here.

A limit may stand at any level above the process, so the least one counts. Both kinds of control groups are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .kernel_file import KernelFile

CGROUP = "/sys/fs/cgroup"
SELF = "/proc/self/cgroup"
_NO_LIMIT = 2**60  # what the first kind writes instead of "max", less a page
_LOOK_EVERY = 30  # questions: a limit may be changed, but seldom is
# limit, use, and the part of the use that can be dropped, in either kind
_NAMES_SECOND = ("memory.max", "memory.current", "inactive_file")
_NAMES_FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """Bytes that the group may use, and uses without file cache that can be dropped."""

    limit: int
    used: int


class ControlGroup:
    """The group of this process, and those above it that can be seen.

    Args:
        root: Where control groups are mounted.
        own: The kernel's list of this process's groups.
    """

    def __init__(self, root: str = CGROUP, own: str = SELF) -> None:
        paths = _own_paths(Path(own))
        self._second = Path(root, "cgroup.controllers").exists()
        self._names = _NAMES_SECOND if self._second else _NAMES_FIRST
        self._tightest: tuple[int, KernelFile, KernelFile] | None = None
        self._asked = 0
        base = Path(root)
        if self._second:
            self._memory = self._cpu = _upwards(base, paths.get("", "/"))
        else:
            self._memory = _upwards(base / "memory", paths.get("memory", "/"))
            self._cpu = _upwards(base / "cpu", paths.get("cpu", "/"))

    def memory(self, machine_total: int) -> MemoryLimit | None:
        """The tightest limit below the machine's own memory; None without one. Limits are looked up now and then.

        Raises:
            OSError: The group's use cannot be read, though it has a limit.
            ValueError: The same.
        """
        if self._asked % _LOOK_EVERY == 0:
            self._tightest = self._find_memory(machine_total)
        self._asked += 1
        if self._tightest is None:
            return None
        limit, used_file, stat_file = self._tightest
        used, cache = int(used_file.read()), _stat(stat_file.text()).get(self._names[2])
        return MemoryLimit(limit, used if cache is None else max(used - cache, 0))

    def _find_memory(self, machine_total: int) -> tuple[int, KernelFile, KernelFile] | None:
        found: tuple[int, Path] | None = None
        for folder in self._memory:
            limit = _number(folder / self._names[0])
            if limit is None or limit >= min(machine_total, _NO_LIMIT) or _number(folder / self._names[1]) is None:
                continue
            if found is None or limit < found[0]:
                found = (limit, folder)
        if found is None:
            return None
        limit, folder = found
        return limit, KernelFile(folder / self._names[1]), KernelFile(folder / "memory.stat")

    def cpu(self) -> float | None:
        """Cores the group may use, None without a limit."""
        found = [limit for limit in map(self._cpu_limit, self._cpu) if limit is not None]
        return min(found, default=None)

    def _cpu_limit(self, folder: Path) -> float | None:
        if self._second:
            try:
                quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
                return None if quota == "max" else int(quota) / int(period)
            except (OSError, ValueError, ZeroDivisionError):
                return None  # no such file at the root: no limit that we know of
        quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        return None if quota_us is None or not period_us or quota_us <= 0 else quota_us / period_us


def _own_paths(own: Path) -> dict[str, str]:
    """The group of this process by controller; "" is the second kind, which has one for all."""
    try:
        rows = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: row[2] for row in rows if len(row) == 3 for name in row[1].split(",")}


def _upwards(base: Path, path: str) -> tuple[Path, ...]:
    """The group's folder and those above it. Inside a container the path is the host's and only the base is there."""
    own = base / path.lstrip("/")
    if ".." in own.parts or not own.is_dir():
        return (base,)
    return (own, *(folder for folder in own.parents if folder == base or base in folder.parents))


def _number(path: Path) -> int | None:
    """A number in a control file; None for "max" and for a file that is not there: no limit that we know of."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _stat(text: str) -> dict[str, int]:
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2}
