"""From the sums of one question to the answers of the protocol: summary, breakdown, buckets, what has no price."""

from __future__ import annotations

from dataclasses import replace

from data_sources.result import Provenance
from data_sources.usage import sql
from data_sources.usage.ask import Ask, ExpiredError
from data_sources.usage.figures import (
    NOT_LISTENING,
    ZERO,
    add,
    cost_percentage,
    figures_of,
    growth_of,
    percentage,
    sums_of,
    total,
)
from data_sources.usage.pricing import PriceBook
from data_sources.usage.provenance import provenance
from data_sources.usage.types import (
    Breakdown,
    Bucket,
    Coverage,
    Dimension,
    Figures,
    Granularity,
    Group,
    Latency,
    RequestPage,
    Summary,
    Sums,
    Timeseries,
    Unpriced,
)
from data_sources.usage.unpriced import BY, reasons, unpriced_models
from data_sources.usage.windows import Grid, Span, auto_granularity, from_us, grid, to_us

_NO_LATENCY = Latency(None, None, None, None)


def counted(ask: Ask, page: RequestPage, coverage: Coverage) -> RequestPage:
    """A page of calls that says how many the window has, None where that is not known, and why not all are listed."""
    count: int | None = None
    try:
        total = ask.total(ask.span)
        # of a time without collection and without attempts nothing is known
        count = total.calls if total.attempts or coverage.collected_s else None
        ask.need_attempts(ask.span)
    except ExpiredError as error:
        return replace(page, total_calls=count, kept_since=error.kept_since, reason=str(error))
    reason = NOT_LISTENING if count is None else _others_calls(total.attempts) if not count else None
    return replace(page, total_calls=count, reason=reason)


def _others_calls(attempts: int) -> str | None:
    """Where the attempts of a window without calls stand: a call is where the attempt that decided it is."""
    if not attempts:
        return None
    if attempts == 1:
        return "1 attempt is there; the attempt that decided its call is not. The export has every attempt."
    return f"{attempts:,} attempts are there; those that decided their calls are not. The export has every attempt."


def _figures(ask: Ask, read: Span, sums: Sums, coverage: Coverage, *, split: bool) -> Figures:
    """The figures of a span; without percentiles where its attempts are no longer kept."""
    try:
        return figures_of(sums, ask.latency(read), coverage, split=split)
    except ExpiredError as error:
        found = figures_of(sums, _NO_LATENCY, coverage, split=split)
        why = dict.fromkeys(("latency_ms.p50", "latency_ms.p95", "latency_ms.p99"), str(error))
        return replace(found, reasons={**found.reasons, **why})


def summary(ask: Ask) -> tuple[Summary, Provenance]:
    """All figures of the window and of the period before."""
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


def unpriced(ask: Ask, prices: PriceBook, limit: int | None) -> tuple[Unpriced, Provenance]:
    """The models with usage that has no price, `limit` of them, and why."""
    whole = ask.total(ask.span)
    why = reasons(ask.rows([sql.unpriced_kinds(ask.query, ask.kept_span())]), prices)
    models = unpriced_models(ask.by(*BY), why)
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


def breakdown(ask: Ask, dimension: Dimension, limit: int | None) -> tuple[Breakdown, Provenance]:
    """The window by the values of one dimension, most calls first; what `limit` cuts away is in `other`."""
    found: dict[str | None, Sums] = {}
    for name, *measures in ask.by(dimension):
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
    parts: dict[str | None, dict[int, list[Sums]]] = {}  # a week has seven
    for key, *row in ask.rows(ask.sums(ask.span, by=by, step=_STEPS[buckets.granularity])):
        sums = sums_of(row[len(by) :])
        if sums.attempts:
            line = parts.setdefault(row[0] if by else None, {})
            line.setdefault(buckets.index[key], []).append(sums)
    cells: _Cells = {name: {place: total(each) for place, each in line.items()} for name, line in parts.items()}
    lines = cells.values()
    columns = [total(line[place] for line in lines if place in line) for place in range(len(buckets.edges))]
    return cells, {name: total(line.values()) for name, line in cells.items()}, columns


def _begun(ask: Ask, buckets: Grid, columns: list[Sums]) -> int:
    """How many buckets to tell: a minute that has not begun is no zero, unless a clock ahead of ours sent some."""
    now_us, count = to_us(ask.now), len(buckets.edges)
    while count and buckets.edges[count - 1][0] > now_us and not columns[count - 1].attempts:
        count -= 1
    return count


def timeseries(
    ask: Ask, granularity: Granularity | None, group_by: Dimension | None, limit: int | None
) -> tuple[Timeseries, Provenance]:
    """The window in buckets that tile it; without a granularity in those that suit its length."""
    grain = granularity or auto_granularity(ask.window)
    buckets = grid(ask.window, ask.span, grain)
    by = (group_by,) if group_by else ()
    # the sums depend on the data alone, the state of a bucket also on the time now
    cells, found, columns = ask.kept(("cells", ask.query, ask.span, grain, by), lambda: _cells(ask, buckets, by))
    whole = total(found.values())
    groups, other, rest = _groups(ask, group_by, found, whole, limit) if group_by else ([], None, [])
    newest, collected = ask.newest(), ask.collected()
    drawn = []
    for place, (start_us, end_us) in enumerate(buckets.edges[: _begun(ask, buckets, columns)]):
        sums = columns[place]
        state, seconds = collected.state(start_us, end_us, has_events=bool(sums.attempts))
        known = state != "not_collected"
        # of a time in which nobody listened only what came later is known: who sent nothing then is not known to be 0
        absent = ZERO if seconds else None
        beyond = [cells[name][place] for name in rest if place in cells[name]]
        cut = (total(beyond) if beyond else absent) if rest and known else None
        series = tuple(cells[group.name].get(place, absent) if known else None for group in groups)
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
