"""The file that the history is kept in: SQLite with a write-ahead log, of its own in the data folder.

New slots come as one row each, for all series. Once a stretch of time is over its rows are folded to one compressed
row a series, so that ninety days of one series are ninety rows. Values are kept to seven digits (32 bits): far finer
than they can be measured, and half the size.

A file that is found to be damaged is set aside under another name, and a new one begun: by its one writer, who is told
when a reader was the one to find it.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from .blobs import GarbledError, blank, columns, deflate, inflate, pack, rearrange, unpack, unpack_many
from .gap_log import ENDED
from .slots import Floats, Slot, merge_planes, planes
from .windows import Columns, GapSpan

VERSION = 2  # the first had no checksum at a slot
FINE_S, COARSE_S = 10, 60
KEEP_S = {FINE_S: 86_400, COARSE_S: 90 * 86_400}
_BLOCK = {FINE_S: 360, COARSE_S: 1440}  # slots a folded row: an hour, a day
MAX_BYTES = 512 * 10**6
_MAX_GAPS = 20_000
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What SQLite says of tables that its file no longer names, and Python of text that is none: neither has its own code.
_SPOILT = ("no such table", "no such column", "Could not decode to UTF-8")
_SCHEMA = """
create table if not exists layouts (id integer primary key, names text not null unique);
create table if not exists slots (
    tier integer not null, number integer not null, layout integer not null, data blob not null,
    primary key (tier, number));
create table if not exists blocks (
    tier integer not null, number integer not null, name text not null, data blob not null,
    primary key (tier, number, name));
create table if not exists runs (start_s real primary key, end_s real not null);
create table if not exists gaps (
    what text not null, start_s real not null, end_s real not null, reason text not null,
    primary key (what, start_s));
"""


class NewerFileError(Exception):
    """The file was written by a newer version and is left alone."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} was written by a newer version and is left alone")


class DamagedError(sqlite3.DatabaseError):
    """What stands in the file is not what was written."""


