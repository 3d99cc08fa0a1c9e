"""What became of everything that was received: counted by source and quarter-hour in the commit that took it.

One statement a commit, not one an event. Events that were not taken are counted by reason, with one newest sample each:
the names of its fields, never their values, so that nothing of a prompt can come to stay.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any, Protocol

import duckdb

from data_sources.usage.attempt import Attempt
from data_sources.usage.plain_reasons import MOST_REASONS, plain_reason
from data_sources.usage.schema import SLOT_US

LATE_US = SLOT_US  # by then the quarter-hour that it belongs to had long been shown
KEEP_DAYS, KEEP_REASONS_DAYS = 400, 90
MOST_SOURCES = 200  # in a quarter-hour, as MOST_REASONS; the rest is counted without its name
MOST_IN_A_COMMIT = 100
_MOST_FIELDS, _MOST_LETTERS = 40, 60
_DAY_SLOTS = 86_400_000_000 // SLOT_US
_SOURCE = attrgetter("source")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Events of one request that were not taken for one reason.

    Attributes:
        source: Who sent them, as far as they say.
        reason: Why, without the values that were sent.
        events: How many.
        index: The place of one of them in the request, from 0; None where it has none.
        fields: The names of its fields.
    """

    source: str
    reason: str
    events: int
    index: int | None = None
    fields: tuple[str, ...] = ()


def refusals(rejected: Iterable[tuple[str, str, int, tuple[str, ...]]]) -> list[Refusal]:
    """Gather a request's events that were not taken.

    Args:
        rejected: (source, reason, index, names of fields) of each.
    """
    found: dict[tuple[str, str], Refusal] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for source, reason, index, fields in rejected:
        key = (source, plain_reason(reason))
        counts[key] += 1
        if key not in found:
            names = tuple(name[:_MOST_LETTERS] for name in fields[:_MOST_FIELDS])
            found[key] = Refusal(*key, 1, index, names)
    return [Refusal(r.source, r.reason, counts[key], r.index, r.fields) for key, r in found.items()]


class Received(Protocol):
    """What is read of `commit.Batch`."""

    batch_id: str
    kind: str
    attempts: list[Attempt]
    refusals: Sequence[Refusal]
    received_at_us: int


def write(
    cursor: duckdb.DuckDBPyConnection, batches: Sequence[Received], fresh: Collection[tuple[Attempt, Any]]
) -> None:
    """Count what a commit received.

    Args:
        cursor: In the commit's transaction.
        batches: What came, without those that were refused as a whole.
        fresh: The attempts among it that are new, each with its batch.
    """
    received = Counter(map(_SOURCE, chain.from_iterable(batch.attempts for batch in batches)))
    refused = [(batch, refusal) for batch in batches for refusal in batch.refusals]
    if not received and not refused:
        return
    at_us = max(batch.received_at_us for batch in batches)
    accepted = received
    if len(fresh) != received.total():
        accepted = Counter(attempt.source for attempt, _ in fresh)
    late = _late(fresh)
    rejected: Counter[str] = Counter()
    for _, refusal in refused:
        rejected[refusal.source] += refusal.events
    slot = at_us // SLOT_US
    rows = [
        (slot, source, accepted[source], received[source] - accepted[source], rejected[source], late[source], at_us)
        for source in received | rejected
    ]
    _insert(cursor, "intake", rows)
    if refused:
        told = [_told(slot, batch, refusal) for batch, refusal in refused[:MOST_IN_A_COMMIT]]
        rest = sum(refusal.events for _, refusal in refused[MOST_IN_A_COMMIT:])
        _insert(cursor, "rejections", [*told, (slot, None, None, rest, at_us, None)] if rest else told)


