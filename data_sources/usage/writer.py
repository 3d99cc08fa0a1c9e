"""The one writer of the usage store: a thread that commits what several requests hand over, together.

`submit` returns after the commit, so whoever got a receipt finds its events after a crash. The writer also notes when
we listened, so that "nothing came" and "nobody listened" stay apart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import duckdb

from data_sources.usage import intake, retention, rollup
from data_sources.usage.attempt import Attempt
from data_sources.usage.commit import Batch, Change, ChangeRefusedError, Known, Outcome, store, undo
from data_sources.usage.intake import Refusal
from data_sources.usage.integrity import NOTHING
from data_sources.usage.store import StoreError, UsageStore

log = logging.getLogger(__name__)
T = TypeVar("T")

GROUP_ROWS = 8192
QUEUE_ROWS = 400_000
HEARTBEAT_S = 15.0
GATHER_S = 0.001
_CHECKPOINT_EVERY = 240  # heartbeats: an idle server's log stays small, and is folded in once an hour
_MERGE_IDLE_ROWS, _MERGE_ROWS = 4096, 200_000
_GATHER_COMMITS = 1000  # each leaves a row or a few in what was received
_SUBMIT_S = 60.0
_NOTE_US = 1_000_000  # the log of collection is good to a minute; each commit of a busy second need not be in it
_EXPIRY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request's events, told after the commit."""

    batch_id: str
    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Undone:
    """A batch that was taken out."""

    batch_id: str
    removed: int


class BatchRefusedError(Exception):
    """Nothing of the batch was taken. The text says why."""


class UnknownBatchError(ChangeRefusedError):
    """There is no such batch, or it was undone before."""