class HistoryFile:
    """Writes from one thread at a time, reads from any: each question has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: DamagedError | None = None  # what a reader found; whoever writes sets the file aside
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._inode = 0  # of the file that is open for writing
        self._has_tables = False  # since this run made them, or found them
        self._set_aside_times = 0

    # -- the one writer -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open for writing, and make the tables.

        Raises:
            sqlite3.Error: It cannot be opened or written, or is damaged.
            NewerFileError: A newer version wrote it.
        """
        if self._writer is not None:
            return
        made = sqlite3.connect(self.path, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            found = made.execute("pragma user_version").fetchone()[0]
            if found > VERSION:
                raise NewerFileError(self.path)
            made.execute("pragma journal_mode=wal")
            made.execute("pragma synchronous=normal")
            made.execute("pragma journal_size_limit=4000000")
            made.executescript(f"begin; {_SCHEMA} pragma user_version={VERSION}; commit;")
            os.chmod(self.path, 0o600)
        except BaseException:
            made.close()
            raise
        self._writer, self._has_tables = made, True
        self._inode = os.stat(self.path).st_ino

    def was_taken_away(self) -> bool:
        """Whether the file that is open for writing is not there any more, so that what is written goes nowhere."""
        if self._writer is None:
            return False
        try:
            return os.stat(self.path).st_ino != self._inode
        except FileNotFoundError:
            return True
        except OSError:
            return False  # out of reach is not gone: writing will tell

    def begin_anew(self) -> None:
        """Let go of a file that was taken away; what is written next goes into the one of that name, or a new one."""
        self.close()
        if not self.path.exists():
            for ending in ("-wal", "-shm"):
                Path(f"{self.path}{ending}").unlink(missing_ok=True)
        with self._lock:
            self._set_aside_times += 1
            self.damage, self._has_tables = None, False

    def close(self) -> None:
        """Close the writing side."""
        made, self._writer = self._writer, None
        if made is not None:
            made.close()

    def set_aside(self) -> Path:
        """Move a damaged file out of the way; neither it nor one of before is ever deleted.

        Returns:
            Where it is now.
        """
        self.close()
        names = (f"{self.path.name}.damaged{'' if number == 1 else f'-{number}'}" for number in itertools.count(1))
        aside = next(place for name in names if not (place := self.path.with_name(name)).exists())
        os.replace(self.path, aside)
        for ending in ("-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)
        with self._lock:
            # Not before the file is gone: what a reader finds until then is of this one.
            self._set_aside_times += 1
            self.damage, self._has_tables = None, False
        return aside

    def write(self, slots: Iterable[Slot], gaps: Mapping[tuple[str, float], GapSpan], run: tuple[float, float]) -> None:
        """Keep what is new, all or nothing.

        Args:
            slots: Closed slots; a piece of a slot that is there already is merged with it.
            gaps: By what is missing and since when.
            run: Since when and until when this run of the console has measured, seconds since the epoch.

        Raises:
            sqlite3.Error: The disk is full, or read-only, or the file is damaged.
        """
        writer = self._begin()
        try:
            for slot in slots:
                self._put(writer, slot)
            writer.executemany(
                "insert or replace into gaps values (?, ?, ?, ?)",
                [(what, start_s, span.end_s, span.reason) for (what, start_s), span in gaps.items()],
            )
            writer.execute("insert or replace into runs values (?, ?)", run)
            writer.execute("commit")
        except BaseException:
            self._roll_back(writer)
            raise

    def _put(self, writer: sqlite3.Connection, slot: Slot) -> None:
        key = (slot.tier_s, slot.number)
        names, data = slot.names, planes(slot, slot.names)
        there = writer.execute(
            "select names, data from slots join layouts on id = layout where tier = ? and number = ?", key
        ).fetchone()
        if there is not None:
            old_names = _names(there[0])
            old = unpack(there[1], len(old_names))
            added = tuple(name for name in names if name not in old_names)
            wanted = old_names + added
            data = merge_planes(rearrange(old_names, old, wanted), rearrange(names, data, wanted), slot.tier_s)
            names = wanted
        text = "\n".join(names)
        writer.execute("insert or ignore into layouts (names) values (?)", (text,))
        writer.execute(
            "insert or replace into slots select ?, ?, id, ? from layouts where names = ?",
            (*key, pack(data), text),
        )

    def fold(self, now_s: float, *, forget: bool, max_bytes: int = MAX_BYTES) -> None:
        """Put the rows of stretches that are over together, and let go of what is older than is kept.

        Args:
            now_s: Seconds since the epoch.
            forget: Whether to let go of old rows: not while the clock is young, it may yet be set right.
            max_bytes: The file grows no further; the oldest days go first.

        Raises:
            sqlite3.Error: As `write`.
        """
        for tier_s, count in _BLOCK.items():
            over = int(now_s // tier_s) // count
            rows = self._begin().execute(
                "select distinct number / ? from slots where tier = ? and number < ?", (count, tier_s, over * count)
            )
            numbers = [row[0] for row in rows]
            self._commit()
            for number in numbers:
                self._fold_block(tier_s, count, number)
        if forget:
            self._forget(now_s, max_bytes)

    def _fold_block(self, tier_s: int, count: int, number: int) -> None:
        writer = self._begin()
        try:
            span = (tier_s, number * count, (number + 1) * count)
            rows = writer.execute(f"{_SLOTS} where tier = ? and number >= ? and number < ?", span).fetchall()
            found: dict[str, Floats] = defaultdict(lambda: blank(count))
            for slot, text, data in rows:
                names = _names(text)
                cells = unpack(data, len(names))
                for place, name in enumerate(names):
                    found[name][:, slot - span[1]] = cells[:, place]
            for name, data in found.items():
                key = (tier_s, number, name)
                old = writer.execute(
                    "select data from blocks where tier = ? and number = ? and name = ?", key
                ).fetchone()
                whole = data if old is None else merge_planes(inflate(old[0], count), data, tier_s)
                writer.execute("insert or replace into blocks values (?, ?, ?, ?)", (*key, deflate(whole)))
            writer.execute("delete from slots where tier = ? and number >= ? and number < ?", span)
            writer.execute("delete from layouts where id not in (select layout from slots)")
            writer.execute("commit")
        except BaseException:
            self._roll_back(writer)
            raise

    def _forget(self, now_s: float, max_bytes: int) -> None:
        writer = self._begin()
        try:
            for tier_s, keep_s in KEEP_S.items():
                oldest = int((now_s - keep_s) // tier_s)
                writer.execute("delete from blocks where tier = ? and number < ?", (tier_s, oldest // _BLOCK[tier_s]))
                writer.execute("delete from slots where tier = ? and number < ?", (tier_s, oldest))
            before_s = now_s - KEEP_S[COARSE_S]
            writer.execute("delete from gaps where end_s < ?", (before_s,))
            writer.execute("delete from runs where end_s < ?", (before_s,))
            writer.execute(
                "delete from gaps where rowid in (select rowid from gaps order by end_s desc limit -1 offset ?)",
                (_MAX_GAPS,),
            )
            writer.execute("commit")
            while _used_bytes(writer) > max_bytes:
                gone = writer.execute(
                    "delete from blocks where tier = ?1 and number = (select min(number) from blocks where tier = ?1)",
                    (COARSE_S,),
                ).rowcount
                if not gone:
                    break
        except BaseException:
            self._roll_back(writer)
            raise

    def _begin(self) -> sqlite3.Connection:
        self.open()
        assert self._writer is not None  # noqa: S101  for the type checker: `open` made it or raised
        self._writer.execute("begin immediate")
        return self._writer

    def _commit(self) -> None:
        if self._writer is not None:
            self._writer.execute("commit")

    @staticmethod
    def _roll_back(writer: sqlite3.Connection) -> None:
        if writer.in_transaction:
            writer.execute("rollback")

    # -- readers ------------------------------------------------------------------------------------------------------

    def read(self, tier_s: int, start_s: float, end_s: float, wanted: Sequence[str] | None) -> dict[str, Columns]:
        """The slots of a stretch of time, by series.

        Args:
            tier_s: Which slots.
            start_s: From here, seconds since the epoch.
            end_s: To here.
            wanted: Which series; None for all of them.

        Raises:
            sqlite3.Error: The file cannot be read.
        """
        first, last = int(start_s // tier_s), int(-(-end_s // tier_s))
        parts: dict[str, list[tuple[Floats, Floats]]] = defaultdict(list)
        by_layout: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        with self._noting_damage():
            with closing(self._reader()) as reader:
                if self._is_new(reader):
                    return {}
                self._read_blocks(reader, parts, tier_s, first, last, wanted)
                rows = reader.execute(f"{_SLOTS} where tier = ? and number >= ? and number < ?", (tier_s, first, last))
                for number, text, data in _checked(rows):
                    by_layout[text].append((number, data))
            for text, found in by_layout.items():
                names = _names(text)
                cells = unpack_many([data for _, data in found], len(names))
                numbers = np.array([number for number, _ in found], np.float64)
                for place, name in enumerate(names):
                    if wanted is None or name in wanted:
                        parts[name].append((numbers, cells[:, :, place].T))
        return {name: columns(found, tier_s) for name, found in parts.items()}

    @staticmethod
    def _read_blocks(
        reader: sqlite3.Connection,
        parts: dict[str, list[tuple[Floats, Floats]]],
        tier_s: int,
        first: int,
        last: int,
        wanted: Sequence[str] | None,
    ) -> None:
        count = _BLOCK[tier_s]
        query = "select number, name, data from blocks where tier = ? and number >= ? and number <= ?"
        values: list[object] = [tier_s, first // count, (last - 1) // count]
        if wanted is not None:
            query += f" and name in ({','.join('?' * len(wanted))})"
            values += wanted
        for number, name, data in _checked(reader.execute(query, values)):
            parts[name].append((number * count + np.arange(count, dtype=np.float64), inflate(data, count)))

    def spans(self, start_s: float, end_s: float) -> tuple[list[tuple[float, float]], dict[tuple[str, float], GapSpan]]:
        """Runs of the console and gaps that touch a stretch of time, and the run before it with how that ended.

        Raises:
            sqlite3.Error: The file cannot be read.
        """
        with self._noting_damage(), closing(self._reader()) as reader:
            if self._is_new(reader):
                return [], {}
            runs = reader.execute(
                "select start_s, end_s from runs where start_s < ?1 and (end_s > ?2"
                " or end_s = (select max(end_s) from runs where end_s <= ?2)) order by start_s",
                (end_s, start_s),
            ).fetchall()
            gaps = reader.execute(
                "select what, start_s, end_s, reason from gaps where start_s < ?1 and (end_s > ?2"
                " or what = ?3 and end_s = (select max(end_s) from runs where end_s <= ?2))",
                (end_s, start_s, ENDED),
            ).fetchall()
            if not all(isinstance(moment, float) for row in (*runs, *(gap[1:3] for gap in gaps)) for moment in row):
                raise GarbledError("a time is none")
        return runs, {(what, since): GapSpan(since, until, reason, what) for what, since, until, reason in gaps}

    @contextmanager
    def _noting_damage(self) -> Iterator[None]:
        """Note what a reader finds wrong with the file, unless that was set aside meanwhile.

        Raises:
            DamagedError: In place of whatever SQLite, or the decoding, said.
        """
        before = self._set_aside_times
        try:
            yield
        except (sqlite3.DatabaseError, GarbledError) as error:
            if not is_damage(error):
                raise
            found = DamagedError(str(error))
            with self._lock:
                if self._set_aside_times == before:
                    self.damage = found
            raise found from error

    def _is_new(self, reader: sqlite3.Connection) -> bool:
        """Whether nobody has made its tables yet.

        Raises:
            DamagedError: They were there.
            NewerFileError: They are of a newer version: nobody here can tell whether they are as they should be.
        """
        had_tables = self._has_tables  # asked before the file is looked at, which is the order in which they are made
        found = reader.execute("pragma user_version").fetchone()[0]
        if found > VERSION:
            raise NewerFileError(self.path)
        if found == 0 and had_tables:
            raise DamagedError("it was emptied")
        return bool(found == 0)

    def _reader(self) -> sqlite3.Connection:
        """A look at one moment: what the writer folds meanwhile is seen either before or after, never in between."""
        made = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=2, isolation_level=None)
        try:
            made.execute("begin")
        except BaseException:
            made.close()
            raise
        return made


_SLOTS = "select number, names, data from slots join layouts on id = layout"


def _checked(rows: Iterable[tuple[int, str, bytes]]) -> Iterator[tuple[int, str, bytes]]:
    """Rows as they are, unless what stands in one is of another kind than was written."""
    for number, name, data in rows:
        if not isinstance(number, int) or not isinstance(name, str):
            raise GarbledError("a row has no place or no name")
        yield number, name, data


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is not as it was written; not that it is locked, full, or out of reach."""
    code = getattr(error, "sqlite_errorcode", None)  # Python's own errors have none
    if code is not None and code & 0xFF in _DAMAGED:  # the low byte is the kind, the rest tells more of it
        return True
    return isinstance(error, DamagedError | GarbledError) or str(error).startswith(_SPOILT)


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (connection.execute(f"pragma {name}").fetchone()[0] for name in _SIZES)
    return int((pages - free) * size)


_SIZES = ("page_count", "freelist_count", "page_size")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n"))
