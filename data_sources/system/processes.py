"""The list of processes, read only while somebody looks: it costs fifty times a tick.

Names, never command lines: those hold keys and passwords.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import psutil

from ..result import utc_now

log = logging.getLogger("ops.system")
T = TypeVar("T")
PERIOD_S = 5.0
SOON_S = 1.0  # shares need a second list: it comes soon after the first, long enough after it to tell
_LOOKING_PERIODS = 3  # so long after the last question somebody is still looking
_FIRST_S = 2.0  # the first list is worth a moment's wait


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One process at one moment; what may not be looked at is None.

    Attributes:
        pid: Its number.
        started_s: When it began, seconds since the epoch: a number is used again, the pair is not.
        name: Its name, without arguments.
        user: Who runs it.
        cpu_s: Seconds of CPU it has used.
        rss: Bytes of memory in use.
        threads: How many.
        state: As the system calls it.
    """

    pid: int
    started_s: float
    name: str | None
    user: str | None
    cpu_s: float | None
    rss: int | None
    threads: int | None
    state: str | None


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One line of the list: the reading, and its CPU over the last step, 100 for one core; None until there are two."""

    reading: ProcessReading
    cpu_percent: float | None


@dataclass(frozen=True, slots=True)
class ProcessList:
    """Every process at one moment.

    Attributes:
        rows: In no order.
        at: When it was read, UTC; None before the first.
        interval_s: Measured step that the CPU shares are taken over; None for the first list.
        period_s: How far apart lists are.
        reason: Why there is no list, or no CPU share in it.
    """

    rows: tuple[ProcessRow, ...]
    at: datetime | None
    interval_s: float | None
    period_s: float
    reason: str | None


def read_processes() -> Iterator[ProcessReading]:
    """Every process that is there now."""
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                cpu = _may(process.cpu_times)
                memory = _may(process.memory_info)
                yield ProcessReading(
                    process.pid,
                    process.create_time(),
                    _may(process.name),
                    _may(process.username),
                    None if cpu is None else cpu.user + cpu.system,
                    None if memory is None else memory.rss,
                    _may(process.num_threads),
                    _may(process.status),
                )
        except psutil.Error:  # it ended while it was read, or tells nothing at all
            continue


def _may(ask: Callable[[], T]) -> T | None:
    """One answer, None where it may not be looked at."""
    try:
        return ask()
    except (psutil.AccessDenied, KeyError):  # KeyError: a user without a name
        return None


def with_shares(
    before: Iterable[ProcessReading], after: Iterable[ProcessReading], seconds: float | None
) -> tuple[ProcessRow, ...]:
    """The CPU share of each process between two lists.

    Args:
        before: The older list.
        after: The newer list.
        seconds: The measured step between them; None when there is no older one.

    Returns:
        The newer list; a process that is not in the older one has no share yet.
    """
    known = {(each.pid, each.started_s): each.cpu_s for each in before}
    rows = []
    for each in after:
        old, share = known.get((each.pid, each.started_s)), None
        if old is not None and each.cpu_s is not None and seconds and each.cpu_s >= old:
            share = 100 * (each.cpu_s - old) / seconds
        rows.append(ProcessRow(each, share))
    return tuple(rows)


class ProcessWatch:
    """Reads the list on a thread of its own that ends when nobody asks any more.

    Args:
        read: Reads the list.
        period_s: How far apart, in seconds.
        soon_s: How long after the first list the second one comes, in seconds.
        clock_s: The clock that never jumps.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[ProcessReading]] = read_processes,
        *,
        period_s: float = PERIOD_S,
        soon_s: float = SOON_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._period_s, self._clock_s = read, period_s, clock_s
        self._soon_s = min(soon_s, period_s)
        self._lock = threading.Lock()
        self._asked_s = 0.0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._first = threading.Event()
        self._last: tuple[float, tuple[ProcessReading, ...]] | None = None
        self._list = ProcessList((), None, None, period_s, "measuring")

    def now(self, *, wait: bool = True) -> ProcessList:
        """The newest list; asking keeps it coming.

        Args:
            wait: Wait a moment for the first one; without it that is an empty one, "measuring".
        """
        with self._lock:
            self._asked_s = self._clock_s()
            if self._thread is None:
                self._stop, self._first = threading.Event(), threading.Event()
                self._last, self._list = None, ProcessList((), None, None, self._period_s, "measuring")
                self._thread = threading.Thread(target=self._run, args=(self._stop,), name="ops-processes", daemon=True)
                self._thread.start()
        if wait:
            self._first.wait(_FIRST_S)
        return self._list

    def stop(self) -> None:
        """Stop reading."""
        self._stop.set()

    @property
    def running(self) -> bool:
        """Whether somebody is looking."""
        return self._thread is not None

    @property
    def next_in_s(self) -> float:
        """How long after the newest list the next one comes, in seconds: soon where it will bring the first shares."""
        has_one = self._last is not None and self._list.interval_s is None
        return self._soon_s if has_one else self._period_s

    def _run(self, stop: threading.Event) -> None:
        while True:
            try:
                self.read()
            except Exception as error:  # whatever psutil meets: the list says so, and the next try may do better
                log.warning("The processes could not be read: %s", error)
                self._last = None
                self._list = ProcessList((), None, None, self._period_s, "read error")
            self._first.set()
            stop.wait(self.next_in_s)
            with self._lock:
                if stop.is_set() or self._clock_s() - self._asked_s > _LOOKING_PERIODS * self._period_s:
                    self._thread = None
                    return

    def read(self) -> None:
        """Read one list."""
        at_s = self._clock_s()
        found = tuple(self._read())
        before_s, before = self._last or (None, ())
        self._last = (at_s, found)
        interval_s = None if before_s is None else at_s - before_s
        reason = "measuring" if interval_s is None else None
        self._list = ProcessList(with_shares(before, found, interval_s), utc_now(), interval_s, self._period_s, reason)