def _late(fresh: Collection[tuple[Attempt, Any]]) -> Counter[str]:
    """How many events came after their quarter-hour was over; a file that is imported is not late."""
    found: Counter[str] = Counter()
    for attempt, batch in fresh:
        before_us = batch.received_at_us - LATE_US
        if attempt.started_at_us < before_us and batch.kind == "api":
            found[attempt.source] += attempt.started_at_us + (attempt.duration_ms or 0) * 1000 < before_us
    return found


def _told(slot: int, batch: Received, refusal: Refusal) -> tuple[Any, ...]:
    sample = {"batch": batch.batch_id, "index": refusal.index, "fields": refusal.fields}
    text = json.dumps(sample, ensure_ascii=False)
    return slot, refusal.source, refusal.reason, refusal.events, batch.received_at_us, text


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    marks = ", ".join("(" + ", ".join("?" for _ in row) + ")" for row in rows)
    cursor.execute(f"INSERT INTO {table} VALUES {marks}", [value for row in rows for value in row])  # noqa: S608


def merge(cursor: duckdb.DuckDBPyConnection, now_us: int) -> None:
    """Gather the rows that commits leave, forget what is old, and keep the tables small; in one transaction.

    Args:
        cursor: Not in a transaction.
        now_us: Now, microseconds since 1970 UTC.
    """
    today = now_us // SLOT_US
    cursor.begin()
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE merged AS "
        "WITH whole AS (SELECT slot, source, sum(accepted) AS accepted, sum(duplicates) AS duplicates, "
        "sum(rejected) AS rejected, sum(late) AS late, max(last_received_us) AS last_us FROM intake "
        "WHERE slot >= $first GROUP BY ALL), "
        "placed AS (SELECT *, row_number() OVER (PARTITION BY slot ORDER BY source IS NULL, "
        "accepted + duplicates + rejected DESC, source) AS place FROM whole) "
        "SELECT slot, CASE WHEN place <= $most THEN source END AS source, sum(accepted)::BIGINT AS accepted, "
        "sum(duplicates)::BIGINT AS duplicates, sum(rejected)::BIGINT AS rejected, sum(late)::BIGINT AS late, "
        "max(last_us) AS last_received_us FROM placed GROUP BY ALL",
        {"first": today - KEEP_DAYS * _DAY_SLOTS, "most": MOST_SOURCES},
    )
    cursor.execute("DELETE FROM intake")
    cursor.execute("INSERT INTO intake BY NAME SELECT * FROM merged ORDER BY slot")
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE merged AS "
        "WITH whole AS (SELECT slot, source, reason, sum(events) AS events, max(last_received_us) AS last_us, "
        "arg_max(sample, last_received_us) AS sample FROM rejections WHERE slot >= $first GROUP BY ALL), "
        "placed AS (SELECT *, row_number() OVER (PARTITION BY slot ORDER BY reason IS NULL, events DESC, source, "
        "reason) AS place FROM whole) "
        "SELECT slot, CASE WHEN place <= $most THEN source END AS source, "
        "CASE WHEN place <= $most THEN reason END AS reason, sum(events)::BIGINT AS events, "
        "max(last_us) AS last_received_us, CASE WHEN max(place) <= $most THEN arg_max(sample, last_us) END AS sample "
        "FROM placed GROUP BY ALL",
        {"first": today - KEEP_REASONS_DAYS * _DAY_SLOTS, "most": MOST_REASONS},
    )
    cursor.execute("DELETE FROM rejections")
    cursor.execute("INSERT INTO rejections BY NAME SELECT * FROM merged ORDER BY slot")
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE merged AS SELECT slot, door, status, reason, sum(requests)::BIGINT AS requests, "
        "max(last_received_us) AS last_received_us FROM refused WHERE slot >= $first GROUP BY ALL",
        {"first": today - KEEP_DAYS * _DAY_SLOTS},
    )
    cursor.execute("DELETE FROM refused")
    cursor.execute("INSERT INTO refused BY NAME SELECT * FROM merged ORDER BY slot")
    cursor.commit()
    cursor.execute("DROP TABLE merged")
