"""How requests hand their work to the writer's thread: a bounded queue, taken in groups, each job told its end."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from data_sources.usage.commit import Batch, Change
from data_sources.usage.store import StoreError

GROUP_ROWS = 8192
QUEUE_ROWS = 400_000
GATHER_S = 0.001


@dataclass(slots=True)
class Job:
    """What waits for its commit. A bare lock instead of a Future: with many senders of one event, less to do."""

    rows: int
    batch: Batch | None = None
    change: Callable[[duckdb.DuckDBPyConnection], Change[Any]] | None = None
    value: Any = None
    error: Exception | None = None
    _undecided: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._undecided.acquire()

    def end(self, value: Any, error: Exception | None = None) -> None:
        """Tell what became of it; once."""
        self.value, self.error = value, error
        self._undecided.release()

    def result(self, timeout_s: float) -> Any:
        """Wait for what became of it.

        Raises:
            TimeoutError: That is not known by then.
        """
        if not self._undecided.acquire(timeout=timeout_s):
            raise TimeoutError
        if self.error is not None:
            raise self.error
        return self.value


class Handover:
    """The jobs that wait. Any thread puts; one takes."""

    def __init__(self, *, queue_rows: int = QUEUE_ROWS, gather_s: float = GATHER_S) -> None:
        """Make an empty one, closed until it is opened.

        Args:
            queue_rows: How many waiting events are held before senders are told to wait.
            gather_s: How long, in seconds, to wait for each of the senders that were there last, when they were
                several: a commit costs the same for one request and for many. A lone sender never waits.
        """
        self._queue_rows = queue_rows
        self._gather_s = gather_s
        self._jobs: deque[Job] = deque()
        self._waiting_rows = 0
        self._together = 1  # requests in the last group, and those that came meanwhile
        self._wanted = 1  # how many must wait before the taker is woken
        self._state = threading.Condition()
        self._open = self._closed = False

    @property
    def waiting(self) -> tuple[int, int]:
        """How many jobs wait, and events in them."""
        with self._state:
            return len(self._jobs), self._waiting_rows

    def open(self) -> bool:
        """Take jobs from now on, unless it was closed before.

        Returns:
            Whether it takes them.
        """
        with self._state:
            self._open = not self._closed
            return self._open

    def close(self) -> None:
        """Take no more jobs; those that are there are still given out."""
        with self._state:
            self._open, self._closed = False, True
            self._state.notify_all()

    def put(self, job: Job) -> None:
        """Hand a job over.

        Raises:
            StoreError: It is closed, or more waits than can be held.
        """
        with self._state:
            if not self._open:
                raise StoreError("The server is stopping.", code="stopping", title="Events are not accepted")
            if self._waiting_rows and self._waiting_rows + job.rows > self._queue_rows:
                raise StoreError("More events wait than can be stored now.", code="busy", title="Events must wait")
            self._jobs.append(job)
            self._waiting_rows += job.rows
            if len(self._jobs) >= self._wanted:
                self._state.notify_all()

    def take(self, until: float) -> tuple[list[Job], bool]:
        """The next jobs to commit together; a change by hand comes alone.

        Args:
            until: When to come back with nothing, on the monotonic clock, in seconds.

        Returns:
            The jobs, and whether it is closed and empty.
        """
        with self._state:
            self._state.wait_for(lambda: self._jobs or self._closed, max(0.0, until - time.monotonic()))
            if self._jobs and self._together > 1:
                self._gather()
            group = self._next_group()
            return group, self._closed and not group

    def done(self, group: list[Job]) -> None:
        """The group is committed: as many as came in it, and since, may come together again."""
        with self._state:
            self._together = len(group) + len(self._jobs)

    def _gather(self) -> None:
        self._wanted = self._together
        self._state.wait_for(lambda: self._closed or len(self._jobs) >= self._wanted, self._gather_s * self._wanted)
        self._wanted = 1

    def _next_group(self) -> list[Job]:
        group: list[Job] = []
        rows = 0
        while self._jobs and (not group or rows + self._jobs[0].rows <= GROUP_ROWS):
            if self._jobs[0].change is not None and group:
                break
            job = self._jobs.popleft()
            group.append(job)
            rows += job.rows
            if job.change is not None:
                break
        self._waiting_rows -= rows
        return group
