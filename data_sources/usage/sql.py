"""The one place where questions to the usage tables become SQL.

`sums` builds every aggregate of the product: additive measures by dimensions, filtered, in a span of time. `rows`
builds the lists of attempts. Both are syntax trees rendered once for each shape; values are always bound. There is no
division, quantile or time-zone cast in SQL, because engines differ in them: shares, averages and percentiles are made
in Python from exact sums and counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from sqlglot import exp

from data_sources.usage.attempt import USED
from data_sources.usage.schema import SLOT_US
from data_sources.usage.types import DIMENSIONS, UsageQuery
from data_sources.usage.windows import MINUTE_US, SLOTS_PER_DAY, SLOTS_PER_HOUR, Span, segments

Table: TypeAlias = Literal["rollup", "attempts"]
Step: TypeAlias = Literal["minute", "hour", "day"]
Value: TypeAlias = int | str
_Filters: TypeAlias = tuple[tuple[str, int, bool], ...]
# The store is DuckDB; every question is also written for ClickHouse, which tests read as a second engine.
Dialect: TypeAlias = Literal["duckdb", "clickhouse"]
DIALECT: Dialect = "duckdb"

_TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
# The order of every answer's measures; `figures.sums_of` reads it back.
COUNTS = (
    "attempts",
    "calls",
    "failed_calls",
    "unknown_calls",
    "priced_calls",
    "unpriced_calls",
    "unmetered_calls",
    "priced_attempts",
    "unpriced_attempts",
)
MEASURES = (
    *COUNTS,
    "cost_usd",
    *(f"{name}_tokens" for name in _TOKENS),
    *(f"{name}_known" for name in _TOKENS),
)

# What a price may hang on, beside whose model it is.
KIND = ("started_at_us", "status", "service_tier", "processing", "region", *USED)
# Of how many unpriced attempts the reasons are looked up: of all of them that would cost as much as the page's figures.
NEWEST_UNPRICED = 1000

_ATTEMPT_COLUMNS = {"user": "user_id", "team": "team_id", "organization": "organization_id"}
_ROLLUP_DIMENSIONS = frozenset({"provider", "model", "power_level", "status", "source", "cost_source"})


@dataclass(frozen=True, slots=True)
class Shape:
    """All of a question that changes its text; its values are bound.

    Attributes:
        table: Where it is answered from.
        measures: Which sums.
        by: Columns to group by.
        step: Bucket length to group by, None for the whole span.
        runs: How many runs of one zone offset the span has, for hours and days.
        filters: (column, how many values, whether "not set" is among them).
    """

    table: Table
    measures: tuple[str, ...]
    by: tuple[str, ...] = ()
    step: Step | None = None
    runs: int = 1
    filters: _Filters = ()


def table_for(query: UsageQuery, by: Sequence[str], *, step: Step | None = None) -> Table:
    """The rollup where it has all columns asked for, else the attempts themselves."""
    asked = {name for name, _ in query.filters()} | set(by)
    if query.organization_id is not None or step == "minute" or not asked <= _ROLLUP_DIMENSIONS:
        return "attempts"
    return "rollup"


def sums(
    query: UsageQuery,
    span: Span,
    *,
    by: Sequence[str] = (),
    step: Step | None = None,
    measures: tuple[str, ...] = MEASURES,
    dialect: Dialect = DIALECT,
) -> tuple[tuple[str, dict[str, Value]], ...]:
    """Additive measures of a span by dimensions and buckets.

    Args:
        query: Its filters and scope.
        span: What to read; edges off the quarter-hour are read from the attempts.
        by: Dimensions, or `call_duration_ms`.
        step: Bucket length: the answer's first column is a key of `windows.Grid.index`.
        measures: Some of `MEASURES`.
        dialect: The engine that will read the statements.

    Returns:
        Statements with their values; the answer is the sum of theirs. Columns: bucket key if `step`, then `by`, then
        `measures`. A span with nothing in it gives no row, or one whose `attempts` is null.
    """
    table = table_for(query, by, step=step)
    parts: list[tuple[Table, Span]] = [(table, span)]
    if table == "rollup":
        parts = _split(span)
    return tuple(_statement(query, part, where, tuple(by), step, measures, dialect) for part, where in parts)


def _split(span: Span) -> list[tuple[Table, Span]]:
    """Whole slots from the rollup, what sticks out at the ends from the attempts."""
    low, high = -(-span.start_us // SLOT_US) * SLOT_US, span.end_us // SLOT_US * SLOT_US
    if low >= high:
        return [("attempts", span)]
    parts: list[tuple[Table, Span]] = [("rollup", Span(low, high))]
    if span.start_us < low:
        parts.append(("attempts", Span(span.start_us, low)))
    if high < span.end_us:
        parts.append(("attempts", Span(high, span.end_us)))
    return parts


def _statement(
    query: UsageQuery,
    table: Table,
    span: Span,
    by: tuple[str, ...],
    step: Step | None,
    measures: tuple[str, ...],
    dialect: Dialect,
) -> tuple[str, dict[str, Value]]:
    filters, values = bind(query)
    values |= _time_values(table, span)
    runs = 1
    if step in ("hour", "day"):
        found = segments(query.tz, span.start_us // SLOT_US, -(-span.end_us // SLOT_US))
        runs = len(found)
        for number, (first, offset) in enumerate(found):
            values[f"offset_{number}"] = offset
            if number:
                values[f"change_{number}"] = first
    return build(Shape(table, measures, by, step, runs, filters), dialect), values


def bind(query: UsageQuery) -> tuple[_Filters, dict[str, Value]]:
    """A query's filters: their shape, and the values to bind."""
    scope = () if query.organization_id is None else (("organization", (query.organization_id,)),)
    shapes: list[tuple[str, int, bool]] = []
    values: dict[str, Value] = {}
    for name, wanted in (*query.filters(), *scope):
        given = [value for value in wanted if value is not None]
        shapes.append((name, len(given), len(given) < len(wanted)))
        values |= {f"{name}_{number}": value for number, value in enumerate(given)}
    return tuple(shapes), values


