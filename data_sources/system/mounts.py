"""How full the file systems are: the root, the console's data folder, and every other disk or network share.

Each is asked on a thread of its own, as a dead network mount can hang for ever. There are at most so many threads.
"""

from __future__ import annotations

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


class Usage(NamedTuple):
    """Bytes of one file system, as `shutil.disk_usage` answers."""

    total: int
    used: int
    free: int


def disk_usage(path: str) -> Usage:
    """Bytes of the file system that holds `path`; OSError when it cannot be asked."""
    return Usage(*shutil.disk_usage(path))


class MountWatch:
    """Keeps the newest answer of one file system."""

    def __init__(
        self,
        path: str,
        label: str,
        *,
        ask: Callable[[str], Usage] = disk_usage,
        clock_s: Callable[[], float] = time.monotonic,
        period_s: float = PERIOD_S,
    ) -> None:
        self.path, self._label = path, label
        self._watch = Watch(
            f"mount-{label}",
            lambda: ask(path),
            silent="No answer from this file system",
            period_s=period_s,
            clock_s=clock_s,
        )
        self.start, self.stop, self.ask = self._watch.start, self._watch.stop, self._watch.ask

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


def parse_mountinfo(text: str) -> tuple[str, ...]:
    """Where disks and network shares are mounted, the root left out.

    Args:
        text: Content of `/proc/self/mountinfo`.

    Returns:
        One place for each file system, the shortest path of it: a bind mount is the same space again.
    """
    found: dict[str, str] = {}
    roots = set()
    for line in text.splitlines():
        first, dash, second = line.partition(" - ")
        fields, rest = first.split(), second.split()
        if not dash or len(fields) < 5 or len(rest) < 2:
            continue
        device, path, kind, source = fields[2], _unescape(fields[4]), rest[0], rest[1]
        if path == "/":
            roots.add(device)
        elif kind in _NETWORK | _POOLS or (source.startswith("/dev/") and kind not in _IMAGES):
            found[device] = min(found.get(device, path), path, key=lambda each: (len(each), each))
    return tuple(sorted(path for device, path in found.items() if device not in roots))


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
        make: Callable[[str], MountWatch] = lambda path: MountWatch(path, path),
    ) -> None:
        self._always, self._make = tuple(always), make
        self._mountinfo = mountinfo
        self._others: dict[str, MountWatch] = {}
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
        paths = parse_mountinfo(Path(self._mountinfo or PROC_MOUNTS).read_text(encoding="utf-8", errors="replace"))
        own = {watch.path for watch in self._always}
        paths = tuple(path for path in paths if path not in own)
        with self._lock:
            for path in set(self._others) - set(paths):
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
