"""The one writer of the usage store: a thread that commits what several requests hand over, together.

`submit` returns after the commit, so whoever got a receipt finds its events after a crash.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import duckdb

from data_sources.usage import intake, retention, rollup
from data_sources.usage.attempt import Attempt
from data_sources.usage.commit import Batch, Change, ChangeRefusedError, Known, Outcome, store, undo
from data_sources.usage.handover import GATHER_S, QUEUE_ROWS, Handover, Job
from data_sources.usage.intake import Refusal
from data_sources.usage.integrity import NOTHING
from data_sources.usage.listening import Listening
from data_sources.usage.store import StoreError, UsageStore

log = logging.getLogger(__name__)
T = TypeVar("T")

HEARTBEAT_S = 15.0
_CHECKPOINT_EVERY = 240  # heartbeats: an idle server's log stays small, and is folded in once an hour
_MERGE_IDLE_ROWS, _MERGE_ROWS = 4096, 200_000
_GATHER_COMMITS = 1000  # each leaves a row or a few in what was received
_SUBMIT_S = 60.0
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
            queue_rows: As `Handover` takes it.
            gather_s: Likewise, in seconds.
            clock_us: Now, microseconds since 1970 UTC.
            keep_days: For how many days single attempts are kept; None for ever.
        """
        self._store = store
        self._heartbeat_s = heartbeat_s
        self._clock_us = clock_us
        self._keep_days = keep_days
        self._next_expiry = time.monotonic()
        self._handover = Handover(queue_rows=queue_rows, gather_s=gather_s)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._known: Known | None = None
        self._listening = Listening(clock_us)
        self._beats = 0
        self._merged_day = 0
        self._unmerged = _MERGE_IDLE_ROWS  # an earlier run may have left fragments
        self._ungathered = _GATHER_COMMITS
        self.accepted = self.duplicates = 0  # events since the start, counted after their commit

    @property
    def listening_us(self) -> tuple[int, int] | None:
        """Since when and until when we listen, microseconds since 1970; the store's row lags by up to a heartbeat."""
        return self._listening.span_us

    @property
    def raw_from_us(self) -> int | None:
        """From when on all attempts are there, microseconds since 1970; None when none was ever too old to keep."""
        return self._store.raw_from_us

    def start(self) -> None:
        """Begin listening. Starting twice is fine."""
        with self._lock:
            if self._thread is None and self._handover.open():
                self._thread = threading.Thread(target=self._run, name="usage-writer", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Commit everything that was accepted, note the end of listening, and stop. The store stays open."""
        self._handover.close()
        with self._lock:
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
        self._wait(Job(len(batch.attempts), batch=batch))
        if batch.refused is not None:
            raise BatchRefusedError(batch.refused)
        receipt = Receipt(batch_id, len(batch.attempts) - batch.duplicates, batch.duplicates)
        with self._lock:
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
        value: T = self._wait(Job(0, change=make))
        return value

    def batches(self, batch_id: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """The newest batches, newest first, with times as aware datetimes.

        Args:
            batch_id: Only this one.
            limit: How many at most.

        Raises:
            StoreError: The store cannot be read now.
        """
        with self._store.cursor() as cursor:
            rows = cursor.execute(
                "SELECT * FROM batches WHERE $id IS NULL OR batch_id = $id "
                "ORDER BY received_at_us DESC, batch_id LIMIT $limit",
                {"id": batch_id, "limit": limit},
            )
            names = [column[0] for column in rows.description or ()]
            found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        for batch in found:
            for name in ("received_at", "undone_at"):
                moment = batch.pop(f"{name}_us")
                batch[name] = None if moment is None else datetime.fromtimestamp(moment / 1e6, UTC)
        return found

    def _wait(self, job: Job) -> Any:
        self._store.check_space()
        self._handover.put(job)
        try:
            return job.result(_SUBMIT_S)
        except TimeoutError:
            # They may still be stored later; the sender sends again and finds duplicates.
            raise StoreError("Storing takes too long.", code="slow", title="Events must wait") from None

    def _run(self) -> None:
        next_beat = time.monotonic()
        while True:
            group, last = self._handover.take(next_beat)
            if group:
                self._commit(group)
                self._handover.done(group)
            if last or (not group and time.monotonic() >= next_beat) or self._unmerged >= _MERGE_ROWS:
                self._upkeep(last)
                self._expire()
                next_beat = time.monotonic() + self._heartbeat_s
            if last:
                return

    def _commit(self, group: list[Job]) -> None:
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

    def _transaction(self, group: list[Job]) -> tuple[Outcome, Any]:
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
            if self._listening.is_due:
                self._listening.note(cursor)
            self._store.refused.write(cursor)
            cursor.commit()
            self._store.refused.written()
            self._listening.noted()
        return outcome, value

    def _refuse_expired(self, group: list[Job]) -> None:
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

    def _upkeep(self, last: bool) -> None:
        """Note that we listen; merge the rollup's fragments; fold the log in. Failing here loses no event."""
        try:
            with self._store.cursor() as cursor:
                cursor.begin()
                self._listening.note(cursor)
                noticed = self._store.refused.write(cursor)
                cursor.commit()
                self._listening.noted()
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
            self._listening.interrupted()
            log.warning("usage store: %s", error)
        except duckdb.Error:
            log.exception("usage store: upkeep failed")

    def _expire(self) -> None:
        """Delete what is older than is kept, some of it at once; look again in an hour when all of it is gone."""
        if self._keep_days is None or time.monotonic() < self._next_expiry:
            return
        until_us = retention.edge_for(self._clock_us(), self._keep_days)
        job = Job(0, change=lambda cursor: retention.expire(cursor, until_us))
        self._commit([job])
        if job.error is not None:
            log.warning("usage store: old attempts are still there: %s", job.error)
        if job.error is not None or not job.value:
            self._next_expiry = time.monotonic() + _EXPIRY_S


def _fail(group: list[Job], error: Exception) -> None:
    for job in group:
        job.end(None, error)
