"""Prices stored attempts anew, with the prices of now: after a price was added or mended.

A run goes through its window in slices of some thousand attempts. A slice is one transaction of the writer: the
attempts, the rollup and the run's audit row change together or not at all. So a run may be stopped at any point, and
run again: what is priced as it should be is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from data_sources.usage import audit, integrity, rollup
from data_sources.usage.attempt import USED, Attempt, BadEventError
from data_sources.usage.commit import Change
from data_sources.usage.costs import DISPUTED, REPORTED
from data_sources.usage.pricing import PriceBook, cost_source, pricing_of

SLICE_ATTEMPTS = 20_000
ACTION = "reprice"
Place: TypeAlias = tuple[int, str, str]  # of an attempt: start, source, event
Clock: TypeAlias = Callable[[], int]

_FACTS = (
    *("event_id", "call_id", "source", "started_at_us", "status", "provider", "model", "service_tier", "processing"),
    *("region", "cost_reported_usd", *USED),
)
_PRICED = ("cost_usd", "cost_computed_usd", "price_version", "pricing", "cost_source")
_IDENTITY = ("source", "event_id", "started_at_us")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to price anew.

    Attributes:
        start_us: First instant, microseconds since 1970 UTC.
        end_us: First instant after.
        provider: Only this provider's attempts, as senders name it; None for all.
        model: Only this model's.
        override: Let prices replace what senders reported.
    """

    start_us: int
    end_us: int
    provider: str | None = None
    model: str | None = None
    override: bool = False


@dataclass(slots=True)
class Line:
    """One model before and after.

    Attributes:
        provider: As senders name it.
        model: Likewise.
        attempts: How many were looked at.
        changed: How many change in anything, be it only the version of the prices.
        priced_before: How many had a cost.
        priced_after: How many have one now.
        cost_before: Sum of the known costs, US dollars.
        cost_after: The same now.
    """

    provider: str | None
    model: str | None
    attempts: int = 0
    changed: int = 0
    priced_before: int = 0
    priced_after: int = 0
    cost_before: Decimal = Decimal(0)
    cost_after: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Slice:
    """What became of one slice.

    Attributes:
        lines: By provider and model.
        after: Where the next slice begins; None when all is done.
        run: Names the run's audit row; None where nothing was written.
    """

    lines: tuple[Line, ...]
    after: Place | None
    run: int | None = None


def look(cursor: duckdb.DuckDBPyConnection, book: PriceBook, asked: Asked, after: Place | None, limit: int) -> Slice:
    """What pricing one slice anew would change. Nothing is written.

    Args:
        cursor: To read with.
        book: The prices of now.
        asked: What to price.
        after: Begin after this attempt.
        limit: How many attempts to look at.
    """
    return _looked(cursor, book, asked, after, limit)[0]


def write(
    cursor: duckdb.DuckDBPyConnection,
    book: PriceBook,
    asked: Asked,
    after: Place | None,
    limit: int,
    *,
    run: int | None,
    actor: str,
    now_us: int,
) -> Change[Slice]:
    """Price one slice anew, with its rollup and audit row, in the writer's transaction.

    Args:
        cursor: In that transaction.
        book: The prices of now.
        asked: What to price.
        after: Begin after this attempt.
        limit: How many attempts to look at.
        run: The run that this slice belongs to; None begins one.
        actor: Who asks.
        now_us: Now, microseconds since 1970 UTC.
    """
    found, changes = _looked(cursor, book, asked, after, limit)
    if changes:
        _store(cursor, changes)
    begun = now_us if run is None else run
    _note(cursor, asked, found, begun, actor, {str(change[5]) for change in changes if change[5] is not None})
    commit = integrity.read_meta(cursor).after(attempts=0, checksum=0) if changes else None
    if commit is not None:
        integrity.write_meta(cursor, commit)
    return Change(Slice(found.lines, found.after, begun), commit)


def _looked(
    cursor: duckdb.DuckDBPyConnection, book: PriceBook, asked: Asked, after: Place | None, limit: int
) -> tuple[Slice, list[tuple[Any, ...]]]:
    """A slice, and its changes: identity, then the values of `_PRICED`."""
    rows = _rows(cursor, asked, after, limit)
    lines: dict[tuple[str | None, str | None], Line] = {}
    changes: list[tuple[Any, ...]] = []
    width = len(_FACTS)
    for row in rows:
        attempt = Attempt(**dict(zip(_FACTS, row[:width], strict=True)))
        before = row[width:]
        now = _priced(book, attempt, before[4], override=asked.override)
        line = lines.setdefault((attempt.provider, attempt.model), Line(attempt.provider, attempt.model))
        line.attempts += 1
        line.priced_before += before[0] is not None
        line.priced_after += now[0] is not None
        line.cost_before += before[0] or 0
        line.cost_after += now[0] or 0
        if now != before:
            line.changed += 1
            changes.append((attempt.source, attempt.event_id, attempt.started_at_us, *now))
    last = rows[-1] if len(rows) == limit else None
    next_place = None if last is None else (int(last[3]), str(last[2]), str(last[0]))
    return Slice(tuple(lines.values()), next_place), changes


