"""One commit of the usage store: new attempts, whose calls they decide, and everything counted from them.

All of it is one transaction. Figures do not depend on the order, the splitting or the repetition of what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from data_sources.usage import columns, integrity, rollup
from data_sources.usage.attempt import Attempt
from data_sources.usage.calls import JOIN_US, Try, chains, decide
from data_sources.usage.schema import ROLLUP_MEASURES, SLOT_US

HUES = 16
_DIMENSIONS = {
    "provider": "provider",
    "model": "model",
    "power_level": "power_level",
    "source": "source",
    "team": "team_id",
    "user": "user_id",
}
Identity = tuple[str, str, int]


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
    changed = settle(cursor, tries)
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
    move_calls(cursor, changed)
    after = before.after(
        attempts=len(fresh), checksum=sum(integrity.row_sum(a.event_id, a.started_at_us) for a in fresh)
    )
    integrity.write_meta(cursor, after)
    new_hues = _write_hues(cursor, values, max(received), hues)
    return Outcome(after, True, max(received), new_hues, len(fresh))


def settle(cursor: duckdb.DuckDBPyConnection, tries: Sequence[Try]) -> list[tuple[Try, int]]:
    """Decide the calls of these attempts together with the stored attempts of the same calls.

    Returns:
        The stored attempts that changed, each with its `counts_call` before.
    """
    calls: dict[tuple[str, str], list[Try]] = {}
    for attempt in tries:
        calls.setdefault((attempt.source, attempt.call_id), []).append(attempt)
    for attempt in _siblings(cursor, calls):
        calls[attempt.source, attempt.call_id].append(attempt)
    return _decided(calls)


def _decided(calls: dict[tuple[str, str], list[Try]]) -> list[tuple[Try, int]]:
    changed = []
    for attempts in calls.values():
        if len(attempts) == 1 and attempts[0].row is not None:  # nearly all: a new call of one attempt
            attempts[0].counts_call, attempts[0].call_duration_ms = 1, attempts[0].duration_ms
            continue
        counted = {id(attempt): attempt.counts_call for attempt in attempts}
        for chain in chains(attempts):
            changed += [(attempt, counted[id(attempt)]) for attempt in decide(chain)]
    return changed


_TRY = "source, call_id, event_id, started_at_us, status, duration_ms, counts_call, call_duration_ms"


def _siblings(cursor: duckdb.DuckDBPyConnection, calls: dict[tuple[str, str], list[Try]]) -> Iterable[Try]:
    """Stored attempts of the calls, as far as a chain with gaps of 24 hours reaches."""
    times = [t.started_at_us for tries in calls.values() for t in tries]
    low, high, keys = min(times), max(times), list(calls)
    found: dict[Identity, Try] = {}
    while keys:
        wanted = pa.table({"source": [key[0] for key in keys], "call_id": [key[1] for key in keys]})
        cursor.register("wanted", wanted)
        rows = cursor.execute(
            f"SELECT {_TRY}, provider, model, power_level, pricing FROM attempts "  # noqa: S608
            "SEMI JOIN wanted USING (source, call_id) WHERE started_at_us BETWEEN ? AND ?",
            [low - JOIN_US, high + JOIN_US],
        ).fetchall()
        cursor.unregister("wanted")
        stored = [_stored(row) for row in rows]
        found |= {(t.source, t.event_id, t.started_at_us): t for t in stored}
        # an attempt outside the span asked about may have neighbours still further out
        outside = [t for t in stored if not low <= t.started_at_us <= high]
        keys = sorted({(t.source, t.call_id) for t in outside})
        low, high = (min([low, *(t.started_at_us for t in outside)]), max([high, *(t.started_at_us for t in outside)]))
    return found.values()


def _stored(row: tuple[Any, ...]) -> Try:
    source, call_id, event_id, started_at_us, status, duration_ms, counts, waited_ms, *key = row
    return Try(source, call_id, event_id, started_at_us, status, duration_ms, None, counts, waited_ms, tuple(key))


def move_calls(cursor: duckdb.DuckDBPyConnection, changed: Sequence[tuple[Try, int]]) -> None:
    """Write new decisions on stored attempts, and move their calls in the rollup by -1 and +1."""
    if not changed:
        return
    moved = pa.table(
        {
            "source": [t.source for t, _ in changed],
            "event_id": [t.event_id for t, _ in changed],
            "started_at_us": pa.array([t.started_at_us for t, _ in changed], pa.int64()),
            "counts_call": pa.array([t.counts_call for t, _ in changed], pa.int8()),
            "call_duration_ms": pa.array([t.call_duration_ms for t, _ in changed], pa.int64()),
        }
    )
    times = [t.started_at_us for t, _ in changed]
    cursor.register("moved", moved)
    cursor.execute(
        "UPDATE attempts SET counts_call = moved.counts_call, call_duration_ms = moved.call_duration_ms FROM moved "
        "WHERE attempts.source = moved.source AND attempts.event_id = moved.event_id "
        "AND attempts.started_at_us = moved.started_at_us AND attempts.started_at_us BETWEEN ? AND ?",
        [min(times), max(times)],
    )
    cursor.unregister("moved")
    steps = ((attempt, attempt.counts_call - before) for attempt, before in changed)
    signed = [_signed(attempt, step) for attempt, step in steps if step]
    if signed:
        marks = ", ".join("?" for _ in signed[0])
        cursor.executemany(f"INSERT INTO rollup VALUES ({marks})", signed)  # noqa: S608


def _signed(attempt: Try, change: int) -> list[Any]:
    provider, model, power_level, pricing = attempt.key
    measures = dict.fromkeys(ROLLUP_MEASURES, 0)
    measures["calls"] = change
    measures[f"{pricing}_calls"] = change
    slot = attempt.started_at_us // SLOT_US
    return [slot, provider, model, power_level, attempt.status, attempt.source, *measures.values()]


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
    before = integrity.read_meta(cursor)
    gone = integrity.counted(cursor, "batch_id = ?", [batch_id])
    if gone.attempts:
        cursor.execute(
            f"INSERT INTO rollup {rollup.aggregate('attempts', where='batch_id = ?', sign='-')}",
            [batch_id],
        )
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT source, call_id FROM attempts WHERE batch_id = ?",
            [batch_id],
        )
        cursor.execute("DELETE FROM attempts WHERE batch_id = ?", [batch_id])
        rows = cursor.execute(
            f"SELECT {_TRY}, provider, model, power_level, pricing FROM attempts "  # noqa: S608
            "SEMI JOIN touched USING (source, call_id)"
        ).fetchall()
        cursor.execute("DROP TABLE touched")
        move_calls(cursor, _decided_anew(rows))
    cursor.execute("DELETE FROM collection WHERE batch_id = ?", [batch_id])
    cursor.execute("UPDATE batches SET undone_at_us = ? WHERE batch_id = ?", [now_us, batch_id])
    after = before.after(attempts=-gone.attempts, checksum=-gone.checksum)
    integrity.write_meta(cursor, after)
    return after, gone.attempts


def _decided_anew(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Try, int]]:
    calls: dict[tuple[str, str], list[Try]] = {}
    for row in rows:
        attempt = _stored(row)
        calls.setdefault((attempt.source, attempt.call_id), []).append(attempt)
    return _decided(calls)