def now_us() -> int:
    """Now, microseconds since 1970 UTC."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class _Job:
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


class Writer:
    """Takes batches from any thread and commits them from its own."""

    def __init__(
        self,
        store: UsageStore,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        queue_rows: int = QUEUE_ROWS,
        gather_s: float = GATHER_S,
        clock_us: Callable[[], int] = now_us,
        keep_days: int | None = None,
    ) -> None:
        """Make a writer; `start` starts its thread.

        Args:
            store: The store it alone changes.
            heartbeat_s: How often "we listened" is noted while nothing comes, in seconds.
            queue_rows: How many waiting events are held before senders are told to wait.
            gather_s: How long, in seconds, to wait for each of the senders that were there last, when they were
                several: a commit costs the same for one request and for many. A lone sender never waits.
            clock_us: Now, microseconds since 1970 UTC.
            keep_days: For how many days single attempts are kept; None for ever.
        """
        self._store = store
        self._heartbeat_s = heartbeat_s
        self._queue_rows = queue_rows
        self._clock_us = clock_us
        self._keep_days = keep_days
        self._next_expiry = time.monotonic()
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._gather_s = gather_s
        self._together = 1  # requests in the last commit, and those that came meanwhile
        self._wanted = 1  # how many must wait before the thread is woken
        self._state = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._known: Known | None = None
        self._noted_us = 0
        self._span_us: tuple[int, int] | None = None
        self._span_stored = False
        self._beats = 0
        self._merged_day = 0
        self._unmerged = _MERGE_IDLE_ROWS  # an earlier run may have left fragments
        self._ungathered = _GATHER_COMMITS
        self.accepted = self.duplicates = 0  # events since the start, counted after their commit

    @property
    def listening_us(self) -> tuple[int, int] | None:
        """Since when and until when we listen, microseconds since 1970; the store's row lags by up to a heartbeat."""
        return None if self._span_us is None else (self._span_us[0], self._clock_us())

    @property
    def raw_from_us(self) -> int | None:
        """From when on all attempts are there, microseconds since 1970; None when none was ever too old to keep."""
        return self._store.raw_from_us

    def start(self) -> None:
        """Begin listening. Starting twice is fine."""
        with self._state:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="usage-writer", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Commit everything that was accepted, note the end of listening, and stop. The store stays open."""
        with self._state:
            self._stopping = True
            self._state.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def submit(
        self,
        attempts: Sequence[Attempt],
        *,
        batch_id: str,
        named: bool = False,
        kind: str = "api",
        source: str | None = None,
        name: str | None = None,
        refusals: Sequence[Refusal] = (),
        span_us: tuple[int, int] | None = None,
    ) -> Receipt:
        """Hand events over and wait until they are durable.

        Args:
            attempts: Checked and priced.
            batch_id: To undo them by.
            named: The sender chose the id and may use it again.
            kind: api or import.
            source: What the sender calls itself.
            name: The imported file's name.
            refusals: Why events of the request were not taken.
            span_us: The span that an import covers, with its last request.

        Raises:
            StoreError: The store cannot take them now; sending again later is safe.
            BatchRefusedError: The batch was undone.
        """
        rejected = sum(refusal.events for refusal in refusals)
        taken, at_us = list(attempts), self._clock_us()
        batch = Batch(
            batch_id, kind, source, name, taken, rejected, at_us, named=named, span_us=span_us, refusals=refusals
        )
        self._wait(_Job(len(batch.attempts), batch=batch))
        if batch.refused is not None:
            raise BatchRefusedError(batch.refused)
        receipt = Receipt(batch_id, len(batch.attempts) - batch.duplicates, batch.duplicates)
        with self._state:
            self.accepted += receipt.accepted
            self.duplicates += receipt.duplicates
        return receipt

    def undo(self, batch_id: str) -> Undone:
        """Take a batch out of every figure.

        Raises:
            StoreError: The store cannot do it now.
            UnknownBatchError: There is no such batch, or it was undone before.
        """
        return Undone(batch_id, self.change(lambda cursor: self._undo(cursor, batch_id)))

    def change(self, make: Callable[[duckdb.DuckDBPyConnection], Change[T]]) -> T:
        """Change what is stored by hand, in the writer's thread: nothing is committed meanwhile.

        Args:
            make: Makes the change in the transaction that its cursor is in; that is rolled back when it raises.

        Raises:
            StoreError: The store cannot do it now.
            ChangeRefusedError: `make` raised it.
        """
        value: T = self._wait(_Job(0, change=make))
        return value

    def batches(self, limit: int = 200) -> list[dict[str, Any]]:
        """The newest batches, newest first, with times as aware datetimes.

        Raises:
            StoreError: The store cannot be read now.
        """
        with self._store.cursor() as cursor:
            rows = cursor.execute("SELECT * FROM batches ORDER BY received_at_us DESC, batch_id LIMIT ?", [limit])
            names = [column[0] for column in rows.description or ()]
            found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        for batch in found:
            for name in ("received_at", "undone_at"):
                moment = batch.pop(f"{name}_us")
                batch[name] = None if moment is None else datetime.fromtimestamp(moment / 1e6, UTC)
        return found

    def _wait(self, job: _Job) -> Any:
        self._store.check_space()
        with self._state:
            if self._stopping or self._thread is None:
                raise StoreError("The server is stopping.", code="stopping", title="Events are not accepted")
            if self._waiting and self._waiting + job.rows > self._queue_rows:
                raise StoreError("More events wait than can be stored now.", code="busy", title="Events must wait")
            self._jobs.append(job)
            self._waiting += job.rows
            if len(self._jobs) >= self._wanted:
                self._state.notify_all()
        try:
            return job.result(_SUBMIT_S)
        except TimeoutError:
            # They may still be stored later; the sender sends again and finds duplicates.
            raise StoreError("Storing takes too long.", code="slow", title="Events must wait") from None

    def _run(self) -> None:
        next_beat = time.monotonic()
        while True:
            with self._state:
                self._state.wait_for(lambda: self._jobs or self._stopping, max(0.0, next_beat - time.monotonic()))
                if self._jobs and self._together > 1:
                    self._gather()
                group = self._next_group()
                last = self._stopping and not group
            if group:
                self._commit(group)
                with self._state:
                    self._together = len(group) + len(self._jobs)
            if last or (not group and time.monotonic() >= next_beat) or self._unmerged >= _MERGE_ROWS:
                self._upkeep(last)
                self._expire()
                next_beat = time.monotonic() + self._heartbeat_s
            if last:
                return

    def _gather(self) -> None:
        self._wanted = self._together
        self._state.wait_for(lambda: self._stopping or len(self._jobs) >= self._wanted, self._gather_s * self._wanted)
        self._wanted = 1

    def _next_group(self) -> list[_Job]:
        group: list[_Job] = []
        rows = 0
        while self._jobs and (not group or rows + self._jobs[0].rows <= GROUP_ROWS):
            if self._jobs[0].change is not None and group:
                break
            job = self._jobs.popleft()
            group.append(job)
            rows += job.rows
            if job.change is not None:
                break
        self._waiting -= rows
        return group

    def _commit(self, group: list[_Job]) -> None:
        try:
            outcome, value = self._transaction(group)
        except ChangeRefusedError as error:
            _fail(group, error)
        except StoreError as error:
            self._known = None  # the commit may have been kept after all
            _fail(group, error)
        except Exception as error:  # the thread lives on: the error goes to the sender, its trace to the log
            self._known = None
            if len(group) > 1:  # so that one request's trouble stays its own
                for job in group:
                    self._commit([job])
                return
            log.exception("usage store: a commit failed")
            detail = "The usage store could not take these events."
            _fail(group, StoreError(detail, code=type(error).__name__))
        else:
            self._remember(outcome)
            self._ungathered += 1
            for job in group:
                job.end(value)

    def _transaction(self, group: list[_Job]) -> tuple[Outcome, Any]:
        value = None
        for job in group:
            if job.batch is not None:
                job.batch.duplicates, job.batch.refused = 0, None  # a second try counts afresh
                self._store.check_space()
        with self._store.cursor() as cursor:
            if self._known is None or self._known.seen.is_full:
                self._known = Known.read(cursor, self._clock_us())
            cursor.begin()
            if group[0].change is not None:
                changed = group[0].change(cursor)
                value, commit = changed.value, changed.commit
                outcome = Outcome(commit or NOTHING, commit is not None, rollup_rows=_MERGE_IDLE_ROWS)
                outcome.raw_from_us = changed.raw_from_us
                if outcome.changed:
                    self._known = None  # values may be gone
            else:
                self._refuse_expired(group)
                outcome = store(cursor, [job.batch for job in group if job.batch is not None], self._known)
            if not self._span_stored or self._clock_us() - self._noted_us >= _NOTE_US:
                self._note_listening(cursor)
            self._store.refused.write(cursor)
            cursor.commit()
            self._store.refused.written()
            self._span_stored = True
        return outcome, value

    def _refuse_expired(self, group: list[_Job]) -> None:
        """Refuse what has become too old since its door let it in; the door tells which it is the next time."""
        raw_from_us = self._store.raw_from_us
        if any(job.batch and retention.too_old(job.batch.attempts, raw_from_us) for job in group):
            raise StoreError("Older events have just expired.", code="busy", title="Events must be sent again")

    def _undo(self, cursor: duckdb.DuckDBPyConnection, batch_id: str) -> Change[int]:
        rows = cursor.execute("SELECT undone_at_us, expired FROM batches WHERE batch_id = ?", [batch_id]).fetchall()
        if not rows:
            raise UnknownBatchError("There is no such batch.")
        if rows[0][0] is not None:
            raise UnknownBatchError("This batch was undone before.")
        if rows[0][1]:
            raise ChangeRefusedError(
                f"{rows[0][1]:,} of its attempts are older than is kept (OPS_USAGE_KEEP_DAYS): only sums are left."
            )
        commit, removed = undo(cursor, batch_id, self._clock_us())
        return Change(removed, commit)

    def _remember(self, outcome: Outcome) -> None:
        if not outcome.changed:
            self._store.noticed()
            return
        self._store.ledger.write(outcome.commit)
        if self._known is not None:
            self._known.after(outcome)
        self._unmerged += outcome.rollup_rows
        self._store.changed(outcome.commit.number, outcome.received_us, outcome.raw_from_us)

    def _note_listening(self, cursor: duckdb.DuckDBPyConnection) -> None:
        now = self._noted_us = self._clock_us()
        if self._span_us is None:
            self._span_us = (now, now)
        self._span_us = (self._span_us[0], now)
        if self._span_stored:
            cursor.execute(
                "UPDATE collection SET end_us = ? WHERE kind = 'listening' AND start_us = ?", [now, self._span_us[0]]
            )
        else:
            cursor.execute("INSERT INTO collection VALUES ('listening', ?, ?, NULL, NULL)", list(self._span_us))

    def _upkeep(self, last: bool) -> None:
        """Note that we listen; merge the rollup's fragments; fold the log in. Failing here loses no event."""
        try:
            with self._store.cursor() as cursor:
                cursor.begin()
                self._note_listening(cursor)
                noticed = self._store.refused.write(cursor)
                cursor.commit()
                self._span_stored = True
                if noticed:
                    self._store.refused.written()
                    self._store.noticed()
                    self._ungathered += 1
                self._beats += 1
                if self._known is None:  # so that the first sender need not wait for it
                    self._known = Known.read(cursor, self._clock_us())
                today = self._clock_us() // retention.DAY_US
                closed = today > self._merged_day  # each closed day is folded, however little came
                if self._unmerged >= _MERGE_IDLE_ROWS or (self._unmerged and (last or closed)):
                    rollup.merge(cursor)
                    self._unmerged = 0
                self._merged_day = today
                if self._ungathered >= _GATHER_COMMITS:
                    intake.merge(cursor, self._clock_us())
                    self._ungathered = 0
                if self._beats % _CHECKPOINT_EVERY == 0:
                    cursor.execute("CHECKPOINT")
        except StoreError as error:
            self._span_us, self._span_stored = None, False  # nobody could deliver: a new span begins when one can
            log.warning("usage store: %s", error)
        except duckdb.Error:
            log.exception("usage store: upkeep failed")

    def _expire(self) -> None:
        """Delete what is older than is kept, some of it at once; look again in an hour when all of it is gone."""
        if self._keep_days is None or time.monotonic() < self._next_expiry:
            return
        until_us = retention.edge_for(self._clock_us(), self._keep_days)
        job = _Job(0, change=lambda cursor: retention.expire(cursor, until_us))
        self._commit([job])
        if job.error is not None:
            log.warning("usage store: old attempts are still there: %s", job.error)
        if job.error is not None or not job.value:
            self._next_expiry = time.monotonic() + _EXPIRY_S


def _fail(group: list[_Job], error: Exception) -> None:
    for job in group:
        job.end(None, error)
