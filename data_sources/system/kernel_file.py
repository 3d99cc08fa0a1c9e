"""Reading the kernel's small files on kept descriptors, without letting another thread in.

`os.pread` gives the interpreter away and waits to get it back: with eight busy threads 40 ms a read, a second and more
a tick, and a step so long is a gap. A read of these files takes microseconds, so nobody is held up by waiting for it.
One that turns out slow (a driver that asks its card, a host of thousands of groups) is read the usual way from then on.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

Pread = Callable[[int, int, int], bytes]
CHUNK = 1 << 16  # one read returns about a page of some files whatever is asked, hence the loop below


def pread_holding_lock() -> Pread:
    """A `pread` that keeps the interpreter; `os.pread` where the system's library has none.

    Each thread reads into one place of its own, time after time: memory that is touched for the first time in two
    seconds is what a tick costs on a machine that sleeps in between.
    """
    try:
        function = ctypes.PyDLL(None, use_errno=True).pread
    except (OSError, AttributeError):
        return os.pread
    function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long)
    function.restype = ctypes.c_ssize_t
    own = threading.local()

    def pread(fd: int, size: int, offset: int) -> bytes:
        try:
            buffer = own.buffer
        except AttributeError:
            buffer = own.buffer = ctypes.create_string_buffer(CHUNK)
        count = function(fd, buffer, min(size, CHUNK), offset)
        if count < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return ctypes.string_at(buffer, count)

    return pread


_PREAD = pread_holding_lock()
_SLOW_S, _SLOW_IN_A_ROW = 0.02, 5


class KernelFile:
    """One file of `/proc` or `/sys`, opened at the first read and kept open: it stays in the network it was opened in.

    Args:
        path: Where it is.
        pread: Reads without letting another thread in.
        clock_s: The clock that never jumps.
    """

    def __init__(
        self, path: str | Path, *, pread: Pread | None = None, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = str(path)
        self._pread = pread or _PREAD
        self._clock_s = clock_s
        self._slow = 0
        self._fd: int | None = None

    def open(self) -> int:
        """Its descriptor.

        Raises:
            OSError: It cannot be opened.
        """
        if self._fd is None:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._fd

    def read(self, *, enough: Callable[[bytes], bool] | None = None) -> bytes:
        """Its whole content now.

        Args:
            enough: Whether a part of it, as one read returns it, was the last that is wanted.

        Raises:
            OSError: It cannot be read; the next read opens it anew.
        """
        try:
            fd, parts, offset = self.open(), [], 0
            started_s = self._clock_s()
            while part := self._pread(fd, CHUNK, offset):
                parts.append(part)
                offset += len(part)
                if enough is not None and enough(part):
                    break
        except OSError:
            self.close()
            raise
        self._judge(self._clock_s() - started_s)
        return b"".join(parts)

    def _judge(self, took_s: float) -> None:
        """Give way to other threads once reads are slow time after time: one may only have been interrupted."""
        self._slow = self._slow + 1 if took_s > _SLOW_S else 0
        if self._slow >= _SLOW_IN_A_ROW:
            self._pread = os.pread

    def text(self) -> str:
        """The same as text.

        Raises:
            OSError: It cannot be read.
        """
        return self.read().decode("utf-8", "replace")

    def close(self) -> None:
        """Close the descriptor."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __del__(self) -> None:
        self.close()
