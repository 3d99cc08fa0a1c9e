"""What somebody changed by hand in figures that were there: noted in the transaction of the change, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from data_sources.usage.windows import from_us


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change by hand.

    Attributes:
        at: When, UTC.
        actor: Who asked for it.
        action: forget, reprice, ...
        detail: JSON: what was asked and what it changed.
    """

    at: datetime
    actor: str
    action: str
    detail: str


def note(cursor: duckdb.DuckDBPyConnection, at_us: int, actor: str, action: str, detail: str) -> None:
    """Note a change inside its transaction; see `AuditRow`."""
    cursor.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", [at_us, actor, action, detail])


def rows(cursor: duckdb.DuckDBPyConnection, limit: int = 200) -> list[AuditRow]:
    """The newest changes, newest first."""
    found = cursor.execute(
        "SELECT at_us, actor, action, detail FROM audit ORDER BY at_us DESC, rowid DESC LIMIT ?", [limit]
    ).fetchall()
    return [AuditRow(from_us(at), actor, action, detail) for at, actor, action, detail in found]
