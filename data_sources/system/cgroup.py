"""What the control group allows: inside a container the machine's figures are the host's, its limits are here.

A limit may stand at any level above the process, so the least one counts. Both kinds of control groups are read. There
is no limit where a file says so, or where a group has no such file; a group that is hidden may have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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


class LimitUnreadError(OSError):
    """There may be a limit, but it could not be read."""


class _Groups(NamedTuple):
    """The folders of one controller, and whether the process's own group is among them by its name."""

    folders: tuple[Path, ...] = ()
    own_is_seen: bool = True


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
        self._unread: str | None = None  # why no limit of memory could be read
        self._asked = 0
        self._memory, self._cpu = (self._groups(Path(root), name, paths) for name in ("memory", "cpu"))

    def _groups(self, root: Path, controller: str, paths: dict[str, str]) -> _Groups:
        if self._second:
            return _upwards(root, paths.get("", "/"))
        if controller in paths:
            return _upwards(root / controller, paths[controller])
        if "" not in paths or _is_switched_off(controller, root / "unified" / "cgroup.controllers"):
            return _Groups()
        return _Groups((root,), own_is_seen=False)  # it has a group of the second kind, which is not shown here

    def memory(self, machine_total: int) -> MemoryLimit | None:
        """The tightest limit below the machine's own memory; None without one. Limits are looked up now and then.

        Raises:
            LimitUnreadError: None is known, and one may be there; or its use cannot be read.
            OSError: The group's use cannot be read any more, though it has a limit.
            ValueError: The same.
        """
        if self._asked % _LOOK_EVERY == 0:
            self._tightest = self._find_memory(machine_total)
        self._asked += 1
        if self._unread is not None:
            raise LimitUnreadError(self._unread)
        if self._tightest is None:
            return None
        limit, used_file, stat_file = self._tightest
        used, cache = int(used_file.read()), _stat(stat_file.text()).get(self._names[2])
        return MemoryLimit(limit, used if cache is None else max(used - cache, 0))

    def _find_memory(self, machine_total: int) -> tuple[int, KernelFile, KernelFile] | None:
        found: tuple[int, Path] | None = None
        self._unread = None
        for folder in self._memory.folders:
            try:
                limit = _number(self._text(self._memory, folder, self._names[0]))
                if limit is None or limit >= min(machine_total, _NO_LIMIT):
                    continue
                int((folder / self._names[1]).read_text(encoding="ascii"))
            except (OSError, ValueError) as error:
                self._unread = f"the limit of memory could not be read: {error}"
                continue
            if found is None or limit < found[0]:
                found = (limit, folder)
        if found is None:
            return None
        limit, folder = found
        self._unread = None
        return limit, KernelFile(folder / self._names[1]), KernelFile(folder / "memory.stat")

    def cpu(self) -> float | None:
        """Cores the group may use, None without a limit.

        Raises:
            LimitUnreadError: None is known, and one may be there.
        """
        found: list[float] = []
        unread: Exception | None = None
        for folder in self._cpu.folders:
            try:
                limit = self._cpu_limit(folder)
            except (OSError, ValueError, ZeroDivisionError) as error:
                unread = error
                continue
            if limit is not None:
                found.append(limit)
        if not found and unread is not None:
            raise LimitUnreadError(f"the limit of cores could not be read: {unread}")
        return min(found, default=None)

    def _cpu_limit(self, folder: Path) -> float | None:
        if self._second:
            text = self._text(self._cpu, folder, "cpu.max")
            if text is None:
                return None
            quota, period = text.split()
            return None if quota == "max" else int(quota) / int(period)
        quota_us, period_us = (
            _number(self._text(self._cpu, folder, name)) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )
        return None if quota_us is None or period_us is None or quota_us <= 0 else quota_us / period_us

    @staticmethod
    def _text(groups: _Groups, folder: Path, name: str) -> str | None:
        """A limit's file; None in a group without one: the root, or one whose controller is off.

        Raises:
            OSError: It cannot be read, or this is not the group of the process.
            ValueError: It is no text.
        """
        try:
            return (folder / name).read_text(encoding="ascii")
        except FileNotFoundError:
            if groups.own_is_seen and (folder / "cgroup.procs").exists():  # every group has that one
                return None
            raise


def _own_paths(own: Path) -> dict[str, str]:
    """The group of this process by controller; "" is the second kind, which has one for all."""
    try:
        rows = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: row[2] for row in rows if len(row) == 3 for name in row[1].split(",")}


def _is_switched_off(controller: str, listed: Path) -> bool:
    """Whether the second kind, mounted beside the first, says that it does not have this controller."""
    try:
        return controller not in listed.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return False


def _upwards(base: Path, path: str) -> _Groups:
    """The group's folder and those above it. Inside a container the path is the host's and only the base is there."""
    own = base / path.lstrip("/")
    if ".." in own.parts or not own.is_dir():
        return _Groups((base,), own_is_seen=False)
    return _Groups((own, *(folder for folder in own.parents if folder == base or base in folder.parents)))


def _number(text: str | None) -> int | None:
    """What a control file says; None for "max" and without the file: no limit.

    Raises:
        ValueError: It is something else.
    """
    return None if text is None or text.strip() == "max" else int(text)


def _stat(text: str) -> dict[str, int]:
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2}
