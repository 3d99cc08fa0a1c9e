"""One commit of the usage store: new attempts, whose calls they decide, and everything counted from them.

All of it is one transaction. Figures do not depend on the order, the splitting or the repetition of what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from data_sources.usage import columns, integrity, rollup, settling
from data_sources.usage.attempt import Attempt
from data_sources.usage.calls import Identity, Try

HUES = 16
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


@dataclass(slots=True)
class Outcome:
    """What a commit did, to be remembered once it is durable."""

    commit: integrity.Commit
    changed: bool
    received_us: int | None = None
    hues: dict[tuple[str, str], int] = field(default_factory=dict)
    rollup_rows: int = 0


def identity(attempt: Attempt) -> Identity:
    """What makes an event the same event when it is sent again."""
    return attempt.source, attempt.event_id, attempt.started_at_us


def store(cursor: duckdb.DuckDBPyConnection, batches: Sequence[Batch], hues: dict[tuple[str, str], int]) -> Outcome:
    """Write the batches; the caller begins and ends the transaction.

    Args:
        cursor: In a transaction.
        batches: In order of arrival; `duplicates` and `refused` are set.
        hues: The colour slots known so far, by dimension and name; not changed.
    """
    _refuse_undone(cursor, batches)
    fresh, owners = _fresh(cursor, [batch for batch in batches if batch.refused is None])
    before = integrity.read_meta(cursor)
    outcome = _insert(cursor, fresh, owners, before, hues) if fresh else Outcome(before, False)
    _write_batches(cursor, batches)
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


def _fresh(cursor: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> tuple[list[Attempt], list[Batch]]:
    """The attempts that are not there yet, each once, with the batch each came in."""
    first: dict[Identity, tuple[Attempt, Batch]] = {}
    for batch in batches:
        for attempt in batch.attempts:
            if first.setdefault(identity(attempt), (attempt, batch))[0] is not attempt:
                batch.duplicates += 1
    if not first:
        return [], []
    incoming = pa.table(
        {
            "source": [key[0] for key in first],
            "event_id": [key[1] for key in first],
            "started_at_us": pa.array([key[2] for key in first], pa.int64()),
        }
    )
    times = [key[2] for key in first]
    cursor.register("incoming", incoming)
    stored = cursor.execute(
        "SELECT a.source, a.event_id, a.started_at_us FROM attempts a "
        "SEMI JOIN incoming i USING (source, event_id, started_at_us) WHERE a.started_at_us BETWEEN ? AND ?",
        [min(times), max(times)],
    ).fetchall()
    cursor.unregister("incoming")
    for key in stored:
        first.pop(key)[1].duplicates += 1
    ordered = sorted(first.values(), key=lambda pair: pair[0].started_at_us)
    return [pair[0] for pair in ordered], [pair[1] for pair in ordered]


def _insert(
    cursor: duckdb.DuckDBPyConnection,
    fresh: list[Attempt],
    owners: list[Batch],
    before: integrity.Commit,
    hues: dict[tuple[str, str], int],
) -> Outcome:
    tries = [
        Try(a.source, a.call_id, a.event_id, a.started_at_us, a.status, a.duration_ms, row)
        for row, a in enumerate(fresh)
    ]
    changed = settling.settle(cursor, tries)
    received = [owner.received_at_us for owner in owners]
    values = columns.transpose(fresh)
    rows = columns.table(
        values,
        {
            "counts_call": pa.array([t.counts_call for t in tries], pa.int8()),
            "call_duration_ms": pa.array([t.call_duration_ms for t in tries], pa.int64()),
            "batch_id": pa.array([owner.batch_id for owner in owners], pa.string()),
            "received_at_us": pa.array(received, pa.int64()),
        },
    )
    cursor.register("stage", rows)
    cursor.execute("INSERT INTO attempts BY NAME SELECT * FROM stage")
    cursor.execute(f"INSERT INTO rollup {rollup.aggregate('stage')}")
    cursor.unregister("stage")
    settling.move_calls(cursor, changed)
    after = before.after(
        attempts=len(fresh), checksum=sum(integrity.row_sum(a.event_id, a.started_at_us) for a in fresh)
    )
    integrity.write_meta(cursor, after)
    new_hues = _write_hues(cursor, values, max(received), hues)
    return Outcome(after, True, max(received), new_hues, len(fresh))


def _write_hues(
    cursor: duckdb.DuckDBPyConnection,
    values: dict[str, tuple[Any, ...]],
    received_us: int,
    known: dict[tuple[str, str], int],
) -> dict[tuple[str, str], int]:
    new: dict[tuple[str, str], int] = {}
    for dimension, column in _DIMENSIONS.items():
        names = [name for name in dict.fromkeys(values[column]) if name is not None and (dimension, name) not in known]
        if names:
            count = sum(1 for key in known if key[0] == dimension)
            new |= {(dimension, name): (count + place) % HUES for place, name in enumerate(names)}
    if new:
        cursor.register(
            "hues",
            pa.table(
                {
                    "dimension": [key[0] for key in new],
                    "name": [key[1] for key in new],
                    "hue": pa.array(list(new.values()), pa.int16()),
                    "first_received_at_us": pa.array([received_us] * len(new), pa.int64()),
                }
            ),
        )
        cursor.execute("INSERT INTO dimension_values BY NAME SELECT * FROM hues")
        cursor.unregister("hues")
    return new


def _write_batches(cursor: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
    for batch in batches:
        if batch.refused is not None:
            continue
        counts = [len(batch.attempts) - batch.duplicates, batch.duplicates, batch.rejected]
        if batch.named:
            [(updated,)] = cursor.execute(
                "UPDATE batches SET accepted = accepted + ?, duplicates = duplicates + ?, rejected = rejected + ? "
                "WHERE batch_id = ?",
                [*counts, batch.batch_id],
            ).fetchall()
            if updated:
                continue
        cursor.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, 0)",
            [batch.batch_id, batch.kind, batch.source, batch.name, batch.received_at_us, *counts],
        )
    for batch in batches:
        if batch.span_us is not None and batch.refused is None:
            cursor.execute(
                "INSERT INTO collection VALUES ('import', ?, ?, ?, ?)", [*batch.span_us, batch.source, batch.batch_id]
            )


def undo(cursor: duckdb.DuckDBPyConnection, batch_id: str, now_us: int) -> tuple[integrity.Commit, int]:
    """Take a batch out exactly: its attempts, what they counted, and the span it covered; calls are decided anew.

    Returns:
        The commit to note, and how many attempts were removed.
    """
    after, removed = take_out(cursor, "batch_id = $batch", {"batch": batch_id})
    cursor.execute("DELETE FROM collection WHERE batch_id = ?", [batch_id])
    cursor.execute("UPDATE batches SET undone_at_us = ? WHERE batch_id = ?", [now_us, batch_id])
    return after, removed


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
