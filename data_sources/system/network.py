"""Reading the interfaces' byte counters, with the moment they were true.

The time is stamped before the read, and nobody else may run in between: after the read a busy process may lose the
interpreter for a fifth of a second, and every rate with it (`bench/system_accuracy.py` measures both ways).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psutil

from .kernel_file import KernelFile, Pread
from .types import Counters, Faults, NetworkReading

PROC_NET_DEV = "/proc/net/dev"
_RECEIVED, _SENT, _FIELDS = 0, 8, 16
_ERRORS, _DROPS = 2, 3  # after the bytes, in either half
_TRIES = 5


class NetworkReader(Protocol):
    """Anything that lists counters by interface."""

    source: str

    def read(self) -> NetworkReading:
        """All counters now; OSError or ValueError when they cannot be read."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


def parse_proc_net_dev(text: str) -> tuple[dict[str, Counters], dict[str, Faults]]:
    """Read the kernel's table.

    Args:
        text: Content of `/proc/net/dev`: two header lines, then `name: 16 numbers` a line.

    Returns:
        Received and sent bytes by interface, and its errors and drops.

    Raises:
        ValueError: A line is not of that shape; half a table would read as interfaces that vanished.
    """
    found, faults = {}, {}
    for line in text.splitlines()[2:]:
        name, colon, numbers = line.rpartition(":")
        fields = numbers.split()
        if not colon or len(fields) < _FIELDS:
            raise ValueError(f"a line of {PROC_NET_DEV} has {len(fields)} numbers instead of {_FIELDS}")
        name = name.strip()
        found[name] = Counters(int(fields[_RECEIVED]), int(fields[_SENT]))
        faults[name] = Faults(
            int(fields[_RECEIVED + _ERRORS]),
            int(fields[_SENT + _ERRORS]),
            int(fields[_RECEIVED + _DROPS]),
            int(fields[_SENT + _DROPS]),
        )
    return found, faults


class ProcNetDev:
    """Reads `/proc/net/dev` on a descriptor that stays open, so it stays in the network it was opened in.

    Args:
        path: The kernel's table.
        clock_ns: The clock that never jumps.
        slow_ns: A read that took longer was interrupted, and is made again.
        pread: Reads without letting another thread in.
    """

    def __init__(
        self,
        path: str = PROC_NET_DEV,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        slow_ns: int = 1_000_000,
        pread: Pread | None = None,
    ) -> None:
        self.source = path
        self._file = KernelFile(path, pread=pread)
        self._clock_ns = clock_ns
        self._slow_ns = slow_ns  # 0.05 % of a 2 s step

    def read(self) -> NetworkReading:
        """All counters now: the least interrupted of a few tries.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not the kernel's table.
        """
        best = self._read_once()
        for _ in range(_TRIES - 1):
            if best[1] <= self._slow_ns:
                break
            best = min(best, self._read_once(), key=lambda tried: tried[1])
        at_ns, took_ns, text = best
        table, faults = parse_proc_net_dev(text.decode("utf-8", "replace"))
        return NetworkReading(at_ns, took_ns, table, faults)

    def _read_once(self) -> tuple[int, int, bytes]:
        self._file.open()  # before the stamp: opening takes its time
        before_ns = self._clock_ns()
        text = self._file.read()
        return before_ns, self._clock_ns() - before_ns, text

    def close(self) -> None:
        """Close the descriptor."""
        self._file.close()


class PsutilNetwork:
    """The same through psutil, for systems without `/proc`.

    Without its wrap correction, which hides resets and turns one row of zeros into 500 GB/s.
    """

    source = "the system's interface counters"

    def __init__(self, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns

    def read(self) -> NetworkReading:
        """All counters now."""
        before_ns = self._clock_ns()
        counters = psutil.net_io_counters(pernic=True, nowrap=False)
        took_ns = self._clock_ns() - before_ns
        # None is psutil's word for "no interface at all"
        rows = {} if counters is None else counters
        return NetworkReading(
            before_ns,
            took_ns,
            {name: Counters(row.bytes_recv, row.bytes_sent) for name, row in rows.items()},
            {name: Faults(row.errin, row.errout, row.dropin, row.dropout) for name, row in rows.items()},
        )

    def close(self) -> None:
        """Nothing is held open."""


def network_reader() -> NetworkReader:
    """The best reader this system offers."""
    return ProcNetDev() if Path(PROC_NET_DEV).exists() else PsutilNetwork()
