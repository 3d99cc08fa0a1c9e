"""Reading the kernel's small files on kept descriptors, without letting another thread in.

`os.pread` gives the interpreter away and waits to get it back: with eight busy threads 40 ms a read, a second and more
a tick, and a step so long is a gap. A read of these files takes microseconds, so nobody is held up by waiting for it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

Pread = Callable[[int, int, int], bytes]
CHUNK = 1 << 16  # one read returns about a page of some files whatever is asked, hence the loop below


def pread_holding_lock() -> Pread:
    """A `pread` that keeps the interpreter; `os.pread` where the system's library has none."""
    try:
        function = ctypes.PyDLL(None, use_errno=True).pread
    except (OSError, AttributeError):
        return os.pread
    function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long)
    function.restype = ctypes.c_ssize_t

    def pread(fd: int, size: int, offset: int) -> bytes:
        buffer = ctypes.create_string_buffer(min(size, CHUNK))
        count = function(fd, buffer, len(buffer), offset)
        if count < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return buffer.raw[:count]

    return pread


_PREAD = pread_holding_lock()


class KernelFile:
    """One file of `/proc` or `/sys`, opened at the first read and kept open: it stays in the network it was opened in.

    Args:
        path: Where it is.
        pread: Reads without letting another thread in.
    """

    def __init__(self, path: str | Path, *, pread: Pread | None = None) -> None:
        self.path = str(path)
        self._pread = pread or _PREAD
        self._fd: int | None = None

    def open(self) -> int:
        """Its descriptor.

        Raises:
            OSError: It cannot be opened.
        """
        if self._fd is None:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._fd

    def read(self) -> bytes:
        """Its whole content now.

        Raises:
            OSError: It cannot be read; the next read opens it anew.
        """
        try:
            fd, parts, offset = self.open(), [], 0
            while part := self._pread(fd, CHUNK, offset):
                parts.append(part)
                offset += len(part)
        except OSError:
            self.close()
            raise
        return b"".join(parts)

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
