"""What became of everything that was received in a window: by source, by time, by reason, and which files came."""

from __future__ import annotations

import json
from bisect import bisect_right
from datetime import datetime, timedelta
from typing import Any

import duckdb

from data_sources.usage import intake_series, integrity
from data_sources.usage.coverage import Collected
from data_sources.usage.schema import SLOT_US
from data_sources.usage.types import (
    Coverage,
    Granularity,
    ImportedFile,
    Intake,
    IntakeBucket,
    Refused,
    Rejection,
    SourceIntake,
    Taken,
    UsageQuery,
    Window,
)
from data_sources.usage.windows import Span, from_us, grid, to_us

_HOURS_UP_TO = timedelta(days=31)
_IMPORTS = 100
_SUMS = "sum(accepted)::BIGINT, sum(duplicates)::BIGINT, sum(rejected)::BIGINT, sum(late)::BIGINT"
_REASON = "source, reason, sum(events)::BIGINT, max(last_received_us), arg_max(sample, last_received_us)"
_MOST_FIRST = "ORDER BY reason IS NULL, 3 DESC, 4 DESC, source, reason"


def read(
    cursor: duckdb.DuckDBPyConnection,
    query: UsageQuery,
    window: Window,
    span: Span,
    coverage: Coverage,
    now: datetime,
) -> Intake:
    """Answer the coverage page's question.

    Args:
        cursor: In a transaction.
        query: Its filter on sources counts; the others are of calls, not of what was received.
        window: When events were received, not when their calls began.
        span: What to read of it.
        coverage: For how much of it we listened.
        now: Now.
    """
    values = {"first": span.start_us // SLOT_US, "end": -(-span.end_us // SLOT_US)}
    where, named = _where(query)
    [(since,)] = cursor.execute("SELECT min(slot) FROM intake").fetchall()
    sources = cursor.execute(
        f"SELECT source, {_SUMS}, max(last_received_us) FROM intake WHERE {where} "  # noqa: S608 - our own words
        "GROUP BY source ORDER BY source IS NULL, sum(accepted + duplicates + rejected) DESC, source",
        {**values, **named},
    ).fetchall()
    slots = cursor.execute(
        f"SELECT slot, source, {_SUMS} FROM intake WHERE {where} GROUP BY ALL",  # noqa: S608
        {**values, **named},
    ).fetchall()
    rejected = cursor.execute(
        f"SELECT {_REASON} FROM rejections WHERE {where} GROUP BY source, reason {_MOST_FIRST}",  # noqa: S608
        {**values, **named},
    ).fetchall()
    hues = dict(cursor.execute("SELECT name, hue FROM dimension_values WHERE dimension = 'source'").fetchall())
    grain: Granularity = "hour" if window.end - window.start <= _HOURS_UP_TO else "day"
    return Intake(
        window=window,
        coverage=coverage,
        counted_since=None if since is None else from_us(since * SLOT_US),
        granularity=grain,
        sources=tuple(
            SourceIntake(name, hues.get(name), Taken(*counts), from_us(last)) for name, *counts, last in sources
        ),
        buckets=_buckets(slots, grid(window, span, grain).edges),
        rejections=tuple(_rejection(row) for row in rejected),
        imports=_imports(cursor),
        series=intake_series.series(
            ((slot, Taken(*counts)) for slot, _, *counts in slots),
            _listened(cursor, now),
            window,
            span,
            None if since is None else since * SLOT_US,
        ),
        refused=_refused(cursor, values),
        refused_since=_refused_since(cursor),
        damage=integrity.damage(cursor),
    )


def _listened(cursor: duckdb.DuckDBPyConnection, now: datetime) -> Collected:
    """When the console was there to receive something: an import's span says nothing of that."""
    log = cursor.execute("SELECT kind, start_us, end_us FROM collection WHERE kind = 'listening'").fetchall()
    return Collected(log, to_us(now))


def _where(query: UsageQuery) -> tuple[str, dict[str, Any]]:
    condition = "slot >= $first AND slot < $end"
    if not query.source:
        return condition, {}
    known = [name for name in query.source if name is not None]
    unset = " OR source IS NULL" if len(known) < len(query.source) else ""
    return f"{condition} AND (list_contains($sources, source){unset})", {"sources": known}


def _buckets(slots: list[tuple[Any, ...]], edges: tuple[tuple[int, int], ...]) -> tuple[IntakeBucket, ...]:
    """What came in each hour or day of the zone, newest first; those in which nothing came are left out."""
    starts = [start for start, _ in edges]
    found: dict[tuple[int, str | None], Taken] = {}
    for slot, source, *counts in slots:
        key = (max(0, bisect_right(starts, slot * SLOT_US) - 1), source)
        found[key] = found[key] + Taken(*counts) if key in found else Taken(*counts)
    ordered = sorted(found, key=lambda key: (-key[0], key[1] is None, key[1] or ""))
    return tuple(
        IntakeBucket(from_us(edges[place][0]), from_us(edges[place][1]), source, found[place, source])
        for place, source in ordered
    )


def _rejection(row: tuple[Any, ...]) -> Rejection:
    source, reason, events, last_us, sample = row
    told = json.loads(sample) if sample else {}
    return Rejection(
        source, reason, events, from_us(last_us), told.get("batch"), told.get("index"), tuple(told.get("fields", ()))
    )


def _refused(cursor: duckdb.DuckDBPyConnection, values: dict[str, Any]) -> tuple[Refused, ...]:
    """Whatever the filter on sources: a request is refused before its events are read."""
    rows = cursor.execute(
        "SELECT door, status, reason, sum(requests)::BIGINT, max(last_received_us) FROM refused "
        "WHERE slot >= $first AND slot < $end GROUP BY ALL ORDER BY 4 DESC, 5 DESC, door, status, reason",
        values,
    ).fetchall()
    return tuple(
        Refused(door, status, reason, requests, from_us(last_us)) for door, status, reason, requests, last_us in rows
    )


def _refused_since(cursor: duckdb.DuckDBPyConnection) -> datetime | None:
    rows = cursor.execute("SELECT value FROM meta WHERE key = 'refused_since_us'").fetchall()
    return from_us(int(rows[0][0])) if rows else None


def _imports(cursor: duckdb.DuckDBPyConnection) -> tuple[ImportedFile, ...]:
    """The newest files, whatever the window: any of them can be taken out."""
    rows = cursor.execute(
        "SELECT batch_id, name, source, received_at_us, accepted, duplicates, rejected, undone_at_us FROM batches "
        "WHERE kind = 'import' ORDER BY received_at_us DESC, batch_id LIMIT ?",
        [_IMPORTS],
    ).fetchall()
    return tuple(
        ImportedFile(batch_id, name, source, from_us(at_us), Taken(accepted, again, rejected, None), _time(undone))
        for batch_id, name, source, at_us, accepted, again, rejected, undone in rows
    )


def _time(at_us: int | None) -> datetime | None:
    return None if at_us is None else from_us(at_us)
