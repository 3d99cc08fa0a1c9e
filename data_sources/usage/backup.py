"""Copies of the usage store: made by the server between two commits, and put back while no server runs.

A copy is opened and checked before it counts as one. It holds no write-ahead log.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import duckdb

from data_sources.usage import integrity, migrate, verify
from data_sources.usage.commit import Change
from data_sources.usage.store import StoreError, UsageStore, wal_of
from data_sources.usage.writer import Writer

_CONFIG: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "400MB", "threads": 2}
_PREFIX = ".backup-"
_ONE_AT_A_TIME = threading.Lock()


class BadCopyError(Exception):
    """A copy cannot be used. The text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was opened and counted.

    Attributes:
        file: Its bytes, to be read once and closed; it has no name any more.
        size_bytes: How many there are.
        attempts: How many attempts it holds.
    """

    file: BinaryIO
    size_bytes: int
    attempts: int


def make(store: UsageStore, writer: Writer) -> Copy:
    """Copy a store that is in use. Events wait only while its files are copied.

    Args:
        store: The open store.
        writer: Its writer.

    Raises:
        StoreError: It cannot be copied now.
        BadCopyError: The copy does not hold what was committed.
    """
    size = sum(path.stat().st_size for path in (store.path, wal_of(store.path)) if path.exists())
    if shutil.disk_usage(store.path.parent).free < size + store.min_free_bytes:
        raise StoreError(f"A copy needs {size // 10**6 + 1:,} MB of free disk for a moment.", code="disk-full")
    with _ONE_AT_A_TIME:
        for left in store.path.parent.glob(f"{_PREFIX}*"):  # by a server that died
            shutil.rmtree(left, ignore_errors=True)
        return _made(store, writer)


def _made(store: UsageStore, writer: Writer) -> Copy:
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=store.path.parent))
    path = folder / store.path.name

    def copy(_cursor: duckdb.DuckDBPyConnection) -> Change[None]:
        # The writer is the only one who writes: while it is here, file and log are of one moment.
        shutil.copyfile(store.path, path)
        if wal_of(store.path).exists():
            shutil.copyfile(wal_of(store.path), wal_of(path))
        return Change(None)

    try:
        writer.change(copy)
        with _opened(path) as connection:
            attempts = _counted(connection).attempts
        return Copy(path.open("rb"), path.stat().st_size, attempts)
    except OSError as error:
        raise StoreError(f"The copy cannot be written: {error.strerror}.", code="io") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the open file stays readable, and goes with its reader


def restore(
    backup: Path, target: Path, *, now: datetime, on_progress: Callable[[int, int], None]
) -> tuple[int, Path | None]:
    """Put a copy in the place of a store that nobody has open, after every figure of it was counted anew.

    Args:
        backup: The copy; it stays as it is.
        target: The store's file.
        now: Names the file that the store before is kept under.
        on_progress: Told after each part: attempts checked, attempts there are.

    Returns:
        How many attempts were restored, and where the store before is kept, None when there was none.

    Raises:
        BadCopyError: The copy is damaged, of a newer version, or its figures do not add up. Nothing was changed.
        OSError: The files cannot be written.
    """
    fresh = target.with_name(target.name + ".restoring")
    try:
        shutil.copyfile(backup, fresh)
        with _opened(fresh) as connection:
            committed = _counted(connection)
            _read_all(connection)
            _prove(connection, on_progress)
    except BaseException:
        fresh.unlink(missing_ok=True)
        wal_of(fresh).unlink(missing_ok=True)
        raise
    kept = None
    if target.exists():
        kept = target.with_name(f"{target.stem}.before-{now:%Y%m%dT%H%M%SZ}{target.suffix}")
        if wal_of(target).exists():
            wal_of(target).replace(wal_of(kept))
        target.replace(kept)
    fresh.replace(target)
    # else the next start would miss the commits that came after the copy
    integrity.Ledger.of(target).write(committed)
    return committed.attempts, kept


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a copy of our own, fold its log in, and bring it up to date."""
    try:
        connection = duckdb.connect(str(path), config=_CONFIG)
    except duckdb.Error:
        raise BadCopyError("The file is damaged, or is no backup of a usage store.") from None
    try:
        migrate.prepare(connection)
        connection.execute("CHECKPOINT")
    except (migrate.NewerStoreError, migrate.NoStoreError) as error:
        connection.close()
        raise BadCopyError(f"The file cannot be used. {error}") from None
    except duckdb.Error:
        connection.close()
        raise BadCopyError("The file is damaged.") from None
    return connection


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of our own while it is read; a block that is damaged may be met at any of its rows.

    Raises:
        BadCopyError: It cannot be read.
    """
    try:
        with _open(path) as connection:
            yield connection
    except duckdb.OutOfMemoryException:
        raise BadCopyError("There is not enough memory to count it.") from None
    except (duckdb.Error, ValueError):  # a damaged value is no number or no text
        raise BadCopyError("The file is damaged: it cannot be read whole.") from None


def _counted(connection: duckdb.DuckDBPyConnection) -> integrity.Commit:
    told, there = integrity.read_meta(connection), integrity.counted(connection)
    if (told.attempts, told.checksum) != (there.attempts, there.checksum):
        raise BadCopyError(f"{told.attempts:,} attempts were committed, {there.attempts:,} are in the file.")
    return told


def _read_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Read each value of each table: damage is noticed only in a block that is read, and figures need few of them."""
    for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall():
        connection.execute(f'SELECT bit_xor(hash(whole)) FROM "{name}" AS whole').fetchall()  # noqa: S608 - our tables


def _prove(connection: duckdb.DuckDBPyConnection, on_progress: Callable[[int, int], None]) -> None:
    whole = verify.overview(connection)
    seen, slot = 0, whole.first_slot
    while slot is not None and slot < whole.end_slot:
        part = verify.part(connection, slot)
        if part.differences:
            wrong = part.differences[0]
            raise BadCopyError(f"Its figures do not add up: {wrong.what}, {wrong.measure}. Look at it with verify.")
        seen, slot = seen + part.attempts, part.next_slot
        on_progress(seen, whole.attempts)
