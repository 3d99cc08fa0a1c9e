"""Proof that a store's figures are right: everything counted anew from the attempts, and the first difference named.

A store is checked in parts of some hundred thousand attempts, each one snapshot of its own, so that a check of years
keeps neither the writer nor a reader waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import duckdb

from data_sources.usage import integrity, rollup, settling, sql
from data_sources.usage.schema import ROLLUP_KEY, ROLLUP_MEASURES, SLOT_US
from data_sources.usage.types import DIMENSIONS, UsageQuery
from data_sources.usage.windows import Span, from_us

PART_ATTEMPTS = 200_000
TOLD = 20
_EXPIRED = "What is before {:%Y-%m-%d %H:%M} UTC cannot be counted anew: its attempts are older than is kept."
Number: TypeAlias = int | Decimal


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not what a recount gives.

    Attributes:
        what: "rollup", "calls", "sum by provider", "attempts in the store", …
        slot: Its quarter-hour (epoch seconds // 900), None where it is of the whole or of a part.
        key: The values it is of, by dimension; a call's source and id.
        measure: Which measure.
        kept: What the store says; None: it has no such row.
        counted: What a recount gives.
    """

    what: str
    slot: int | None
    key: dict[str, str | None]
    measure: str
    kept: Number | None
    counted: Number | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is to check, and what can be said of the whole at once.

    Attributes:
        first_slot: First quarter-hour with attempts, None in an empty store.
        end_slot: First quarter-hour after the last.
        attempts: Attempts to check.
        damage: What earlier starts found missing, oldest first.
        differences: In the running count and checksum.
        notes: What cannot be checked, and why.
    """

    first_slot: int | None
    end_slot: int
    attempts: int
    damage: tuple[str, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What the check of one part found.

    Attributes:
        next_slot: Where the next part begins.
        attempts: Attempts checked.
        slots: Quarter-hours that have any.
        differences: The first `TOLD`, in the order of time.
        more: How many further ones there are.
    """

    next_slot: int
    attempts: int
    slots: int
    differences: tuple[Difference, ...]
    more: int


def overview(cursor: duckdb.DuckDBPyConnection) -> Overview:
    """What there is to check; call it in a transaction.

    Args:
        cursor: In a transaction, so that all of the answer is one snapshot.
    """
    [(first, last)] = cursor.execute(
        f"SELECT min(slot), max(slot) FROM (SELECT slot FROM rollup UNION ALL "  # noqa: S608
        f"SELECT unnest([min(started_at_us), max(started_at_us)]) // {SLOT_US} FROM attempts)"
    ).fetchall()
    noted, there = integrity.read_meta(cursor), integrity.counted(cursor)
    attempts, notes = there.attempts, tuple[str, ...]()
    raw_from = integrity.raw_from(cursor)
    if raw_from is not None:
        first = raw_from // SLOT_US
        attempts = integrity.counted(cursor, "started_at_us >= $from", {"from": raw_from}).attempts
        notes = (_EXPIRED.format(from_us(raw_from)),)
    pairs = (("count", noted.attempts, there.attempts), ("checksum", noted.checksum, there.checksum))
    wrong = tuple(Difference("commits", None, {}, name, a, b) for name, a, b in pairs if a != b)
    end = 0 if last is None else int(last) + 1
    return Overview(first, end, attempts, integrity.damage(cursor), wrong, notes)


def part(cursor: duckdb.DuckDBPyConnection, first_slot: int, *, size: int = PART_ATTEMPTS) -> Part:
    """Check the quarter-hours from `first_slot` on, until about `size` attempts are checked.

    Args:
        cursor: In a transaction.
        first_slot: Where to begin.
        size: When to stop; a quarter-hour is always checked whole.
    """
    end_slot, attempts, slots = _extent(cursor, first_slot, size)
    found: list[Difference] = []
    more = 0
    for check in (_rollup, _calls, _sums):
        for difference in check(cursor, first_slot, end_slot):
            if len(found) < TOLD:
                found.append(difference)
            else:
                more += 1
    found.sort(key=lambda d: end_slot if d.slot is None else d.slot)  # what names no place comes last
    return Part(end_slot, attempts, slots, tuple(found), more)


