"""What an import is asked for, what it sends, and what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from data_sources.result import Problem
from data_sources.usage.plain_reasons import plain_reason

KEPT_REJECTS = 1000


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What to import, and how to read it.

    Attributes:
        path: The file.
        url: The running server.
        key: Its ingest key.
        columns: Field -> column (`--map`).
        fixed: Field -> value (`--set`).
        tz: Zone of times without an offset.
        time_unit: s, ms, us or ns.
        time_origin: What numbers count from, aware.
        batch_rows: Events sent at once.
    """

    path: Path
    url: str
    key: str = field(repr=False)
    columns: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)
    tz: str | None = None
    time_unit: str | None = None
    time_origin: datetime | None = None
    batch_rows: int = 2000


@dataclass(slots=True)
class ImportReport:
    """What became of a file, so far or at the end.

    Attributes:
        batch_id: To undo the import by.
        form: What the file was recognised as: LiteLLM, events, table.
        rows: Rows read.
        rejected: Place in the file (line, or number of the event) and reason, the first 1,000.
        rejected_count: All of them.
        mapped: Field -> column as used, for tables.
        ignored: Columns that nothing was read from.
        span: First and last start, UTC; None when nothing was taken.
        notes: Short sentences about what was assumed.
        sent_twice: Of `duplicates`, those of parts that were sent again: an earlier try may have brought them.
        unsure: Events of the part that was being sent when the import ended, where nobody could say what became of
            them.
        waiting: Why it waits now, in words; None while it goes on.
        problem: Why the import ended early; what was sent before stays, and importing again is safe.
        unsent: Of `rejected_count`, the rows that were not sent, by reason without their values.
    """

    batch_id: str
    form: str | None = None
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    rejected_count: int = 0
    mapped: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    span: tuple[datetime, datetime] | None = None
    notes: list[str] = field(default_factory=list)
    sent_twice: int = 0
    unsure: int = 0
    waiting: str | None = None
    problem: Problem | None = None
    unsent: Counter[str] = field(default_factory=Counter)

    def refuse(self, place: int, reason: str) -> None:
        """Note a row that was not even sent: the console is told of it in the end, so that its count is of all rows."""
        self.unsent[plain_reason(reason)] += 1
        self.reject(place, reason)

    def reject(self, place: int, reason: str) -> None:
        """Note a row that was not taken."""
        self.rejected_count += 1
        if len(self.rejected) < KEPT_REJECTS:
            self.rejected.append((place, reason))


@dataclass(slots=True)
class ImportEvent:
    """One event of the file, ready to be sent.

    Attributes:
        place: Its line or row in the file, from 1.
        text: Its JSON text.
        started_at_us: Its start, microseconds since the epoch.
    """

    place: int
    text: bytes
    started_at_us: int


OnProgress = Callable[[int, int, ImportReport], None]
