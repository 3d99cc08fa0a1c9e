"""One server a data folder: a lock that the system gives back when the process ends, however it ends.

The lock's file says whose it is: the process, and where it serves.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import NamedTuple

NAME = "serving.lock"
WAIT_S = 30.0
_POLL_S = 0.2


class FolderInUseError(Exception):
    """Another process serves from the folder. One line that names both, fit to show."""


class Served(NamedTuple):
    """Where a server is.

    Attributes:
        listens_at: Its address for programs of this machine, such as `http://127.0.0.1:8050`.
        base_url: Its address as users type it.
    """

    listens_at: str
    base_url: str


def lock_folder(folder: Path, served: Served | None = None, *, wait_s: float = WAIT_S) -> int:
    """Take the folder for this process and those it forks, until the last of them ends.

    Args:
        folder: The data folder; it exists.
        served: Where this process serves, for `served_from`; None where it does not.
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
            pid = next(iter(_lines(held)), "")
            if not _ended(pid) or time.monotonic() >= deadline:
                os.close(held)
                raise FolderInUseError(
                    f"OPS_DATA_DIR: another Ops Center, process {pid or 'unknown'}, serves from {folder}. "
                    "Stop it, or choose another folder"
                ) from None
            time.sleep(_POLL_S)  # its last requests are being answered
        else:
            os.ftruncate(held, 0)
            os.pwrite(held, "".join(f"{line}\n" for line in (os.getpid(), *(served or ()))).encode(), 0)
            return held


def served_from(folder: Path) -> Served | None:
    """Where the server that has the folder is; None where none has, or it cannot be told."""
    try:
        found = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        pid, *addresses = _lines(found) or [""]
        # First the process: a lock that nobody has is not to be taken even for a moment, a server may be starting.
        if len(addresses) != len(Served._fields) or _ended(pid):
            return None
        fcntl.flock(found, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Served(*addresses)
    except OSError:
        return None
    finally:
        os.close(found)
    return None  # nobody has it: the number is another process's by now


def _lines(file: int) -> list[str]:
    return os.pread(file, 4096, 0).decode(errors="replace").splitlines()


def _ended(pid: str) -> bool:
    """Whether the process that took the lock is gone, and only its children still hold it."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, PermissionError):
        return False
    return False
