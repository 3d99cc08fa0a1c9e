"""Everything that the store keeps of one call, found by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from data_sources.usage.calls import JOIN_US
from data_sources.usage.recent import CALL_COLUMNS, EXPORT_COLUMNS, request_of
from data_sources.usage.types import CallFacts, CallKey, Fact
from data_sources.usage.windows import from_us, to_us

# What a row of the list has, then everything else that is stored.
COLUMNS = (*CALL_COLUMNS, *EXPORT_COLUMNS[len(CALL_COLUMNS) :], "byok", "received_at_us")
FACTS = tuple(name.removesuffix("_us") for name in COLUMNS)
MOST_ATTEMPTS = 2_000  # an id that a sender gives to everything must not fill the memory
_ID, _AT, _SOURCE, _COUNTS = (COLUMNS.index(name) for name in ("event_id", "started_at_us", "source", "counts_call"))
_Row = tuple[Any, ...]


def read(cursor: duckdb.DuckDBPyConnection, key: CallKey, organization_id: str | None) -> CallFacts | None:
    """Find a call.

    Args:
        cursor: To read with.
        key: Which one; without a time the newest of that id.
        organization_id: Only attempts of this organization; None for all.

    Returns:
        The call, None where there is none.
    """
    runs = _runs(_rows(cursor, key, organization_id))
    if key.at is not None:
        at_us = to_us(key.at)
        runs = [run for run in runs if any(row[_AT] == at_us for row in run)]
    if not runs:
        return None
    (rows, decided), *others = [(run, _decided(run)) for run in runs]
    ordered = sorted(rows, key=lambda row: (row[_AT], row[_ID]))
    return CallFacts(
        request_of(decided, ordered),
        tuple(_facts(row) for row in ordered),
        tuple(CallKey(key.call_id, one[_SOURCE], from_us(one[_AT])) for _, one in others),
    )


def _rows(cursor: duckdb.DuckDBPyConnection, key: CallKey, organization_id: str | None) -> list[_Row]:
    conditions, values = ["call_id = $call"], dict[str, Any](call=key.call_id)
    if key.source is not None:
        conditions.append("source = $source")
        values["source"] = key.source
    if key.at is not None:
        conditions.append("started_at_us BETWEEN $low AND $high")
        values |= {"low": to_us(key.at) - 2 * JOIN_US, "high": to_us(key.at) + 2 * JOIN_US}
    if organization_id is not None:
        conditions.append("organization_id = $organization")
        values["organization"] = organization_id
    return cursor.execute(
        f"SELECT {', '.join(COLUMNS)} FROM attempts WHERE {' AND '.join(conditions)} "  # noqa: S608 - our own names
        f"ORDER BY started_at_us DESC, event_id DESC LIMIT {MOST_ATTEMPTS}",
        values,
    ).fetchall()


def _runs(newest_first: Sequence[_Row]) -> list[list[_Row]]:
    """The calls that share the id, newest first: of one source, with less than a day between neighbours."""
    open_runs: dict[str, list[_Row]] = {}
    runs: list[list[_Row]] = []
    for row in newest_first:
        run = open_runs.get(row[_SOURCE])
        if run is None or run[-1][_AT] - row[_AT] > JOIN_US:
            run = open_runs[row[_SOURCE]] = []
            runs.append(run)
        run.append(row)
    return [run for run in runs if any(row[_COUNTS] for row in run)]


def _decided(run: Sequence[_Row]) -> _Row:
    return next(row for row in run if row[_COUNTS])


def _facts(row: _Row) -> Mapping[str, Fact]:
    return {name: _fact(column, value) for name, column, value in zip(FACTS, COLUMNS, row, strict=True)}


def _fact(column: str, value: Any) -> Fact:
    if column.endswith("_us") and value is not None:
        return from_us(value)
    return tuple(value) if isinstance(value, list) else value
