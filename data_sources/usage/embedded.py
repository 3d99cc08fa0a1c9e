"""Answers every question about usage from the embedded store.

One question is one snapshot: all its statements see the same commits. What the store cannot answer becomes `Failed`,
never an exception.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sized
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast

import duckdb
import numpy as np

from data_sources.result import Failed, Kind, Problem, Provenance, Ready, Result, utc_now
from data_sources.usage import intake_read, integrity, one_call, sql
from data_sources.usage import recent as recent_rows
from data_sources.usage.costs import CostBasis, basis_of
from data_sources.usage.coverage import Collected
from data_sources.usage.figures import (
    ZERO,
    add,
    cost_percentage,
    figures_of,
    growth_of,
    latency_of,
    percentage,
    sums_of,
    total,
)
from data_sources.usage.memo import Memo
from data_sources.usage.pricing import BUNDLED, PriceBook
from data_sources.usage.provenance import moment, provenance
from data_sources.usage.query import BadQueryError
from data_sources.usage.schema import SLOT_US
from data_sources.usage.store import StoreError, UsageStore
from data_sources.usage.types import (
    FAILED,
    NO_CALL,
    NO_CALL_CODE,
    NO_CALL_WHY,
    Breakdown,
    Bucket,
    CallFacts,
    CallKey,
    Coverage,
    Dimension,
    Export,
    Figures,
    Grain,
    Granularity,
    Group,
    Intake,
    LastEvent,
    Latency,
    RequestPage,
    Summary,
    Sums,
    Timeseries,
    Totals,
    Unpriced,
    UsageQuery,
    Version,
)
from data_sources.usage.unpriced import BY, whole_and_models
from data_sources.usage.windows import Grid, Span, auto_granularity, from_us, grid, span, to_us, windows

T = TypeVar("T")
S = TypeVar("S", bound=Sized)
_AT_ONCE = 8  # questions: more would share two cores and the memory limit, and none would be answered sooner
# What the machine does to a correct statement; anything else that DuckDB raises is a bug of ours.
_OUTSIDE = (duckdb.OutOfMemoryException, duckdb.IOException, duckdb.ConnectionException, duckdb.TransactionException)


class ExpiredError(Exception):
    """The answer needs attempts that are no longer kept. The text says so to the reader."""


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
        self._raw_from_us = integrity.raw_from(cursor)

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
                "model, power level, status and source. Choose a window that starts later."
            )

    def kept_span(self) -> Span:
        """The part of the window whose attempts are kept."""
        start_us = max(self.span.start_us, self._raw_from_us or 0)
        return Span(start_us, max(start_us, self.span.end_us))

    def rows(self, statements: Iterable[tuple[str, dict[str, sql.Value]]]) -> list[tuple[Any, ...]]:
        """Run statements and join their answers."""
        found: list[tuple[Any, ...]] = []
        for text, values in statements:
            self.statements.append((text, values))
            found += self._run(text, values)
        return found

    def _run(self, text: str, values: dict[str, sql.Value]) -> list[tuple[Any, ...]]:
        return self.kept((text, *values.items()), lambda: self.cursor.execute(text, values).fetchall())

    def kept(self, key: tuple[Hashable, ...], make: Callable[[], S]) -> S:
        """What depends on nothing but the data and the key, made once a version of the data."""
        return self._memo.get((self._version, *key), make)

    def total(self, read: Span) -> Sums:
        """The sums of a span."""
        return total(sums_of(row) for row in self.rows(self.sums(read)))

    def basis(self, sums: Totals, coverage: Coverage) -> CostBasis | None:
        """Whose the costs of the window are; None where nothing was collected, so that nobody knows."""
        if sums.cost is None:  # no origin to ask for
            return basis_of(()) if sums.attempts or coverage.collected_s else None
        asked = self.sums(self.span, by=("cost_source",), measures=("attempts", "calls", "cost_usd"))
        return basis_of(self.rows(asked))

    def calls(self) -> int:
        """How many calls the window has: the figure of the cards, by itself."""
        rows = self.rows(self.sums(self.span, measures=("calls",)))
        return sum(int(calls) for (calls,) in rows if calls is not None)

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


class EmbeddedUsage:
    """The `UsageSource` of the embedded store."""

    def __init__(
        self,
        store: UsageStore,
        *,
        now: Callable[[], datetime] = utc_now,
        remember: int = 64,
        prices: PriceBook = BUNDLED,
    ) -> None:
        """Read from a store.

        Args:
            store: The usage store; it opens itself at the first question.
            now: The clock, aware.
            remember: How many answers to keep while the data stay the same.
            prices: What usage is priced with: says why some has no price.
        """
        self._prices = prices
        self._store = store
        self._now = now
        self._memo = Memo(remember)
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._seen: tuple[int, bool] | None = None

    def _answer(self, query: UsageQuery, ask: Callable[[Ask], tuple[T, Provenance]]) -> Result[T]:
        now = self._now()
        try:
            self._store.open()
            version = self._store.data_version
            with self._turn, self._store.cursor() as cursor:
                cursor.begin()
                value, source = ask(Ask(cursor, query, now, self._memo, version))
        except StoreError as error:
            problem = error.problem
            detail = f"{problem.title}. {problem.detail}"
            return Failed(Problem(problem.kind, FAILED, detail, problem.code, problem.retry_after_s))
        except ExpiredError as error:
            return Failed(Problem(Kind.BAD_QUERY, "Not kept for so long", str(error), code="expired"))
        except BadQueryError as error:
            return Failed(Problem(Kind.BAD_QUERY, "The question is not right", str(error)))
        except _OUTSIDE as error:
            detail = "The usage store ran out of memory for this question. Choose a shorter window."
            if not isinstance(error, duckdb.OutOfMemoryException):
                detail = "The usage store broke off its answer."
            return Failed(Problem(Kind.STORE, FAILED, detail, type(error).__name__, retry_after_s=5))
        return Ready(value, source)

    def summary(self, query: UsageQuery) -> Result[Summary]:
        """All figures of the window and of the period before."""
        return self._answer(query, _summary)

    def breakdown(self, query: UsageQuery, dimension: Dimension, *, limit: int | None = None) -> Result[Breakdown]:
        """The window by the values of one dimension, most calls first."""
        return self._answer(query, lambda ask: _breakdown(ask, dimension, limit))

    def timeseries(
        self,
        query: UsageQuery,
        *,
        granularity: Granularity | None = None,
        group_by: Dimension | None = None,
        limit: int | None = None,
    ) -> Result[Timeseries]:
        """The window in buckets that tile it."""
        return self._answer(query, lambda ask: _timeseries(ask, granularity, group_by, limit))

    def unpriced(self, query: UsageQuery, *, limit: int | None = None) -> Result[Unpriced]:
        """The models with usage that has no price, most calls first."""
        return self._answer(query, lambda ask: _unpriced(ask, self._prices, limit))

    def recent(self, query: UsageQuery, *, limit: int = 50, cursor: str | None = None) -> Result[RequestPage]:
        """The newest calls of the window, each with its attempts."""

        def ask_for(ask: Ask) -> tuple[RequestPage, Provenance]:
            page = recent_rows.page(ask.cursor, query, ask.window, ask.kept_span(), limit, cursor)
            coverage = ask.collected().coverage(ask.span)
            count, why = _calls(ask, coverage)
            page = replace(page, hues=ask.hues("model", recent_rows.models(page)), total_calls=count)
            source = provenance(ask, ask.newest(), coverage, None)
            return page, replace(source, notes=(*source.notes, *why))

        return self._answer(query, ask_for)

    def call(self, key: CallKey, *, organization_id: str | None = None) -> Result[CallFacts]:
        """Everything that is kept of one call, whatever the window."""

        def ask_for(ask: Ask) -> tuple[CallFacts | None, Provenance]:
            found = one_call.read(ask.cursor, key, organization_id)
            newest = None if found is None else found.request.decided_by.started_at
            rows = None if found is None else len(found.facts)
            return found, Provenance("Usage store", f"call {key.call_id}", newest, self._now(), rows=rows)

        result = self._answer(UsageQuery(range="today"), ask_for)
        if isinstance(result, Ready) and result.value is None:
            return Failed(Problem(Kind.NOT_FOUND, NO_CALL, NO_CALL_WHY, code=NO_CALL_CODE))
        return cast(Result[CallFacts], result)

    def export(self, query: UsageQuery, *, grain: Grain = "calls") -> Result[Export]:
        """Every row of the window, read in one snapshot while it is sent."""

        def ask_for(ask: Ask) -> tuple[Export, Provenance]:
            ask.need_attempts(ask.span)
            rows = recent_rows.export(self._store, query, ask.window, ask.span, grain)
            return rows, provenance(ask, ask.newest(), ask.collected().coverage(ask.span), None)

        return self._answer(query, ask_for)

    def coverage(self, query: UsageQuery) -> Result[Coverage]:
        """For how much of the window we were listening."""

        def ask_for(ask: Ask) -> tuple[Coverage, Provenance]:
            found = ask.collected().coverage(ask.span)
            return found, provenance(ask, ask.newest(), found, None)

        return self._answer(query, ask_for)

    def intake(self, query: UsageQuery) -> Result[Intake]:
        """What became of everything that was received in the window, of all organizations."""

        def ask_for(ask: Ask) -> tuple[Intake, Provenance]:
            coverage = ask.collected().coverage(ask.span)
            found = intake_read.read(ask.cursor, query, ask.window, ask.span, coverage)
            newest = max((one.last_received_at for one in found.sources), default=None)
            return found, provenance(ask, newest, coverage, None)

        return self._answer(query, ask_for)

    def version(self) -> Result[Version]:
        """Whether anything changed; one look into the store after each change, none in between."""

        def ask_for(ask: Ask) -> tuple[Version, Provenance]:
            version = self._store.data_version
            if self._seen is None or self._seen[0] != version:
                any_row = ask.cursor.execute("SELECT 1 FROM attempts LIMIT 1").fetchall()
                self._seen = (version, bool(any_row))
            found = Version(version + self._store.notices, self._store.last_event_at, self._seen[1])
            return found, Provenance("Usage store", "version", self._store.last_event_at, self._now())

        return self._answer(UsageQuery(range="today"), ask_for)


_NO_LATENCY = Latency(None, None, None, 0)


def _calls(ask: Ask, coverage: Coverage) -> tuple[int | None, tuple[str, ...]]:
    """How many calls the window has, None where that is not known; and why not all of them can be listed."""
    try:
        # of a time without collection nothing is known
        count = ask.calls() or (0 if coverage.collected_s else None)
    except ExpiredError as error:
        return None, (str(error),)
    try:
        ask.need_attempts(ask.span)
    except ExpiredError as error:
        return count, (str(error),)
    return count, ()


def _figures(ask: Ask, read: Span, sums: Sums, coverage: Coverage, *, split: bool) -> Figures:
    """The figures of a span; without percentiles where its attempts are no longer kept."""
    try:
        return figures_of(sums, ask.latency(read), coverage, split=split)
    except ExpiredError as error:
        found = figures_of(sums, _NO_LATENCY, coverage, split=split)
        why = dict.fromkeys(("latency_ms.p50", "latency_ms.p95", "latency_ms.p99"), str(error))
        return replace(found, reasons={**found.reasons, **why})


def _summary(ask: Ask) -> tuple[Summary, Provenance]:
    collected = ask.collected()
    coverage, coverage_before = collected.coverage(ask.span), collected.coverage(ask.previous_span)
    sums = ask.total(ask.span)
    # the tries of one call may differ in these
    split = bool(ask.query.status or ask.query.provider or ask.query.model or ask.query.pricing)
    figures = _figures(ask, ask.span, sums, coverage, split=split)
    try:
        before = _figures(ask, ask.previous_span, ask.total(ask.previous_span), coverage_before, split=split)
    except ExpiredError as error:
        unknown = figures_of(ZERO, _NO_LATENCY, replace(coverage_before, collected_s=0.0))
        before = replace(unknown, reasons=dict.fromkeys(unknown.reasons, str(error)))
    newest = ask.newest()
    value = Summary(
        window=ask.window,
        figures=figures,
        previous_window=ask.previous,
        previous=before,
        growth=growth_of(figures, before, coverage_before),
        coverage=coverage,
        previous_coverage=coverage_before,
        data_as_of=newest,
        basis=ask.basis(sums, coverage),
        last_events=() if sums.attempts else ask.last_events(),
    )
    return value, provenance(ask, newest, coverage, sums, value.basis)


def _unpriced(ask: Ask, prices: PriceBook, limit: int | None) -> tuple[Unpriced, Provenance]:
    whole, models = whole_and_models(ask.rows(ask.sums(ask.span, by=BY)), prices.why_unpriced)
    newest, coverage = ask.newest(), ask.collected().coverage(ask.span)
    known = bool(whole.attempts or coverage.collected_s)
    value = Unpriced(
        window=ask.window,
        models=tuple(models if limit is None else models[:limit]),
        total_models=len(models),
        calls=sum(model.calls for model in models) if known else None,
        attempts=sum(model.attempts for model in models) if known else None,
        total=whole,
        coverage=coverage,
        data_as_of=newest,
    )
    return value, provenance(ask, newest, coverage, whole)


def _rank(item: tuple[str | None, Sums]) -> tuple[int, int, bool, str]:
    name, sums = item
    return (-sums.calls, -sums.attempts, name is None, name if name is not None else "")


def _cut(
    found: dict[str | None, Sums], limit: int | None
) -> tuple[list[tuple[str | None, Sums]], list[tuple[str | None, Sums]]]:
    """The values to list and the rest; what has no value is never cut away, unless only one may be listed."""
    ranked = sorted(found.items(), key=_rank)
    if limit is None or len(ranked) <= limit:
        return ranked, []
    listed = ranked[:limit]
    if None in found and limit > 1 and all(name is not None for name, _ in listed):
        listed = [*ranked[: limit - 1], (None, found[None])]
    names = {name for name, _ in listed}
    return listed, [item for item in ranked if item[0] not in names]


def _group(name: str | None, hue: int | None, sums: Sums, whole: Sums) -> Group:
    return Group(
        name, hue, sums, percentage(sums.calls, whole.calls), cost_percentage(sums.measured_cost, whole.measured_cost)
    )


def _groups(
    ask: Ask, dimension: Dimension, found: dict[str | None, Sums], whole: Sums, limit: int | None
) -> tuple[list[Group], Group | None, list[str | None]]:
    listed, rest = _cut(found, limit)
    hues = ask.hues(dimension, [name for name, _ in listed if name is not None])
    groups = [_group(name, None if name is None else hues.get(name), sums, whole) for name, sums in listed]
    other = _group(None, None, total(sums for _, sums in rest), whole) if rest else None
    return groups, other, [name for name, _ in rest]


def _breakdown(ask: Ask, dimension: Dimension, limit: int | None) -> tuple[Breakdown, Provenance]:
    found: dict[str | None, Sums] = {}
    for name, *measures in ask.rows(ask.sums(ask.span, by=(dimension,))):
        sums = sums_of(measures)
        if sums.attempts:
            found[name] = add(found[name], sums) if name in found else sums
    whole = total(found.values())
    groups, other, rest = _groups(ask, dimension, found, whole, limit)
    newest, coverage = ask.newest(), ask.collected().coverage(ask.span)
    basis = ask.basis(whole, coverage)
    value = Breakdown(
        dimension, ask.window, tuple(groups), other, len(rest), len(found), whole, coverage, newest, basis
    )
    return value, provenance(ask, newest, coverage, whole, basis)


_STEPS: dict[Granularity, sql.Step] = {"minute": "minute", "hour": "hour", "day": "day", "week": "day", "month": "day"}


_Cells = dict[str | None, dict[int, Sums]]


def _cells(ask: Ask, buckets: Grid, by: tuple[Dimension, ...]) -> tuple[_Cells, dict[str | None, Sums], list[Sums]]:
    """The sums of each group in each bucket, those of each group, and those of each bucket."""
    cells: _Cells = {}
    for key, *row in ask.rows(ask.sums(ask.span, by=by, step=_STEPS[buckets.granularity])):
        sums = sums_of(row[len(by) :])
        if sums.attempts:
            place, line = buckets.index[key], cells.setdefault(row[0] if by else None, {})
            line[place] = add(line[place], sums) if place in line else sums
    lines = cells.values()
    columns = [total(line[place] for line in lines if place in line) for place in range(len(buckets.edges))]
    return cells, {name: total(line.values()) for name, line in cells.items()}, columns


def _timeseries(
    ask: Ask, granularity: Granularity | None, group_by: Dimension | None, limit: int | None
) -> tuple[Timeseries, Provenance]:
    grain = granularity or auto_granularity(ask.window)
    buckets = grid(ask.window, ask.span, grain)
    by = (group_by,) if group_by else ()
    # the sums depend on the data alone, the state of a bucket also on the time now
    cells, found, columns = ask.kept(("cells", ask.query, ask.span, grain, by), lambda: _cells(ask, buckets, by))
    whole = total(found.values())
    groups, other, rest = _groups(ask, group_by, found, whole, limit) if group_by else ([], None, [])
    newest, collected = ask.newest(), ask.collected()
    drawn = []
    for place, (start_us, end_us) in enumerate(buckets.edges):
        sums = columns[place]
        state, seconds = collected.state(start_us, end_us, has_events=bool(sums.attempts))
        known = state != "not_collected"
        cut = total(cells[name][place] for name in rest if place in cells[name]) if rest and known else None
        series = tuple(cells[group.name].get(place, ZERO) if known else None for group in groups)
        drawn.append(Bucket(from_us(start_us), from_us(end_us), state, seconds, sums if known else None, series, cut))
    coverage = collected.coverage(ask.span)
    value = Timeseries(
        window=ask.window,
        granularity=grain,
        group_by=group_by,
        buckets=tuple(drawn),
        series=tuple(groups),
        other=other,
        other_groups=len(rest),
        total_groups=len(found) if group_by else 0,
        total=whole,
        coverage=coverage,
        data_as_of=newest,
        basis=ask.basis(whole, coverage),
    )
    return value, provenance(ask, newest, coverage, whole, value.basis)
