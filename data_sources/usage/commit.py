"""One commit of the usage store: new attempts, whose calls they decide, and everything counted from them.

All of it is one transaction. Figures do not depend on the order, the splitting or the repetition of what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import duckdb
import pyarrow as pa

from data_sources.usage import columns, intake, integrity, rollup, settling
from data_sources.usage.attempt import Attempt
from data_sources.usage.calls import Identity, Try
from data_sources.usage.intake import Refusal
from data_sources.usage.seen import Key, Seen

T = TypeVar("T")
HUES = 16
_FEW = 256  # attempts, which the store need not add up at once
_DIMENSIONS = {
    "provider": "provider",
    "model": "model",
    "power_level": "power_level",
    "source": "source",
    "team": "team_id",
    "user": "user_id",
}


@dataclass(slots=True)
class Batch:
    """What one request hands over.

    Attributes:
        named: The sender chose the id, so that earlier requests may have used it.
        span_us: What an import covers, start and end, microseconds since 1970; given with its last request.
        duplicates: Set by the commit.
        refused: Set by the commit: why nothing of it was taken.
        refusals: Why events of it were rejected.
    """

    batch_id: str
    kind: str
    source: str | None
    name: str | None
    attempts: list[Attempt]
    rejected: int
    received_at_us: int
    named: bool = False
    span_us: tuple[int, int] | None = None
    duplicates: int = 0
    refused: str | None = None
    refusals: Sequence[Refusal] = ()


Hues = dict[str, dict[str, int]]


@dataclass(slots=True)
class Known:
    """What the writer remembers of the store from commit to commit; read anew after one that failed.

    Attributes:
        commit: The last one.
        hues: The colour slots, by dimension and name.
        seen: Which events and calls may be there.
    """

    commit: integrity.Commit
    hues: Hues
    seen: Seen

    @classmethod
    def read(cls, cursor: duckdb.DuckDBPyConnection, now_us: int) -> Known:
        """Read it from the store; `now_us` is now, microseconds since 1970 UTC."""
        hues: Hues = {dimension: {} for dimension in _DIMENSIONS}
        for dimension, name, hue in cursor.execute("SELECT dimension, name, hue FROM dimension_values").fetchall():
            hues.setdefault(dimension, {})[name] = hue
        return cls(integrity.read_meta(cursor), hues, Seen.of_store(cursor, now_us))

    def after(self, outcome: Outcome) -> None:
        """Remember a commit that is durable."""
        self.commit = outcome.commit
        for dimension, new in outcome.hues.items():
            self.hues[dimension] |= new
        self.seen.add(outcome.keys)


@dataclass(slots=True)
class Outcome:
    """What a commit did, to be remembered once it is durable."""

    commit: integrity.Commit
    changed: bool
    received_us: int | None = None
    hues: Hues = field(default_factory=dict)
    rollup_rows: int = 0
    keys: list[Key] = field(default_factory=list)
    raw_from_us: int | None = None


class ChangeRefusedError(Exception):
    """A change by hand cannot be made; nothing was changed. The text says why."""


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What a change by hand did.

    Attributes:
        value: For the one who asked.
        commit: What the store holds now; None when its attempts are as they were.
        raw_from_us: From when on all attempts are there now; None when that is as before.
    """

    value: T
    commit: integrity.Commit | None = None
    raw_from_us: int | None = None


def identity(attempt: Attempt) -> Identity:
    """What makes an event the same event when it is sent again."""
    return attempt.source, attempt.event_id, attempt.started_at_us


def store(cursor: duckdb.DuckDBPyConnection, batches: Sequence[Batch], known: Known) -> Outcome:
    """Write the batches; the caller begins and ends the transaction.

    Args:
        cursor: In a transaction.
        batches: In order of arrival; `duplicates` and `refused` are set.
        known: The store before; not changed.
    """
    _refuse_undone(cursor, batches)
    fresh = _fresh([batch for batch in batches if batch.refused is None])
    keys = _keys(fresh)
    asked = bool(fresh) and known.seen.may_hold(keys, min(key[2] for key in fresh))
    if asked:
        _drop_stored(cursor, fresh)
    outcome = _insert(cursor, fresh, known, settled=not asked) if fresh else Outcome(known.commit, False)
    outcome.keys = keys
    taken = [batch for batch in batches if batch.refused is None]
    _write_batches(cursor, taken)
    intake.write(cursor, taken, fresh.values())
    return outcome


