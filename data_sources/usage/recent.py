"""Lists of calls and attempts: the newest ones page by page, and whole windows for export."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Generator, Sequence
from typing import Any, TypeAlias

import duckdb

from data_sources.usage import sql
from data_sources.usage.calls import JOIN_US
from data_sources.usage.query import BadQueryError
from data_sources.usage.store import UsageStore
from data_sources.usage.types import AttemptRow, Export, Grain, RequestPage, RequestRow, Tokens, UsageQuery, Window
from data_sources.usage.windows import Span, from_us

MAX_LIMIT = 500
_CHUNK = 5_000

CALL_COLUMNS = (
    "call_id",
    "call_duration_ms",
    "event_id",
    "started_at_us",
    "duration_ms",
    "time_to_first_token_ms",
    "provider",
    "model",
    "requested_model",
    "operation",
    "power_level",
    "user_id",
    "team_id",
    "stream",
    "status",
    "error_type",
    "http_status",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
    "pricing",
    "source",
)
_SOURCE = CALL_COLUMNS.index("source")
_Key: TypeAlias = tuple[int, str, str]  # what an attempt is known by: start, source, event
EXPORT_COLUMNS = (
    "started_at",
    *(name for name in CALL_COLUMNS if name != "started_at_us"),
    "counts_call",
    "trace_id",
    "session_id",
    "end_user_id",
    "organization_id",
    "api_key_id",
    "cache_write_1h_tokens",
    "service_tier",
    "processing",
    "region",
    "price_version",
    "batch_id",
    "tags",
    "input_audio_tokens",
    "output_audio_tokens",
    "web_searches",
    "cost_reported_usd",
    "cost_computed_usd",
    "cost_source",
)


def _key(row: tuple[Any, ...]) -> _Key:
    return (row[3], row[_SOURCE], row[2])


def _row_values(row: tuple[Any, ...]) -> dict[str, sql.Value]:
    return dict(zip(("at", "from_source", "from_event"), _key(row), strict=True))


def _cursor_text(row: tuple[Any, ...], *, newer: bool) -> str:
    told = [*_key(row), *(["newer"] if newer else [])]
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode()


def _cursor_values(text: str) -> tuple[dict[str, sql.Value], bool]:
    """The row that a cursor names, and whether it asks for the calls before that row."""
    try:
        at, source, event, *way = json.loads(base64.urlsafe_b64decode(text.encode("ascii")))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        at, source, event, way = None, None, None, []
    fits = isinstance(at, int) and not isinstance(at, bool) and abs(at) < 2**62
    if not (fits and isinstance(source, str) and isinstance(event, str) and way in ([], ["newer"])):
        raise BadQueryError("cursor: use next_cursor or previous_cursor of a page, as it is.")
    return {"at": at, "from_source": source, "from_event": event}, bool(way)


def _attempt(row: tuple[Any, ...]) -> AttemptRow:
    return AttemptRow(
        event_id=row[2],
        started_at=from_us(row[3]),
        duration_ms=row[4],
        time_to_first_token_ms=row[5],
        provider=row[6],
        model=row[7],
        requested_model=row[8],
        operation=row[9],
        power_level=row[10],
        user_id=row[11],
        team_id=row[12],
        stream=row[13],
        status=row[14],
        error_type=row[15],
        http_status=row[16],
        tokens=Tokens(*row[17:22]),
        cost=row[22],
        pricing=row[23],
        source=row[24],
    )


def _known_sum(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def request_of(decided: tuple[Any, ...], rows: Sequence[tuple[Any, ...]]) -> RequestRow:
    """A call from its deciding attempt and all of its attempts, rows that begin with `CALL_COLUMNS`."""
    ordered = sorted(rows, key=lambda row: (row[3], row[2]))
    return RequestRow(
        call_id=decided[0],
        decided_by=_attempt(decided),
        latency_ms=decided[1],
        tokens=Tokens(*(_known_sum([row[place] for row in ordered]) for place in range(17, 22))),
        cost=_known_sum([row[22] for row in ordered]),
        unpriced_attempts=sum(row[23] == "unpriced" for row in ordered),
        attempts=tuple(_attempt(row) for row in ordered),
    )


def page(
    cursor: duckdb.DuckDBPyConnection, query: UsageQuery, window: Window, read: Span, limit: int, after: str | None
) -> RequestPage:
    """Some calls of a window, newest first. A page holds the same calls whatever arrives meanwhile before or after it.

    Args:
        cursor: To read with.
        query: Filters; a call is listed where its deciding attempt matches.
        window: For the answer.
        read: The span of the window.
        limit: At most this many calls, 1 to 500.
        after: `next_cursor` of the page before, or `previous_cursor` of the page after.

    Returns:
        The page; calls have all their attempts, whatever the filters.

    Raises:
        BadQueryError: The limit or the cursor is not right.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadQueryError(f"limit: use 1 to {MAX_LIMIT}.")
    filters, _ = sql.bind(query)
    values, back = dict(sql.values_of(query, read, limit=limit + 1)), False
    if after is not None:
        named, back = _cursor_values(after)
        values |= named
    text = sql.rows(CALL_COLUMNS, filters, calls_only=True, newest_first=not back, after=after is not None)
    decided = cursor.execute(text, values).fetchall()
    listed, more = decided[:limit], len(decided) > limit
    if back:
        listed.reverse()
    tries = _attempts(cursor, query, listed)
    newer, older = (more, True) if back else (after is not None, more)
    return RequestPage(
        window,
        tuple(request_of(row, tries[_key(row)]) for row in listed),
        _cursor_text(listed[-1], newer=False) if listed and older else None,
        previous_cursor=_cursor_text(listed[0], newer=True) if listed and newer else None,
        newer_calls=0 if not newer else _newer(cursor, query, read, listed[0]) if listed else None,
    )


