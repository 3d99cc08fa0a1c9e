"""Which stored attempts decide their calls: decided with each commit, decided anew after a removal, and checked.

The decision itself is in `calls.py`; here are the attempts it needs, read from and written to the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from data_sources.usage.calls import JOIN_US, Identity, Try, chains, decide, identity
from data_sources.usage.schema import ROLLUP_MEASURES, SLOT_US

# What `_stored` reads.
_TRY = (
    "source, call_id, event_id, started_at_us, status, duration_ms, counts_call, call_duration_ms, "
    "provider, model, power_level, pricing, cost_source"
)


def settle(cursor: duckdb.DuckDBPyConnection, tries: Sequence[Try], *, ask: bool) -> list[tuple[Try, int]]:
    """Decide the calls of these attempts together with the stored attempts of the same calls.

    Args:
        cursor: In a transaction.
        tries: The new attempts; decided in place.
        ask: Whether there may be stored attempts of their calls.

    Returns:
        The stored attempts that changed, each with its `counts_call` before.
    """
    calls = _by_call(tries)
    for attempt in _siblings(cursor, calls) if ask else ():
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


def _siblings(cursor: duckdb.DuckDBPyConnection, calls: dict[tuple[str, str], list[Try]]) -> Iterable[Try]:
    """Stored attempts of the calls, as far as a chain with gaps of 24 hours reaches."""
    times = [t.started_at_us for tries in calls.values() for t in tries]
    low, high, keys = min(times), max(times), list(calls)
    found: dict[Identity, Try] = {}
    while keys:
        wanted = pa.table({"source": [key[0] for key in keys], "call_id": [key[1] for key in keys]})
        cursor.register("wanted", wanted)
        rows = cursor.execute(
            f"SELECT {_TRY} FROM attempts "  # noqa: S608
            "SEMI JOIN wanted USING (source, call_id) WHERE started_at_us BETWEEN ? AND ?",
            [low - JOIN_US, high + JOIN_US],
        ).fetchall()
        cursor.unregister("wanted")
        stored = [_stored(row) for row in rows]
        found |= {identity(t): t for t in stored}
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
    provider, model, power_level, pricing, cost_source = attempt.key
    measures = dict.fromkeys(ROLLUP_MEASURES, 0)
    measures["calls"] = change
    measures[f"{pricing}_calls"] = change
    slot = attempt.started_at_us // SLOT_US
    return [slot, provider, model, power_level, attempt.status, attempt.source, cost_source, *measures.values()]


def decide_anew(cursor: duckdb.DuckDBPyConnection, calls: str) -> None:
    """Decide some calls from what is left of them, and move them in the rollup.

    Args:
        cursor: In the transaction that took attempts out.
        calls: A table of theirs: source, call_id.
    """
    rows = cursor.execute(f"SELECT {_TRY} FROM attempts SEMI JOIN {calls} USING (source, call_id)").fetchall()  # noqa: S608
    move_calls(cursor, _decided(_by_call(_stored(row) for row in rows)))


def _by_call(tries: Iterable[Try]) -> dict[tuple[str, str], list[Try]]:
    calls: dict[tuple[str, str], list[Try]] = {}
    for attempt in tries:
        calls.setdefault((attempt.source, attempt.call_id), []).append(attempt)
    return calls


def decided_wrongly(
    cursor: duckdb.DuckDBPyConnection, start_us: int, end_us: int
) -> Iterator[tuple[Try, int, int | None]]:
    """Decide the calls that begin in a span anew, from all of their attempts.

    Yields:
        Each stored attempt that says otherwise, as it should be, with its `counts_call` and `call_duration_ms` as
        they are.
    """
    around = [start_us - JOIN_US, end_us + JOIN_US]
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE several AS SELECT source, call_id FROM attempts "
        "WHERE started_at_us BETWEEN ? AND ? GROUP BY ALL HAVING count(*) > 1 AND min(started_at_us) < ?",
        [*around, end_us],
    )
    alone = cursor.execute(
        f"SELECT {_TRY} FROM attempts ANTI JOIN several "  # noqa: S608
        "USING (source, call_id) WHERE started_at_us >= ? AND started_at_us < ? "
        "AND (counts_call <> 1 OR call_duration_ms IS DISTINCT FROM duration_ms) ORDER BY started_at_us, event_id",
        [start_us, end_us],
    ).fetchall()
    together = cursor.execute(
        f"SELECT {_TRY} FROM attempts SEMI JOIN several "  # noqa: S608
        "USING (source, call_id) WHERE started_at_us BETWEEN ? AND ?",
        around,
    ).fetchall()
    cursor.execute("DROP TABLE several")
    for row in alone:
        attempt = _stored(row)
        was = attempt.counts_call, attempt.call_duration_ms
        attempt.counts_call, attempt.call_duration_ms = 1, attempt.duration_ms
        yield attempt, *was
    calls = _by_call(_stored(row) for row in together)
    whole = {identity(t): t for tries in calls.values() for t in tries}
    if calls:
        whole |= {identity(t): t for t in _siblings(cursor, calls)}
    calls = _by_call(whole.values())
    for tries in calls.values():
        for chain in chains(tries):
            if start_us <= chain[0].started_at_us < end_us:
                stored = {id(attempt): (attempt.counts_call, attempt.call_duration_ms) for attempt in chain}
                yield from ((attempt, *stored[id(attempt)]) for attempt in decide(chain))
