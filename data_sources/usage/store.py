"""The usage store: one DuckDB file, opened lazily by the serving process and read through a cursor per query.

The writer (`writer.py`) is the only one that changes it. Everybody else reads:

    with store.cursor() as cursor:
        rows = cursor.execute("SELECT ...", values).fetchall()  # whole: an unfetched result blocks the next statement

What the disk or a lock does becomes `StoreError`, whose `problem` is fit to show. A wrong statement is a bug
and raises as it is.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from data_sources.result import Kind, Problem
from data_sources.usage import integrity, migrate
from data_sources.usage.refused import RefusedRequests

log = logging.getLogger(__name__)

_DAMAGED = (
    "The usage store's file cannot be read; it is left as it is. Stop the console and put a backup back with "
    "`ops-center restore FILE`."
)
LOCK_WAIT_S = 30.0
_LOCK_POLL_S = 0.2
_DRAIN_S = 5.0
# After these (a commit that the disk refused is the last) the file is opened anew: DuckDB would refuse every statement.
_FATAL = (duckdb.FatalException, duckdb.InternalException, duckdb.IOException, duckdb.TransactionException)


_REWRITE_WAIT_S = 60.0
_NOT_REWRITTEN = "The store's file was not written anew"


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    wal_of(path).unlink(missing_ok=True)


def _copy_database(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Copy all that a database holds into a new file, synced to the disk."""
    [(name,)] = connection.execute("SELECT current_database()").fetchall()
    quoted = str(target).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS fresh")
    try:
        connection.execute(f'COPY FROM DATABASE "{name}" TO fresh')
        connection.execute("CHECKPOINT fresh")
    finally:
        connection.execute("DETACH fresh")
    with target.open("rb") as written:
        os.fsync(written.fileno())


def wal_of(path: Path) -> Path:
    """Where DuckDB keeps the write-ahead log of a file."""
    return path.with_name(path.name + ".wal")


class StoreError(Exception):
    """The store cannot answer now. `problem` says why, in words fit to show."""

    def __init__(self, detail: str, *, code: str, title: str = "The usage store cannot be used") -> None:
        super().__init__(detail)
        self.problem = Problem(Kind.STORE, title, detail, code=code, retry_after_s=5)