def _priced(book: PriceBook, attempt: Attempt, source_before: str | None, *, override: bool) -> tuple[Any, ...]:
    """The values of `_PRICED` by the prices of now.

    A reported cost stands, unless it is to be replaced or was before: then it stays kept beside.
    """
    computed, version = _computed(book, attempt)
    reported = attempt.cost_reported_usd
    replaced = override or source_before not in (None, REPORTED, DISPUTED)
    if reported is not None and not (replaced and computed is not None):
        return reported, computed, version, pricing_of(attempt, reported), cost_source(reported, computed, version)
    return computed, computed, version, pricing_of(attempt, computed), version


def _computed(book: PriceBook, attempt: Attempt) -> tuple[Decimal | None, str | None]:
    try:
        return book.computed(attempt)
    except BadEventError:
        return None, None  # prices that make an impossible cost of a call give it none


def _rows(
    cursor: duckdb.DuckDBPyConnection, asked: Asked, after: Place | None, limit: int
) -> Sequence[tuple[Any, ...]]:
    conditions, values = ["started_at_us >= $start", "started_at_us < $end"], _values(asked, after, limit)
    conditions += [f"{name} = ${name}" for name in ("provider", "model") if name in values]
    if after is not None:
        conditions.append("(started_at_us, source, event_id) > ($at, $from_source, $from_event)")
    return cursor.execute(
        f"SELECT {', '.join((*_FACTS, *_PRICED))} FROM attempts WHERE {' AND '.join(conditions)} "  # noqa: S608
        "ORDER BY started_at_us, source, event_id LIMIT $limit",
        values,
    ).fetchall()


def _values(asked: Asked, after: Place | None, limit: int) -> dict[str, Any]:
    values: dict[str, Any] = {"start": asked.start_us, "end": asked.end_us, "limit": limit}
    if after is not None:
        # nothing before the place is looked at again, which is what makes a late slice as quick as an early one
        values |= {"start": max(asked.start_us, after[0]), "at": after[0]}
        values |= {"from_source": after[1], "from_event": after[2]}
    return values | {name: value for name, value in (("provider", asked.provider), ("model", asked.model)) if value}


def _store(cursor: duckdb.DuckDBPyConnection, changes: Sequence[tuple[Any, ...]]) -> None:
    """Take the attempts off the rollup, change them, and add them again."""
    money, text = pa.decimal128(18, 12), pa.string()
    kinds = (text, text, pa.int64(), money, money, text, text, text)
    columns = zip((*_IDENTITY, *_PRICED), zip(*changes, strict=True), kinds, strict=True)
    cursor.register("repriced", pa.table({name: pa.array(values, kind) for name, values, kind in columns}))
    times = [change[2] for change in changes]
    span = f"started_at_us BETWEEN {min(times)} AND {max(times)}"
    theirs = f"(SELECT * FROM attempts SEMI JOIN repriced USING ({', '.join(_IDENTITY)}) WHERE {span})"  # noqa: S608
    cursor.execute(f"INSERT INTO rollup {rollup.aggregate(theirs, sign='-')}")
    cursor.execute(
        f"UPDATE attempts SET {', '.join(f'{name} = repriced.{name}' for name in _PRICED)} FROM repriced "  # noqa: S608
        f"WHERE {' AND '.join(f'attempts.{name} = repriced.{name}' for name in _IDENTITY)} AND attempts.{span}"
    )
    cursor.execute(f"INSERT INTO rollup {rollup.aggregate(theirs)}")
    cursor.unregister("repriced")


def _note(
    cursor: duckdb.DuckDBPyConnection, asked: Asked, found: Slice, run: int, actor: str, versions: set[str]
) -> None:
    """Bring the run's audit row up to this slice."""
    rows = cursor.execute("SELECT detail FROM audit WHERE action = ? AND at_us = ?", [ACTION, run]).fetchall()
    told: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
    cursor.execute("DELETE FROM audit WHERE action = ? AND at_us = ?", [ACTION, run])
    counts = {
        name: told.get(name, 0) + sum(getattr(line, name) for line in found.lines)
        for name in ("attempts", "changed", "priced_before", "priced_after")
    }
    costs = {
        name: str(Decimal(told.get(name, "0")) + sum((getattr(line, name) for line in found.lines), Decimal(0)))
        for name in ("cost_before", "cost_after")
    }
    detail = {
        "start_us": asked.start_us,
        "end_us": asked.end_us,
        "provider": asked.provider,
        "model": asked.model,
        "override": asked.override,
        **counts,
        **costs,
        "price_versions": sorted({*told.get("price_versions", ()), *versions}),
        "done": found.after is None,
    }
    audit.note(cursor, run, actor, ACTION, json.dumps(detail))
