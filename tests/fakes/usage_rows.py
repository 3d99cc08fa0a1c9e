"""Fills a real usage store with chosen attempts, as the writer leaves it: attempts, rollup, hues, collection log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_sources.usage import rollup
from data_sources.usage.store import UsageStore
from data_sources.usage.windows import to_us

_NUMBERS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost_usd")
_HUES = {"provider": "provider", "model": "model", "power_level": "power_level", "user": "user_id", "team": "team_id"}


def at(text: str) -> datetime:
    """A UTC time from its text."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def attempt(number: int, started_at: datetime, **fields: Any) -> dict[str, Any]:
    """One row of `attempts`: a call of its own, without any figure, unless told otherwise."""
    row: dict[str, Any] = {
        "event_id": f"e{number:06}",
        "call_id": f"c{number:06}",
        "counts_call": 1,
        "started_at_us": to_us(started_at),
        "status": "success",
        "source": "test",
        "batch_id": "b1",
        "received_at_us": to_us(started_at) + number,
    } | fields
    if isinstance(row.get("cost_usd"), str):
        row["cost_usd"] = Decimal(row["cost_usd"])
    metered = any(row.get(name) is not None for name in _NUMBERS)
    row.setdefault("pricing", "priced" if row.get("cost_usd") is not None else "unpriced" if metered else "unmetered")
    row.setdefault("cost_source", None if row.get("cost_usd") is None else "reported")
    if row["counts_call"]:
        row.setdefault("call_duration_ms", row.get("duration_ms"))
    return row


def make_store(folder: Path) -> UsageStore:
    """A store of its own."""
    return UsageStore(folder / "usage.duckdb", memory_bytes=200_000_000, min_free_bytes=0, threads=1)


def fill(
    store: UsageStore,
    rows: Sequence[Mapping[str, Any]],
    *,
    listened: Iterable[tuple[datetime, datetime]] = (),
    imported: Iterable[tuple[datetime, datetime]] = (),
) -> None:
    """Add attempts and what we listened to."""
    with store.cursor() as cursor:
        cursor.begin()
        columns = {name: None for row in rows for name in row}
        ordered = [columns | dict(row) for row in sorted(rows, key=lambda row: row["started_at_us"])]
        if ordered:
            cursor.register("given", pa.Table.from_pylist(ordered))
            cursor.execute("INSERT INTO attempts BY NAME SELECT * FROM given")
            cursor.unregister("given")
        cursor.execute("DELETE FROM rollup")
        cursor.execute(f"INSERT INTO rollup {rollup.aggregate('attempts')}")
        for dimension, column in _HUES.items():
            seen = dict.fromkeys(row.get(column) for row in sorted(rows, key=lambda row: row["received_at_us"]))
            for hue, name in enumerate(name for name in seen if name is not None):
                cursor.execute("INSERT INTO dimension_values VALUES (?, ?, ?, 0)", [dimension, name, hue % 16])
        for kind, spans in (("listening", listened), ("import", imported)):
            for start, end in spans:
                values = [kind, to_us(start), to_us(end), None, None]
                cursor.execute("INSERT INTO collection VALUES (?, ?, ?, ?, ?)", values)
        cursor.commit()
    store.changed(store.data_version + 1, max((row["received_at_us"] for row in rows), default=None))
