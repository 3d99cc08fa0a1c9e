"""How full the file systems are: the root, the console's data folder, and every other disk or network share.

Each is asked on a thread of its own, as a dead network mount can hang for ever. There are at most so many threads. The
list of mounts is older than a reading, so each reading makes sure that the same file system is still there.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from .types import Mount
from .watch import PERIOD_S, Watch

PROC_MOUNTS = "/proc/self/mountinfo"
MAX_OTHERS = 16
_LIST_EVERY_S = 60.0
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "9p", "afs", "lustre"}
_IMAGES = {"squashfs", "iso9660", "erofs", "udf"}  # always full: nothing can be written there
_POOLS = {"zfs", "btrfs", "bcachefs"}  # their sources are no device files
_NOT_THERE = "not there"


class Usage(NamedTuple):
    """Bytes of one file system, as `shutil.disk_usage` answers."""

    total: int
    used: int
    free: int


def disk_usage(path: str) -> Usage:
    """Bytes of the file system that holds `path`; OSError when it cannot be asked."""
    return Usage(*shutil.disk_usage(path))


def mounted_device(path: str) -> int:
    """The number of the device that is mounted at `path`.

    Raises:
        OSError: Nothing is mounted there any more (the folder above is on the same device), or it cannot be asked.
    """
    device = os.stat(path).st_dev
    if device == os.stat(os.path.dirname(path)).st_dev:
        raise FileNotFoundError(errno.ENOENT, _NOT_THERE)
    return device


class MountWatch:
    """Keeps the newest answer of one file system.

    Args:
        path: Where it is.
        label: What it is called.
        ask: Reads how full it is.
        device: Reads what is mounted at the path: only the file system of the first reading is read. None takes
            whichever file system holds the path.
        clock_s: The clock that never jumps.
        period_s: How far apart it is asked, in seconds.
    """

    def __init__(
        self,
        path: str,
        label: str,
        *,
        ask: Callable[[str], Usage] = disk_usage,
        device: Callable[[str], int] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        period_s: float = PERIOD_S,
    ) -> None:
        self.path, self._label = path, label
        self._usage, self._device = ask, device
        self._first: int | None = None
        self.replaced = False  # the newest reading found another file system there, or none
        self._watch = Watch(
            f"mount-{label}",
            self._read,
            silent="No answer from this file system",
            period_s=period_s,
            clock_s=clock_s,
        )
        self.start, self.stop, self.ask = self._watch.start, self._watch.stop, self._watch.ask

    def _read(self) -> Usage:
        if self._device is None:
            return self._usage(self.path)
        self._compare(self._device(self.path))
        found = self._usage(self.path)
        self._compare(self._device(self.path))  # it may have gone while it was asked
        return found

    def _compare(self, device: int) -> None:
        """See that it is the file system of the first reading.

        Raises:
            FileNotFoundError: It is another one.
        """
        self._first = device if self._first is None else self._first
        self.replaced = device != self._first
        if self.replaced:
            raise FileNotFoundError(errno.ENOENT, _NOT_THERE)

    @property
    def hangs(self) -> bool:
        """Whether it is being asked at this moment."""
        return self._watch.hangs

    def now(self) -> Mount:
        """The newest answer; without figures when the file system has been silent for three periods."""
        heard = self._watch.now()
        if heard.value is None:
            return Mount(self.path, self._label, at=heard.at, reason=heard.reason)
        return Mount(self.path, self._label, *heard.value, at=heard.at)


def parse_mountinfo(text: str) -> dict[str, tuple[str, str]]:
    """Where disks and network shares are mounted, the root left out.

    Args:
        text: Content of `/proc/self/mountinfo`.

    Returns:
        The number of the mount and its device by path, in the order of paths. One path for each file system, the
        shortest of it: a bind mount is the same space again. What is mounted over another hides it.
    """
    roots, visible = set(), {}
    for line in text.splitlines():
        first, dash, second = line.partition(" - ")
        fields, rest = first.split(), second.split()
        if not dash or len(fields) < 5 or len(rest) < 2:
            continue
        number, device, path, kind, source = fields[0], fields[2], _unescape(fields[4]), rest[0], rest[1]
        if path == "/":
            roots.add(device)
        visible[path] = number, device, kind, source
    found: dict[str, str] = {}
    for path, (_, device, kind, source) in visible.items():
        if kind in _NETWORK | _POOLS or (source.startswith("/dev/") and kind not in _IMAGES):
            found[device] = min(found.get(device, path), path, key=lambda each: (len(each), each))
    return {path: visible[path][:2] for path in sorted(path for device, path in found.items() if device not in roots)}


def _unescape(path: str) -> str:
    """The kernel writes blanks, tabs, line ends and backslashes as octal numbers."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


class Mounts:
    """Watches the file systems given, and those that are mounted beside them.

    Args:
        always: Watched whatever is mounted.
        mountinfo: The kernel's list; None looks for no others.
        make: Makes the watch of one path.
    """

    def __init__(
        self,
        always: Sequence[MountWatch],
        *,
        mountinfo: str | None = PROC_MOUNTS,
        make: Callable[[str], MountWatch] = lambda path: MountWatch(path, path, device=mounted_device),
    ) -> None:
        self._always, self._make = tuple(always), make
        self._mountinfo = mountinfo
        self._others: dict[str, MountWatch] = {}
        self._listed: dict[str, tuple[str, str]] = {}
        self._left: dict[str, MountWatch] = {}
        self.left_out = 0
        self._lister = Watch("mounts", self.look, silent="No answer from the list of mounts", period_s=_LIST_EVERY_S)
        self._lock = threading.Lock()
        self._running = False

    def start(self) -> None:
        """Start asking."""
        self._running = True
        for watch in self._always:
            watch.start()
        if self._mountinfo is not None:
            self._lister.start()

    def stop(self) -> None:
        """Stop asking."""
        self._running = False
        self._lister.stop()
        for watch in (*self._always, *self._others.values()):
            watch.stop()

    def look(self) -> None:
        """See what is mounted now: watch what came, leave what went.

        Raises:
            OSError: The list cannot be read.
        """
        listed = parse_mountinfo(Path(self._mountinfo or PROC_MOUNTS).read_text(encoding="utf-8", errors="replace"))
        own = {watch.path for watch in self._always}
        paths = tuple(path for path in listed if path not in own)
        with self._lock:
            before, self._listed = self._listed, listed
            # Numbers of mounts and devices are used again, so what a reading has seen counts beside the list.
            same = {path for path in paths if before.get(path) == listed[path]}
            for path in [path for path, watch in self._others.items() if path not in same or watch.replaced]:
                watch = self._others.pop(path)
                watch.stop()
                if watch.hangs:
                    self._left[path] = watch  # its thread is still there: the same path gets no second one
            self._left = {path: watch for path, watch in self._left.items() if watch.hangs}
            room = MAX_OTHERS - len(self._left)
            kept = [path for path in paths if path in self._others]
            new = [path for path in paths if path not in self._others and path not in self._left]
            for path in new[: max(0, room - len(kept))]:
                self._others[path] = self._make(path)
                if self._running:
                    self._others[path].start()
            self.left_out = len(paths) - len(self._others)

    def now(self) -> tuple[Mount, ...]:
        """The newest answers: those that are always watched, then the others by path."""
        with self._lock:
            others = sorted(self._others.items())
        return tuple(watch.now() for watch in (*self._always, *(watch for _, watch in others)))
