"""Whether everything that was committed is still there.

DuckDB opens silently short when the last record of its write-ahead log is damaged. So each commit writes its number,
the count of attempts and a running checksum twice: in the same transaction, and after it in a small file beside the
store. At start the table is compared with the first, and the first with the second.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from data_sources.usage import words

log = logging.getLogger(__name__)

_KEY = "commit"
_RAW_FROM = "raw_from"
_MODULUS = 2**63


@dataclass(frozen=True, slots=True)
class Commit:
    """What the store held after a commit.

    Attributes:
        number: Grows by one with each commit that changed data.
        attempts: Rows in `attempts`.
        checksum: Sum of `ROW_SUM` over the rows, modulo 2**63: the order of arrival does not matter.
    """

    number: int
    attempts: int
    checksum: int

    def after(self, *, attempts: int, checksum: int) -> Commit:
        """The next commit, with signed changes of the count and of the checksum."""
        return Commit(self.number + 1, self.attempts + attempts, (self.checksum + checksum) % _MODULUS)

    def text(self) -> str:
        """As stored: three numbers."""
        return f"{self.number} {self.attempts} {self.checksum}"

    @classmethod
    def parse(cls, text: str) -> Commit:
        """Read what `text` wrote.

        Raises:
            ValueError: It is something else.
        """
        number, attempts, checksum = text.split()
        return cls(int(number), int(attempts), int(checksum))


NOTHING = Commit(0, 0, 0)


class Ledger:
    """The small file beside the store.

    Not synced: a killed process loses nothing, and after a power cut a ledger older than the store tells of no loss.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, store: Path) -> Ledger:
        """The ledger of a store's file."""
        return cls(store.with_name(store.name + ".commits"))

    def read(self) -> Commit | None:
        """The last commit that this machine reported as done; None when there is no readable ledger."""
        try:
            return Commit.parse(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("usage store: %s is not readable: %s", self._path.name, error)
            return None

    def write(self, commit: Commit) -> None:
        """Note a commit that is done. A disk that refuses the note does not undo the commit."""
        text = f"{commit.text():<80}".encode("ascii")  # one length, so that a rewrite in place leaves no tail
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(file, text, 0)
            finally:
                os.close(file)
        except OSError as error:
            log.warning("usage store: %s is not writable: %s", self._path.name, error)


def read_meta(connection: duckdb.DuckDBPyConnection) -> Commit:
    """The last commit as the store itself tells it; `NOTHING` for a new store."""
    rows = connection.execute("SELECT value FROM meta WHERE key = ?", [_KEY]).fetchall()
    return Commit.parse(rows[0][0]) if rows else NOTHING


def write_meta(cursor: duckdb.DuckDBPyConnection, commit: Commit) -> None:
    """Store the commit's number, count and checksum inside its transaction."""
    [(rows,)] = cursor.execute("UPDATE meta SET value = ? WHERE key = ?", [commit.text(), _KEY]).fetchall()
    if not rows:
        cursor.execute("INSERT INTO meta VALUES (?, ?)", [_KEY, commit.text()])


def raw_from(connection: duckdb.DuckDBPyConnection) -> int | None:
    """From when on all attempts are there, microseconds since 1970; None when none was ever too old to keep."""
    rows = connection.execute("SELECT value FROM meta WHERE key = ?", [_RAW_FROM]).fetchall()
    return int(rows[0][0]) if rows else None


def write_raw_from(cursor: duckdb.DuckDBPyConnection, at_us: int) -> None:
    """Store it in the transaction that deletes the older ones."""
    cursor.execute("DELETE FROM meta WHERE key = ?", [_RAW_FROM])
    cursor.execute("INSERT INTO meta VALUES (?, ?)", [_RAW_FROM, str(at_us)])


# Plain arithmetic, so that it is the same in every version of the engine; the two call columns change later.
ROW_SUM = "started_at_us::HUGEINT * 31 + length(event_id)"


def sum_of(event_ids: Sequence[str], started_us: Sequence[int]) -> int:
    """What some rows add to the checksum, as `ROW_SUM` computes it in the store."""
    return sum(started_us) * 31 + sum(map(len, event_ids))


def counted(
    connection: duckdb.DuckDBPyConnection, where: str = "true", values: dict[str, object] | None = None
) -> Commit:
    """Count and sum the rows that are there (number 0).

    Args:
        connection: Where to look.
        where: An SQL condition on `attempts`, of our own making.
        values: Its values, by name.
    """
    [(rows, checksum)] = connection.execute(
        f"SELECT count(*), coalesce(sum({ROW_SUM}) % {_MODULUS}, 0)::BIGINT FROM attempts WHERE {where}",  # noqa: S608
        values or {},
    ).fetchall()
    return Commit(0, int(rows), int(checksum))


def check(connection: duckdb.DuckDBPyConnection, ledger: Ledger) -> str | None:
    """Compare what is there with what was committed, and keep a finding in the store.

    Returns:
        The finding in words, None when all is there.
    """
    told, noted, there = read_meta(connection), ledger.read(), counted(connection)
    finding = None
    if (there.attempts, there.checksum) != (told.attempts, told.checksum):
        finding = f"{told.attempts:,} attempts were committed, {there.attempts:,} are in the store"
    elif noted is not None and noted.number > told.number:
        lost = noted.number - told.number
        gone = "commit is gone" if lost == 1 else f"{lost:,} commits are gone"
        finding = f"the last {gone}: {words.counted(noted.attempts - told.attempts, 'attempt')}"
    if finding is not None:
        log.error("usage store: damaged: %s", finding)
        connection.execute("INSERT INTO meta VALUES ('damage', ?)", [finding])
        repaired = Commit(max(told.number, noted.number if noted else 0), there.attempts, there.checksum)
        write_meta(connection, repaired)  # told once: the next start compares with what is really there
        ledger.write(repaired)
    return finding


def damage(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Every finding so far, oldest first: figures of such a store need this note."""
    rows = connection.execute("SELECT value FROM meta WHERE key = 'damage' ORDER BY rowid").fetchall()
    return tuple(row[0] for row in rows)