def _refuse_undone(cursor: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
    named = sorted({batch.batch_id for batch in batches if batch.named})
    if not named:
        return
    undone = {
        row[0]
        for row in cursor.execute(
            "SELECT batch_id FROM batches WHERE undone_at_us IS NOT NULL AND list_contains(?, batch_id)", [named]
        ).fetchall()
    }
    for batch in batches:
        if batch.batch_id in undone:
            batch.refused = "This batch was undone. Send with another batch_id."


Fresh = dict[Identity, tuple[Attempt, Batch]]
Settled = tuple[Sequence[int], Sequence[int | None], list[tuple[Try, int]]]


def _fresh(batches: Sequence[Batch]) -> Fresh:
    """Each attempt once, with the batch it came in first."""
    first: Fresh = {}
    for batch in batches:
        for attempt in batch.attempts:
            if first.setdefault(identity(attempt), (attempt, batch))[0] is not attempt:
                batch.duplicates += 1
    return first


def _keys(fresh: Fresh) -> list[Key]:
    """The ids by which an event or its call may be in the store, each with its source."""
    keys = [(source, event_id) for source, event_id, _ in fresh]
    return keys + [(a.source, a.call_id) for a, _ in fresh.values() if a.call_id != a.event_id]


def _drop_stored(cursor: duckdb.DuckDBPyConnection, fresh: Fresh) -> None:
    """Take out what the store has already, and count it."""
    times = [key[2] for key in fresh]
    incoming = pa.table(
        {
            "source": [key[0] for key in fresh],
            "event_id": [key[1] for key in fresh],
            "started_at_us": pa.array(times, pa.int64()),
        }
    )
    stored = _execute(
        cursor,
        "SELECT a.source, a.event_id, a.started_at_us FROM attempts a "
        "SEMI JOIN given USING (source, event_id, started_at_us) WHERE a.started_at_us BETWEEN ? AND ?",
        incoming,
        [min(times), max(times)],
    ).fetchall()
    for key in stored:
        fresh.pop(key)[1].duplicates += 1


def _execute(
    cursor: duckdb.DuckDBPyConnection, statement: str, given: pa.Table, values: Sequence[Any] = ()
) -> duckdb.DuckDBPyConnection:
    """Run a statement that reads the table `given`: DuckDB finds it by that name here, sparing a view of its own."""
    return cursor.execute(statement, list(values))


def _insert(cursor: duckdb.DuckDBPyConnection, fresh: Fresh, known: Known, *, settled: bool) -> Outcome:
    """Write new attempts and what is counted from them.

    Args:
        cursor: In a transaction.
        fresh: The attempts that are not there yet; at least one.
        known: The store before.
        settled: No attempt of their calls is stored.
    """
    pairs = sorted(fresh.values(), key=lambda pair: pair[0].started_at_us)
    attempts = [pair[0] for pair in pairs]
    received = [pair[1].received_at_us for pair in pairs]
    values = columns.transpose(attempts)
    alone = settled and len(set(zip(values["source"], values["call_id"], strict=True))) == len(attempts)
    # nearly all are new calls of one attempt each
    decided: Settled = ((1,) * len(attempts), values["duration_ms"], [])
    counts, waited, changed = decided if alone else _settle(cursor, attempts, ask=not settled)
    rows = columns.table(
        values,
        {
            "counts_call": pa.array(counts, pa.int8()),
            "call_duration_ms": pa.array(waited, pa.int64()),
            "batch_id": pa.array([pair[1].batch_id for pair in pairs], pa.string()),
            "received_at_us": pa.array(received, pa.int64()),
        },
    )
    _execute(cursor, "INSERT INTO attempts BY NAME SELECT * FROM given", rows)
    counted = rollup.one_by_one("given") if len(attempts) <= _FEW else rollup.aggregate("given")
    _execute(cursor, f"INSERT INTO rollup {counted}", rows)
    settling.move_calls(cursor, changed)
    checksum = integrity.sum_of(values["event_id"], values["started_at_us"])
    after = known.commit.after(attempts=len(attempts), checksum=checksum)
    integrity.write_meta(cursor, after)
    new_hues = _write_hues(cursor, values, max(received), known.hues)
    return Outcome(after, True, max(received), new_hues, len(attempts))


def _settle(cursor: duckdb.DuckDBPyConnection, attempts: Sequence[Attempt], *, ask: bool) -> Settled:
    """Decide the calls of new attempts.

    Args:
        cursor: In a transaction.
        attempts: In order of their start.
        ask: Whether stored attempts of the same calls must be looked for.

    Returns:
        `counts_call` and `call_duration_ms` of each, and the stored attempts that changed, each with its `counts_call`
        before.
    """
    tries = [
        Try(a.source, a.call_id, a.event_id, a.started_at_us, a.status, a.duration_ms, row)
        for row, a in enumerate(attempts)
    ]
    changed = settling.settle(cursor, tries, ask=ask)
    return [t.counts_call for t in tries], [t.call_duration_ms for t in tries], changed


def _write_hues(
    cursor: duckdb.DuckDBPyConnection, values: dict[str, tuple[Any, ...]], received_us: int, known: Hues
) -> Hues:
    new: Hues = {}
    for dimension, column in _DIMENSIONS.items():
        there = known[dimension]
        names = [name for name in dict.fromkeys(values[column]) if name not in there and name is not None]
        if names:
            new[dimension] = {name: (len(there) + place) % HUES for place, name in enumerate(names)}
    if new:
        listed = [(dimension, name, hue) for dimension, slots in new.items() for name, hue in slots.items()]
        hues = pa.table(
            {
                "dimension": [row[0] for row in listed],
                "name": [row[1] for row in listed],
                "hue": pa.array([row[2] for row in listed], pa.int16()),
                "first_received_at_us": pa.array([received_us] * len(listed), pa.int64()),
            }
        )
        _execute(cursor, "INSERT INTO dimension_values BY NAME SELECT * FROM given", hues)
    return new


_BATCH = {
    "batch_id": pa.string(),
    "kind": pa.string(),
    "source": pa.string(),
    "name": pa.string(),
    "received_at_us": pa.int64(),
    "accepted": pa.int64(),
    "duplicates": pa.int64(),
    "rejected": pa.int64(),
    "undone_at_us": pa.int64(),
    "expired": pa.int64(),
}


def _write_batches(cursor: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
    """Note what came of each batch; one that a sender named may be there from earlier requests, or be named twice."""
    rows: dict[str, list[Any]] = {}
    for batch in batches:
        counts = (len(batch.attempts) - batch.duplicates, batch.duplicates, batch.rejected)
        if batch.named and batch.batch_id not in rows:
            [(updated,)] = cursor.execute(
                "UPDATE batches SET accepted = accepted + ?, duplicates = duplicates + ?, rejected = rejected + ? "
                "WHERE batch_id = ?",
                [*counts, batch.batch_id],
            ).fetchall()
            if updated:
                continue
        row = rows.setdefault(
            batch.batch_id,
            [batch.batch_id, batch.kind, batch.source, batch.name, batch.received_at_us, 0, 0, 0, None, 0],
        )
        for place, count in enumerate(counts, 5):
            row[place] += count
    if rows:
        made = zip(_BATCH.items(), zip(*rows.values(), strict=True), strict=True)
        table = pa.table({name: pa.array(column, kind) for (name, kind), column in made})
        _execute(cursor, "INSERT INTO batches BY NAME SELECT * FROM given", table)
    for batch in batches:
        if batch.span_us is not None:
            cursor.execute(
                "INSERT INTO collection VALUES ('import', ?, ?, ?, ?)", [*batch.span_us, batch.source, batch.batch_id]
            )


def undo(cursor: duckdb.DuckDBPyConnection, batch_id: str, now_us: int) -> tuple[integrity.Commit, int]:
    """Take a batch out exactly: its attempts, what they counted, and the span it covered; calls are decided anew.

    Returns:
        The commit to note, and how many attempts were removed.
    """
    after, removed = take_out(cursor, "batch_id = $batch", {"batch": batch_id})
    spans = cursor.execute(
        "DELETE FROM collection WHERE batch_id = ? RETURNING start_us, end_us", [batch_id]
    ).fetchall()
    for start_us, end_us in spans:
        _uncover(cursor, start_us, end_us)
    cursor.execute("UPDATE batches SET undone_at_us = ? WHERE batch_id = ?", [now_us, batch_id])
    return after, removed


def _uncover(cursor: duckdb.DuckDBPyConnection, start_us: int, end_us: int) -> None:
    """Take a span out of what other imports cover that found events there already: those may be the ones just removed.

    What is left of theirs outside the span stays. A time that nobody vouches for is unknown, not without calls.
    """
    found = cursor.execute(
        "DELETE FROM collection WHERE kind = 'import' AND start_us < $end AND end_us > $start AND batch_id IN "
        "(SELECT batch_id FROM batches WHERE duplicates > 0) RETURNING start_us, end_us, source, batch_id",
        {"start": start_us, "end": end_us},
    ).fetchall()
    for first_us, last_us, source, batch_id in found:
        for low_us, high_us in ((first_us, min(last_us, start_us)), (max(first_us, end_us), last_us)):
            if low_us < high_us:
                cursor.execute(
                    "INSERT INTO collection VALUES ('import', ?, ?, ?, ?)", [low_us, high_us, source, batch_id]
                )


def take_out(cursor: duckdb.DuckDBPyConnection, where: str, values: dict[str, object]) -> tuple[integrity.Commit, int]:
    """Take attempts out of the store and of every figure; what is left of their calls is decided anew.

    Args:
        cursor: In a transaction.
        where: Which ones, a condition of our own making.
        values: What it binds, by name.

    Returns:
        The commit to note, and how many attempts were removed.
    """
    before = integrity.read_meta(cursor)
    gone = integrity.counted(cursor, where, values)
    if gone.attempts:
        cursor.execute(f"INSERT INTO rollup {rollup.aggregate('attempts', where=where, sign='-')}", values)
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT source, call_id FROM attempts WHERE {where}",  # noqa: S608
            values,
        )
        cursor.execute(f"DELETE FROM attempts WHERE {where}", values)  # noqa: S608
        settling.decide_anew(cursor, "touched")
        cursor.execute("DROP TABLE touched")
    after = before.after(attempts=-gone.attempts, checksum=-gone.checksum)
    integrity.write_meta(cursor, after)
    return after, gone.attempts
