"""One server a data folder: a lock that the system gives back when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

NAME = "serving.lock"
WAIT_S = 30.0
_POLL_S = 0.2


class FolderInUseError(Exception):
    """Another process serves from the folder. One line that names both, fit to show."""


def lock_folder(folder: Path, *, wait_s: float = WAIT_S) -> int:
    """Take the folder for this process and those it forks, until the last of them ends.

    Args:
        folder: The data folder; it exists.
        wait_s: How long to wait for what is left of a server that has died, in seconds.

    Returns:
        The open file that holds the lock; closing it gives the folder back.

    Raises:
        FolderInUseError: Another server has it.
        OSError: The lock's file cannot be written.
    """
    held = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(held, 32, 0).decode("ascii", "replace").strip()
            if not _ended(pid) or time.monotonic() >= deadline:
                os.close(held)
                raise FolderInUseError(
                    f"OPS_DATA_DIR: another Ops Center, process {pid or 'unknown'}, serves from {folder}. "
                    "Stop it, or choose another folder"
                ) from None
            time.sleep(_POLL_S)  # its last requests are being answered
        else:
            os.ftruncate(held, 0)
            os.pwrite(held, f"{os.getpid()}\n".encode("ascii"), 0)
            return held


def _ended(pid: str) -> bool:
    """Whether the process that took the lock is gone, and only its children still hold it."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, PermissionError):
        return False
    return False