def _time_values(table: Table, span: Span) -> dict[str, Value]:
    if table == "rollup":
        return {"start": span.start_us // SLOT_US, "end": span.end_us // SLOT_US}
    return {"start": span.start_us, "end": span.end_us}


@lru_cache(maxsize=512)
def build(shape: Shape, dialect: Dialect = DIALECT) -> str:
    """The SQL of a shape. Values are bound by name."""
    keys: list[exp.Expr] = [] if shape.step is None else [exp.alias_(_bucket(shape), "bucket")]
    keys += [exp.alias_(_column(name), name) for name in shape.by]
    sums_of = [exp.alias_(_measure(shape.table, name), name) for name in shape.measures]
    statement = exp.select(*keys, *sums_of).from_(shape.table).where(*where(shape.table, shape.filters))
    if keys:
        statement = statement.group_by(*(exp.Literal.number(number + 1) for number in range(len(keys))))
    return _text(statement, dialect)


def _text(statement: exp.Select, dialect: Dialect) -> str:
    """Render; ClickHouse binds by name and type, and its `/` is of floats: it has a function for whole numbers."""
    if dialect == "clickhouse":
        for parameter in list(statement.find_all(exp.Parameter)):
            kind = exp.DataType.build(_clickhouse_type(parameter.name), dialect="clickhouse")
            parameter.replace(exp.Placeholder(this=parameter.name, kind=kind))
        for division in reversed(list(statement.find_all(exp.IntDiv))):  # the inner ones first
            division.replace(exp.Anonymous(this="intDiv", expressions=[division.this, division.expression]))
    return statement.sql(dialect)


def _clickhouse_type(name: str) -> str:
    whole = name == "at" or name.startswith(("start", "end", "offset", "change", "limit"))
    return "Int64" if whole else "String"


def where(table: Table, filters: _Filters) -> list[exp.Expr]:
    """The conditions of a span and its filters."""
    time = exp.column("slot" if table == "rollup" else "started_at_us")
    conditions: list[exp.Expr] = [
        exp.GTE(this=time, expression=_bound("start")),
        exp.LT(this=time.copy(), expression=_bound("end")),
    ]
    for name, count, unset in filters:
        choices: list[exp.Expr] = []
        if count:
            values = [_bound(f"{name}_{number}") for number in range(count)]
            choices.append(_column(name).isin(*values))
            if name == "pricing":  # disputed calls are priced ones, too: they are told by whose their cost is
                choices.append(exp.column("cost_source").isin(*values))
        if unset:
            choices.append(exp.Is(this=_column(name), expression=exp.null()))
        conditions.append(exp.or_(*choices))
    return conditions


def _bound(name: str) -> exp.Expr:
    return exp.Parameter(this=exp.Var(this=name))


def _column(name: str) -> exp.Column:
    return exp.column(_ATTEMPT_COLUMNS.get(name, name))


def _bucket(shape: Shape) -> exp.Expr:
    if shape.step == "minute":
        return _divided(exp.column("started_at_us"), MINUTE_US)
    slot = exp.column("slot") if shape.table == "rollup" else _divided(exp.column("started_at_us"), SLOT_US)
    if shape.runs == 1:
        return _local(slot, 0, shape.step)
    case = exp.Case()
    for number in range(1, shape.runs):
        case = case.when(
            exp.LT(this=slot.copy(), expression=_bound(f"change_{number}")), _local(slot, number - 1, shape.step)
        )
    return case.else_(_local(slot, shape.runs - 1, shape.step))


def _local(slot: exp.Expr, run: int, step: Step | None) -> exp.Expr:
    """The day number, or the slot in which the hour starts, in the zone's time of that run."""
    local = exp.Paren(this=exp.Add(this=slot.copy(), expression=_bound(f"offset_{run}")))
    if step == "day":
        return _divided(local, SLOTS_PER_DAY)
    hours = exp.Mul(this=_divided(local, SLOTS_PER_HOUR), expression=exp.Literal.number(SLOTS_PER_HOUR))
    return exp.Sub(this=hours, expression=_bound(f"offset_{run}"))


def _divided(value: exp.Expr, by: int) -> exp.Expr:
    return exp.Paren(this=exp.IntDiv(this=value, expression=exp.Literal.number(by)))


def _sum(value: exp.Expr) -> exp.Expr:
    return exp.Sum(this=value)


def _sum_if(column: str, wanted: str, value: exp.Expr) -> exp.Expr:
    condition = exp.EQ(this=exp.column(column), expression=exp.Literal.string(wanted))
    return _sum(exp.Case().when(condition, value).else_(exp.Literal.number(0)))


def _measure(table: Table, name: str) -> exp.Expr:
    calls = exp.column("calls" if table == "rollup" else "counts_call")
    if name == "failed_calls":
        return _sum_if("status", "failure", calls)
    if name == "unknown_calls":
        return _sum_if("status", "unknown", calls)
    if table == "rollup":
        return _sum(exp.column(name))
    if name == "attempts":
        return exp.Count(this=exp.Star())
    if name == "calls":
        return _sum(calls)
    kind, _, unit = name.partition("_")
    if unit == "calls":
        return _sum_if("pricing", kind, calls)
    if unit == "attempts":
        return _sum_if("pricing", kind, exp.Literal.number(1))
    if name.endswith("_known"):
        return exp.Count(this=exp.column(name.removesuffix("_known") + "_tokens"))
    return _sum(exp.column(name))


@lru_cache(maxsize=256)
def rows(
    columns: tuple[str, ...],
    filters: _Filters,
    *,
    calls_only: bool,
    newest_first: bool,
    after: bool,
) -> str:
    """Attempts in time order, at most `$limit` of them.

    Args:
        columns: Columns of `attempts`.
        filters: As in `Shape`.
        calls_only: Only deciding attempts: one row a call.
        newest_first: The order.
        after: Begin after the row named by `$at`, `$from_source` and `$from_event`.

    Returns:
        The SQL; it binds `$start`, `$end`, `$limit`, the filters and, with `after`, those three.
    """
    conditions = where("attempts", filters)
    if calls_only:
        conditions.append(exp.EQ(this=exp.column("counts_call"), expression=exp.Literal.number(1)))
    if after:
        conditions.append(_beyond(exp.LT if newest_first else exp.GT))
    order = [exp.Ordered(this=exp.column(name), desc=newest_first) for name in ("started_at_us", "source", "event_id")]
    statement = exp.select(*(exp.column(name) for name in columns)).from_("attempts").where(*conditions)
    return _text(statement.order_by(*order).limit(_bound("limit")), DIALECT)


def _beyond(than: type[exp.LT] | type[exp.GT]) -> exp.Expr:
    at, source, event = exp.column("started_at_us"), exp.column("source"), exp.column("event_id")
    return exp.or_(
        than(this=at, expression=_bound("at")),
        exp.and_(
            exp.EQ(this=at.copy(), expression=_bound("at")),
            exp.or_(
                than(this=source, expression=_bound("from_source")),
                exp.and_(
                    exp.EQ(this=source.copy(), expression=_bound("from_source")),
                    than(this=event, expression=_bound("from_event")),
                ),
            ),
        ),
    )


@lru_cache(maxsize=256)
def _aggregate(
    function: type[exp.Max] | type[exp.Count], filters: _Filters, calls_only: bool, newer: bool = False
) -> str:
    conditions = where("attempts", filters)
    if calls_only:
        conditions.append(exp.EQ(this=exp.column("counts_call"), expression=exp.Literal.number(1)))
    if newer:
        conditions.append(_beyond(exp.GT))
    value = exp.Max(this=exp.column("started_at_us")) if function is exp.Max else exp.Count(this=exp.Star())
    return _text(exp.select(value).from_("attempts").where(*conditions), DIALECT)


def newest(query: UsageQuery, span: Span) -> tuple[str, dict[str, Value]]:
    """The start of the newest attempt of a span, in microseconds; null when there is none."""
    filters, values = bind(query)
    return _aggregate(exp.Max, filters, False), values | _time_values("attempts", span)


def last_by_source(query: UsageQuery, end_us: int) -> tuple[str, dict[str, Value]]:
    """The newest start of each source before a time, in microseconds, newest first."""
    filters, values = bind(query)
    return _last_by_source(filters), values | _time_values("attempts", Span(0, end_us))


@lru_cache(maxsize=64)
def _last_by_source(filters: _Filters) -> str:
    source, last = exp.column("source"), exp.Max(this=exp.column("started_at_us"))
    statement = exp.select(source, exp.alias_(last, "last_us")).from_("attempts").where(*where("attempts", filters))
    newest_first = exp.Ordered(this=exp.column("last_us"), desc=True)
    return _text(statement.group_by(source.copy()).order_by(newest_first, source.copy()), DIALECT)


def unpriced_kinds(query: UsageQuery, span: Span) -> tuple[str, dict[str, Value]]:
    """The newest unpriced attempts of a span by all that a price may hang on, for the reason why they have none.

    Returns:
        One statement over `NEWEST_UNPRICED` attempts. Columns: provider, model, how many attempts, then the `KIND` of
        the oldest and of the newest of them.
    """
    filters, values = bind(query)
    return _unpriced_kinds(filters), values | _time_values("attempts", span)


@lru_cache(maxsize=64)
def _unpriced_kinds(filters: _Filters) -> str:
    names = ("provider", "model", "service_tier", "processing", "region")
    # of a count it matters whether it was reported, and whether anything was used
    keys = [*(exp.column(name) for name in names), *(exp.Sign(this=exp.column(name)) for name in USED)]
    example, time = exp.Tuple(expressions=[exp.column(name) for name in KIND]), exp.column("started_at_us")
    unpriced = exp.EQ(this=exp.column("pricing"), expression=exp.Literal.string("unpriced"))
    statement = exp.select(
        "provider",
        "model",
        exp.Count(this=exp.Star()),
        exp.ArgMin(this=example, expression=time),
        exp.ArgMax(this=example.copy(), expression=time.copy()),
    )
    newest = exp.select("provider", "model", *KIND).from_("attempts").where(*where("attempts", filters), unpriced)
    newest = newest.order_by(exp.Ordered(this=time.copy(), desc=True)).limit(NEWEST_UNPRICED)
    found = statement.from_(newest.subquery("newest")).group_by(*keys)
    return _text(found, DIALECT)


def count_rows(query: UsageQuery, span: Span, *, calls_only: bool) -> tuple[str, dict[str, Value]]:
    """How many rows `rows` gives over a span."""
    filters, values = bind(query)
    return _aggregate(exp.Count, filters, calls_only), values | _time_values("attempts", span)


def count_newer(query: UsageQuery, span: Span, **row: Value) -> tuple[str, dict[str, Value]]:
    """How many calls of a span are newer than a row, named by `at`, `from_source` and `from_event`."""
    filters, values = bind(query)
    return _aggregate(exp.Count, filters, True, newer=True), {**values, **_time_values("attempts", span), **row}


def values_of(query: UsageQuery, span: Span, **more: Value) -> Mapping[str, Value]:
    """The values that `rows` binds, beside its own."""
    return {**bind(query)[1], **_time_values("attempts", span), **more}


assert {*DIMENSIONS, "cost_source"} >= _ROLLUP_DIMENSIONS  # noqa: S101 - both lists name the same columns
