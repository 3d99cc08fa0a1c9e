"""Attempts as Arrow columns, the way they enter the store in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from data_sources.usage.attempt import Attempt

_KINDS: dict[Any, Any] = {
    str: pa.string(),
    int: pa.int64(),
    bool: pa.bool_(),
    Decimal: pa.decimal128(18, 12),
    tuple[str, ...]: pa.list_(pa.string()),
}
_KINDS |= {kind | None: column for kind, column in _KINDS.items()}
_NARROW = {"http_status": pa.int16()}
NAMES = Attempt.__struct_fields__
_TYPES = [_NARROW.get(field.name, _KINDS[field.type]) for field in msgspec.structs.fields(Attempt)]


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