def _extent(cursor: duckdb.DuckDBPyConnection, first_slot: int, size: int) -> tuple[int, int, int]:
    """Where a part ends, and how many attempts and quarter-hours it has."""
    counts = cursor.execute(
        f"SELECT (started_at_us // {SLOT_US})::INTEGER AS slot, count(*) FROM attempts "  # noqa: S608
        "WHERE started_at_us >= ? GROUP BY 1 ORDER BY 1",
        [first_slot * SLOT_US],
    ).fetchall()
    attempts = 0
    for number, (slot, rows) in enumerate(counts, 1):
        attempts += rows
        if attempts >= size and number < len(counts):
            return int(slot) + 1, attempts, number
    # the last part takes with it what the rollup has beyond the last attempt
    [(last,)] = cursor.execute("SELECT max(slot) FROM rollup").fetchall()
    ends = [first_slot, *(int(slot) for slot in (last, counts[-1][0] if counts else None) if slot is not None)]
    return max(ends) + 1, attempts, len(counts)


def _rollup(cursor: duckdb.DuckDBPyConnection, first_slot: int, end_slot: int) -> Iterator[Difference]:
    """The rollup beside a fresh count of the attempts."""
    rows: dict[tuple[Any, ...], dict[str, tuple[Any, ...]]] = {}
    width = len(ROLLUP_KEY)
    for side, *row in rollup.recount(cursor, first_slot, end_slot):
        rows.setdefault(tuple(row[:width]), {})[str(side)] = tuple(row[width:])
    for (slot, *names), sides in rows.items():
        key = dict(zip(ROLLUP_KEY[1:], names, strict=True))
        kept, counted = sides.get("rollup"), sides.get("attempts")
        for place, measure in enumerate(ROLLUP_MEASURES):
            pair = tuple(None if values is None else values[place] for values in (kept, counted))
            if (pair[0] or 0) != (pair[1] or 0):
                yield Difference("rollup", slot, key, measure, *pair)


def _calls(cursor: duckdb.DuckDBPyConnection, first_slot: int, end_slot: int) -> Iterator[Difference]:
    """Each call's deciding attempt, decided anew from all of its attempts."""
    start_us, end_us = first_slot * SLOT_US, end_slot * SLOT_US
    for attempt, counted_before, waited_before in settling.decided_wrongly(cursor, start_us, end_us):
        key: dict[str, str | None] = {
            "source": attempt.source,
            "call_id": attempt.call_id,
            "event_id": attempt.event_id,
        }
        slot = attempt.started_at_us // SLOT_US
        if counted_before != attempt.counts_call:
            yield Difference("calls", slot, key, "counts_call", counted_before, attempt.counts_call)
        if waited_before != attempt.call_duration_ms:
            yield Difference("calls", slot, key, "call_duration_ms", waited_before, attempt.call_duration_ms)


def _sums(cursor: duckdb.DuckDBPyConnection, first_slot: int, end_slot: int) -> Iterator[Difference]:
    """The pages' own questions: the sum over each dimension, and over buckets, is the total."""
    query, read = UsageQuery(), Span(first_slot * SLOT_US, end_slot * SLOT_US)
    [whole] = [row for text, values in sql.sums(query, read) for row in cursor.execute(text, values).fetchall()]
    ways: list[tuple[str, tuple[str, ...], sql.Step | None]] = [
        (f"sum by {name}", (name,), None) for name in DIMENSIONS
    ]
    ways += [("sum by hour", (), "hour"), ("sum by day", (), "day")]
    for what, by, step in ways:
        totals: list[Number] = [0] * len(sql.MEASURES)
        for text, values in sql.sums(query, read, by=by, step=step):
            for row in cursor.execute(text, values).fetchall():
                measured = row[len(row) - len(totals) :]
                totals = [total + (value or 0) for total, value in zip(totals, measured, strict=True)]
        for name, total, expected in zip(sql.MEASURES, totals, whole, strict=True):
            if total != (expected or 0):
                yield Difference(what, None, {}, name, total, expected or 0)
