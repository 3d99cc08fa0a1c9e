"""How full the file systems are.

Each is asked on a thread of its own: a dead network mount can hang for ever, and must take neither the sampler nor the
other file systems with it.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from ..result import utc_now
from .types import Mount

PERIOD_S = 10.0
_SILENT_AFTER_S = 3 * PERIOD_S


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
        self._path, self._label = path, label
        self._ask, self._clock_s, self._period_s = ask, clock_s, period_s
        self._last = Mount(path, label, reason="measuring")
        self._asked_at_s: float | None = None
        self._wake = threading.Event()

    def start(self) -> None:
        """Start asking, every period."""
        self._wake = threading.Event()
        threading.Thread(target=self._run, args=(self._wake,), name=f"ops-mount-{self._label}", daemon=True).start()

    def stop(self) -> None:
        """Stop asking; a question that hangs is left behind."""
        self._wake.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.ask()
            stop.wait(self._period_s)

    def ask(self) -> None:
        """Ask once and keep the answer, or why there is none."""
        self._asked_at_s = self._clock_s()
        try:
            usage = self._ask(self._path)
        except OSError as error:
            self._last = Mount(self._path, self._label, reason=f"{error.strerror or error}")
        else:
            self._last = Mount(self._path, self._label, usage.total, usage.used, usage.free, utc_now())
        self._asked_at_s = None

    def now(self) -> Mount:
        """The newest answer; without figures when the file system has been silent for three periods."""
        asked = self._asked_at_s
        if asked is not None and self._clock_s() - asked > _SILENT_AFTER_S:
            return Mount(self._path, self._label, at=self._last.at, reason="No answer from this file system")
        return self._last