def _newer(cursor: duckdb.DuckDBPyConnection, query: UsageQuery, read: Span, first: tuple[Any, ...]) -> int:
    """How many calls of the list stand before a page's first."""
    [(count,)] = cursor.execute(*sql.count_newer(query, read, **_row_values(first))).fetchall()
    return int(count)


def _attempts(
    cursor: duckdb.DuckDBPyConnection, query: UsageQuery, decided: list[tuple[Any, ...]]
) -> dict[_Key, list[tuple[Any, ...]]]:
    """All attempts of some calls, by their deciding attempt: only the others are read, the deciding ones are here."""
    if not decided:
        return {}
    scope = "" if query.organization_id is None else " AND organization_id = $organization"
    starts = [row[3] for row in decided]
    values: dict[str, Any] = {
        "calls": list({row[0] for row in decided}),
        "low": min(starts) - 2 * JOIN_US,
        "high": max(starts) + 2 * JOIN_US,
    }
    if query.organization_id is not None:
        values["organization"] = query.organization_id
    found = cursor.execute(
        f"SELECT {', '.join(CALL_COLUMNS)} FROM attempts "  # noqa: S608 - our own column names
        "WHERE counts_call = 0 AND started_at_us BETWEEN $low AND $high "
        f"AND call_id IN (SELECT unnest($calls)){scope}",
        values,
    ).fetchall()
    same_id: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for row in sorted([*found, *decided], key=lambda row: (row[3], row[2])):
        same_id.setdefault((row[_SOURCE], row[0]), []).append(row)
    return {_key(row): _chain(same_id[row[_SOURCE], row[0]], row) for row in decided}


def _chain(rows: list[tuple[Any, ...]], decided: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The run of attempts around the deciding one in which neighbours lie within a day (an id may be used again)."""
    runs: list[list[tuple[Any, ...]]] = [[]]
    for row in rows:
        if runs[-1] and row[3] - runs[-1][-1][3] > JOIN_US:
            runs.append([])
        runs[-1].append(row)
    return next(run for run in runs if any(_key(row) == _key(decided) for row in run))


def models(found: RequestPage) -> list[str]:
    """The models of a page's calls."""
    return sorted({row.decided_by.model for row in found.requests if row.decided_by.model is not None})


def export(store: UsageStore, query: UsageQuery, window: Window, read: Span, grain: Grain) -> Export:
    """Every row of a window, oldest first.

    Rows are read in chunks inside one transaction, so they are one snapshot whatever is written meanwhile.

    Args:
        store: To read from.
        query: Filters.
        window: For the answer.
        read: The span of the window.
        grain: One row a call, or one an attempt.

    Returns:
        The rows; iterating raises rather than end early.
    """
    rows = _export_rows(store, query, read, calls_only=grain == "calls")
    count, calls = next(rows)
    return Export(window, grain, EXPORT_COLUMNS, count, rows, calls)


def _export_rows(
    store: UsageStore, query: UsageQuery, read: Span, *, calls_only: bool
) -> Generator[tuple[Any, ...], None, None]:
    """The counts of rows and of calls first, in a row of their own, then the rows."""
    columns = ("started_at_us", *EXPORT_COLUMNS[1:])
    event, source = columns.index("event_id"), columns.index("source")
    filters, _ = sql.bind(query)
    values = dict(sql.values_of(query, read, limit=_CHUNK))
    with store.cursor() as cursor:
        cursor.begin()
        ((count,),) = cursor.execute(*sql.count_rows(query, read, calls_only=calls_only)).fetchall()
        calls = count
        if not calls_only:
            ((calls,),) = cursor.execute(*sql.count_rows(query, read, calls_only=True)).fetchall()
        yield count, calls
        sent, after = 0, False
        while sent < count:
            text = sql.rows(columns, filters, calls_only=calls_only, newest_first=False, after=after)
            chunk = cursor.execute(text, values).fetchall()
            if not chunk:
                raise RuntimeError(f"the export has {sent} of {count} rows")
            for row in chunk:
                yield (from_us(row[0]), *row[1:])
            last, after, sent = chunk[-1], True, sent + len(chunk)
            values |= {"at": last[0], "from_source": last[source], "from_event": last[event]}
