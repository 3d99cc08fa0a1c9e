"""One question to the embedded store: a snapshot, the time it was asked, and the statements that were run for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence, Sized
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import duckdb
import numpy as np

from data_sources.usage import integrity, sql
from data_sources.usage.costs import CostBasis, basis_of
from data_sources.usage.coverage import Collected
from data_sources.usage.figures import latency_of, sums_of, total
from data_sources.usage.memo import Memo
from data_sources.usage.provenance import moment
from data_sources.usage.schema import SLOT_US
from data_sources.usage.types import Coverage, Dimension, LastEvent, Latency, Sums, Totals, UsageQuery
from data_sources.usage.windows import Span, from_us, span, to_us, windows

S = TypeVar("S", bound=Sized)
Rows: TypeAlias = list[tuple[Any, ...]]
# What the panels of one page tell apart in a window. One question by all of them costs as much as two by one each.
SHARED = ("provider", "model", "power_level", "cost_source")
_MOST_SHARED = 5_000  # groups; more are no longer added up faster here than the store does


def fold(rows: Rows, places: Sequence[int], keys: int) -> Rows:
    """Add up rows of measures by some of their keys.

    Args:
        rows: Keys, then measures; a measure that is None has nothing to add.
        places: Which of the keys to keep, in the order wanted.
        keys: How many keys a row has.

    Returns:
        One row a group: its keys, then the sums.
    """
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[place] for place in places), []).append(row[keys:])
    return [(*key, *map(_added, zip(*found, strict=True))) for key, found in groups.items()]


def _added(column: tuple[Any, ...]) -> Any:
    known = [value for value in column if value is not None]
    return sum(known[1:], known[0]) if known else None


class ExpiredError(Exception):
    """The answer needs attempts that are no longer kept. The text says so to the reader.

    Attributes:
        kept_since: Since when they are kept, UTC.
    """

    def __init__(self, text: str, kept_since: datetime) -> None:
        """Say what is kept, and since when."""
        super().__init__(text)
        self.kept_since = kept_since


class Ask:
    """One question: a cursor in a transaction, the time it was asked, and the statements that were run for it."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, query: UsageQuery, now: datetime, memo: Memo, version: int
    ) -> None:
        """Lay out the windows of the question."""
        self.cursor = cursor
        self._memo, self._version = memo, version
        self.query = query
        self.now = now
        self.window, self.previous = windows(query, now)
        self.span = span(self.window, now)
        self.previous_span = span(self.previous, now)
        self.statements: list[tuple[str, dict[str, sql.Value]]] = []
        [self._raw_from_us] = self.kept(("raw from",), lambda: [integrity.raw_from(cursor)])

    def sums(
        self,
        read: Span,
        *,
        by: tuple[str, ...] = (),
        step: sql.Step | None = None,
        measures: tuple[str, ...] = sql.MEASURES,
    ) -> tuple[tuple[str, dict[str, sql.Value]], ...]:
        """The statements of `sql.sums`.

        Raises:
            ExpiredError: They need attempts that are no longer kept.
        """
        if sql.table_for(self.query, by, step=step) == "attempts":
            self.need_attempts(read)
        return sql.sums(self.query, read, by=by, step=step, measures=measures)

    def need_attempts(self, read: Span) -> None:
        """See that all attempts of a span are there.

        Raises:
            ExpiredError: Some are no longer kept.
        """
        edge = self._raw_from_us
        if edge is None or read.start_us >= edge:
            return
        text = "SELECT coalesce(sum(attempts), 0) FROM rollup WHERE slot >= $first AND slot < $end"
        end = min(edge, read.end_us)
        ((attempts,),) = self._run(text, {"first": read.start_us // SLOT_US, "end": end // SLOT_US})
        if attempts:
            since = moment(from_us(edge), self.query.tz)
            raise ExpiredError(
                f"Single calls are kept since {since} (OPS_USAGE_KEEP_DAYS); before, only their sums by provider, "
                "model, power level, status and source. Choose a window that starts later.",
                from_us(edge),
            )

    def kept_span(self) -> Span:
        """The part of the window whose attempts are kept."""
        start_us = max(self.span.start_us, self._raw_from_us or 0)
        return Span(start_us, max(start_us, self.span.end_us))

    def rows(self, statements: Iterable[tuple[str, dict[str, sql.Value]]]) -> Rows:
        """Run statements and join their answers."""
        found: Rows = []
        for text, values in statements:
            self.statements.append((text, values))
            found += self._run(text, values)
        return found

    def _run(self, text: str, values: dict[str, sql.Value]) -> Rows:
        return self.kept((text, *values.items()), lambda: self.cursor.execute(text, values).fetchall())

    def kept(self, key: tuple[Hashable, ...], make: Callable[[], S]) -> S:
        """What depends on nothing but the data and the key, made once a version of the data."""
        return self._memo.get((self._version, *key), make)

    def total(self, read: Span) -> Sums:
        """The sums of a span."""
        if read == self.span:
            return total(sums_of(row) for row in self.by())
        return total(sums_of(row) for row in self.rows(self.sums(read)))

    def by(self, *names: str) -> Rows:
        """The window's sums by some columns: their values, then `sql.MEASURES`; one group may come in several rows."""
        shared = self._shared() if set(names) <= set(SHARED) else []
        if not shared:  # of other columns, of very many groups, or of nothing
            return self.rows(self.sums(self.span, by=names))
        places = [SHARED.index(name) for name in names]
        return self.kept(("fold", self.query, self.span, names), lambda: fold(shared, places, len(SHARED)))

    def _shared(self) -> Rows:
        """The window by all of `SHARED`, nothing where those are too many groups."""
        statements = self.sums(self.span, by=SHARED)
        self.statements += statements

        def read() -> Rows:
            found = [row for text, values in statements for row in self.cursor.execute(text, values).fetchall()]
            return found if len(found) <= _MOST_SHARED else []

        return self.kept(("shared", self.query, self.span), read)

    def basis(self, sums: Totals, coverage: Coverage) -> CostBasis | None:
        """Whose the costs of the window are; None where nothing was collected, so that nobody knows."""
        if sums.cost is None:  # no origin to ask for
            return basis_of(()) if sums.attempts or coverage.collected_s else None
        wanted = [1 + sql.MEASURES.index(name) for name in ("attempts", "calls", "cost_usd")]
        return basis_of((row[0], *(row[place] for place in wanted)) for row in self.by("cost_source"))

    def latency(self, read: Span) -> Latency:
        """Percentiles from the value counts of what calls took."""
        ((text, values),) = self.sums(read, by=("call_duration_ms",), measures=("calls",))
        self.statements.append((text, values))
        columns: dict[str, Any] = self.cursor.execute(text, values).fetchnumpy()
        durations = columns["call_duration_ms"]
        known = ~np.ma.getmaskarray(durations)
        counts = np.ma.getdata(columns["calls"])[known]
        return latency_of(np.ma.getdata(durations)[known].astype(np.int64), counts.astype(np.int64))

    def newest(self) -> datetime | None:
        """When the newest attempt of the window began."""
        text, values = sql.newest(self.query, self.span)
        (found,) = self._run(text, values)
        return None if found[0] is None else from_us(found[0])

    def last_events(self) -> tuple[LastEvent, ...]:
        """The last event of each source before the window ends."""
        text, values = sql.last_by_source(self.query, self.span.end_us)
        return tuple(LastEvent(source, from_us(last_us)) for source, last_us in self._run(text, values))

    def collected(self) -> Collected:
        """The log of collection."""
        log = self.cursor.execute("SELECT kind, start_us, end_us FROM collection").fetchall()
        return Collected(log, to_us(self.now))

    def hues(self, dimension: Dimension, names: list[str]) -> dict[str, int]:
        """Colour slots of some values."""
        if not names:
            return {}
        text = "SELECT name, hue FROM dimension_values WHERE dimension = $dimension"
        values: dict[str, Any] = {"dimension": dimension}
        if dimension in ("user", "team"):  # there may be very many: read those that are listed
            text += " AND name IN (SELECT unnest($names))"
            found = self.cursor.execute(text, {**values, "names": names}).fetchall()
        else:
            found = self._run(text, values)
        wanted = set(names)
        return {str(name): int(hue) for name, hue in found if name in wanted}