class UsageStore:
    """The file, its one connection and what is cheap to know about it."""

    def __init__(
        self,
        path: Path,
        *,
        memory_bytes: int,
        min_free_bytes: int,
        threads: int = 2,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> None:
        """Remember where the store is; nothing is opened before the first cursor.

        Args:
            path: The DuckDB file; its folder is made when missing.
            memory_bytes: DuckDB's memory limit, in bytes (its own default is 80 % of the machine).
            min_free_bytes: Below this much free disk nothing more is accepted.
            threads: DuckDB's worker threads.
            lock_wait_s: How long to wait for another process that still holds the file, in seconds.
        """
        self.path = path
        self._fresh = path.with_name(path.name + ".rewriting")
        self.min_free_bytes = min_free_bytes
        self.ledger = integrity.Ledger.of(path)
        self.refused = RefusedRequests()
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_bytes}B",
            "threads": threads,
            # nothing is ever fetched from elsewhere on its own
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._lock_wait_s = lock_wait_s
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._broken = False
        self._closed = False
        self._users = 0
        self._state = threading.Condition()
        self._data_version = self._notices = 0
        self._last_event_us: int | None = None
        self._raw_from_us: int | None = None

    @property
    def data_version(self) -> int:
        """A number that grows with every commit that changed data; reading it costs nothing and opens nothing."""
        return self._data_version

    @property
    def last_event_at(self) -> datetime | None:
        """When the newest event was received, UTC; None when there is none or the store is not open yet."""
        return None if self._last_event_us is None else datetime.fromtimestamp(self._last_event_us / 1e6, UTC)

    @property
    def raw_from_us(self) -> int | None:
        """From when on all attempts are there, microseconds since 1970; None when none was ever too old to keep."""
        return self._raw_from_us

    @property
    def notices(self) -> int:
        """How many commits of this process changed no data, but what is told of what was received."""
        return self._notices

    def noticed(self) -> None:
        """Called by the writer after such a commit."""
        self._notices += 1

    def changed(self, version: int, received_us: int | None, raw_from_us: int | None = None) -> None:
        """Called by the writer after a commit that changed data.

        Args:
            version: The commit's number.
            received_us: When its newest event was received, microseconds since 1970; None after a removal.
            raw_from_us: From when on all attempts are there now; None when that is as before.
        """
        self._data_version = version
        if received_us is not None:
            self._last_event_us = received_us
        if raw_from_us is not None:
            self._raw_from_us = raw_from_us

    def open(self) -> None:
        """Open the file now, and make its tables when it is new.

        Raises:
            StoreError: The file is locked, damaged, of a newer version, or its disk failed.
        """
        with self._state:
            self._ready()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one query, or for one transaction of the writer. Fetch whole before leaving.

        Yields:
            A DuckDB cursor of its own, closed on leaving (an open transaction is rolled back).

        Raises:
            StoreError: The store cannot be opened, or its disk failed under the query.
        """
        with self._state:
            connection = self._ready()
            self._users += 1
            cursor = connection.cursor()
        try:
            yield cursor
        except _FATAL as error:
            log.error("usage store: %s", error)
            self._broken = True
            raise StoreError("The disk of the usage store failed; it is being opened anew.", code="io") from error
        finally:
            cursor.close()
            with self._state:
                self._users -= 1
                self._state.notify_all()

    def check_space(self) -> None:
        """Refuse when the disk is nearly full: a store that fills its disk stops answering questions as well.

        Raises:
            StoreError: Less than `min_free_bytes` are free.
        """
        free = shutil.disk_usage(self.path.parent if self.path.parent.exists() else Path.cwd()).free
        if free < self.min_free_bytes:
            raise StoreError(
                f"The disk has {free // 10**6:,} MB left; {self.min_free_bytes // 10**6:,} MB are kept free.",
                code="disk-full",
                title="Events are not accepted",
            )

    def rewrite(self) -> None:
        """Write the file anew, so that nothing that was deleted stays in its unused places; everybody waits meanwhile.

        DuckDB marks what is deleted as unused and leaves its bytes. Dying on the way leaves the file as it was.

        Raises:
            StoreError: It could not be done; the store goes on as it is.
        """
        fresh = self._fresh
        with self._state:
            connection = self._ready()
            if not self._state.wait_for(lambda: self._users == 0, _REWRITE_WAIT_S):
                raise StoreError("Questions to it did not end.", code="busy", title=_NOT_REWRITTEN)
            try:
                _remove(fresh)
                self._check_room_for_another()
                connection.execute("CHECKPOINT")
                _copy_database(connection, fresh)
                self._drop()  # closes the file and folds its log in
                fresh.replace(self.path)
            except (duckdb.Error, OSError) as error:
                self._broken = isinstance(error, _FATAL)
                log.error("usage store: writing it anew: %s", error)
                raise StoreError("Its disk or memory did not suffice.", code="io", title=_NOT_REWRITTEN) from error
            finally:
                with suppress(OSError):
                    _remove(fresh)

    def _check_room_for_another(self) -> None:
        size = self.path.stat().st_size
        if shutil.disk_usage(self.path.parent).free < size + self.min_free_bytes:
            raise StoreError(
                f"That needs {size // 10**6 + 1:,} MB of free disk.", code="disk-full", title=_NOT_REWRITTEN
            )

    def close(self) -> None:
        """Close the file after the queries under way. Closing twice is fine; a closed store stays closed."""
        with self._state:
            self._closed = True
            self._state.wait_for(lambda: self._users == 0, _DRAIN_S)
            self._drop()

    def _ready(self) -> duckdb.DuckDBPyConnection:
        if self._closed:
            raise StoreError("The usage store is closed.", code="closed")
        if self._broken:
            # DuckDB hands out the same broken instance again while any cursor of it lives
            if not self._state.wait_for(lambda: self._users == 0, _DRAIN_S):
                raise StoreError("The usage store is being opened anew.", code="reopening")
            self._drop()
        if self._connection is None:
            self._connection = self._opened()
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except duckdb.Error as error:  # closing checkpoints; a full disk fails it, the WAL keeps every commit
                log.warning("usage store: closing: %s", error)
        self._connection, self._broken = None, False

    def _opened(self) -> duckdb.DuckDBPyConnection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _remove(self._fresh)  # by a server that died
            connection = self._connect()
        except OSError as error:
            raise StoreError(f"{self.path} cannot be made: {error.strerror}.", code="path") from error
        try:
            migrate.prepare(connection)
            integrity.check(connection, self.ledger)
            self._data_version = integrity.read_meta(connection).number
            [(newest,)] = connection.execute("SELECT max(received_at_us) FROM attempts").fetchall()
            self._last_event_us = newest
            self._raw_from_us = integrity.raw_from(connection)
        except (migrate.NewerStoreError, migrate.NoStoreError) as error:
            connection.close()
            newer = isinstance(error, migrate.NewerStoreError)
            raise StoreError(
                f"{self.path} is left as it is. {error}", code="newer-version" if newer else "no-store"
            ) from None
        except duckdb.Error as error:
            connection.close()
            log.error("usage store: opening %s: %s", self.path, error)
            raise StoreError(_DAMAGED, code="damaged") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._lock_wait_s
        while True:
            try:
                return duckdb.connect(str(self.path), config=self._config)
            except duckdb.IOException as error:
                locked = "lock on file" in str(error)
                if locked and time.monotonic() < deadline:
                    time.sleep(_LOCK_POLL_S)  # a stopping server still holds it: its last commits end soon
                    continue
                log.error("usage store: %s", error)
                detail = "Another process holds the usage store's file." if locked else "Its file cannot be opened."
                raise StoreError(detail, code="locked" if locked else "io") from error
            except duckdb.Error as error:
                log.error("usage store: %s", error)
                raise StoreError(_DAMAGED, code="damaged") from error
