"""Attempts as Arrow columns, the way they enter the store in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from data_sources.usage.attempt import Attempt

_COST = pa.decimal128(18, 12)
_BY_NAME: dict[str, Any] = {
    "started_at_us": pa.int64(),
    "duration_ms": pa.int64(),
    "time_to_first_token_ms": pa.int64(),
    "tags": pa.list_(pa.string()),
    "stream": pa.bool_(),
    "byok": pa.bool_(),
    "http_status": pa.int16(),
    "web_searches": pa.int64(),
    "cost_usd": _COST,
    "cost_reported_usd": _COST,
    "cost_computed_usd": _COST,
}
NAMES = Attempt.__struct_fields__
_TYPES = [_BY_NAME.get(name, pa.int64() if name.endswith("_tokens") else pa.string()) for name in NAMES]


def transpose(attempts: Sequence[Attempt]) -> dict[str, tuple[Any, ...]]:
    """The attempts' values by column name."""
    return dict(zip(NAMES, zip(*map(msgspec.structs.astuple, attempts), strict=True), strict=True))


def table(columns: dict[str, tuple[Any, ...]], extra: dict[str, Any]) -> Any:
    """Make the Arrow table of a commit.

    Args:
        columns: As `transpose` gives them.
        extra: Columns that only the store knows, as Arrow arrays.
    """
    rows = len(columns["event_id"])
    arrays = {name: _array(columns[name], kind, rows) for name, kind in zip(NAMES, _TYPES, strict=True)}
    return pa.table({**arrays, **extra})


def _array(values: tuple[Any, ...], kind: Any, rows: int) -> Any:
    if values.count(None) == rows:  # most columns of most senders
        return pa.nulls(rows, kind)
    return pa.array(values, kind)
