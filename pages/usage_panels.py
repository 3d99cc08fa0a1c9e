"""From answers to what the usage page's panels show: charts, lists, and the words beside and under them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from dash import html

from components import formats
from components.breakdown import Row, breakdown
from components.chart import unknown_plot
from components.timeline import Style, timeline
from data_sources.result import Empty, Ready, Result
from data_sources.usage.figures import minutes, why_no_cost
from data_sources.usage.provenance import moment
from data_sources.usage.query import to_parameters
from data_sources.usage.types import (
    Breakdown,
    Coverage,
    Dimension,
    Group,
    RequestPage,
    Timeseries,
    Totals,
    Unpriced,
    UsageQuery,
)

T = TypeVar("T")
REQUESTS = "/admin/llm/requests"
IS = {
    "calls": "Calls by when they began. A call stands where the attempt that decided it began.",
    "cost": "Known costs of all attempts, failed ones included, by when each began.",
    "providers": "Calls by the provider that decided them.",
    "levels": "Known costs of all attempts by the power level that was asked for.",
    "models": "Calls by the model that decided them, most first.",
    "unpriced": "Calls whose usage is reported and for which no price is known. They are in no cost.",
    "recent": "The newest calls with all their attempts. A call stands where the attempt that decided it began.",
}
LEVELS = ("eco", "balanced", "precision")
_GRAIN = {"minute": "per minute", "hour": "per hour", "day": "per day", "week": "per week", "month": "per month"}


@lru_cache(maxsize=4096)
def money(value: Decimal | None) -> str:
    """A cost in US dollars; a chart writes each of its costs twice."""
    return formats.money(value, "USD")


@lru_cache(maxsize=4096)
def number(value: int | Decimal | None) -> str:
    """A count."""
    return formats.number(value)


def seconds(at: datetime, tz: str) -> str:
    """A time with its day and seconds in a zone."""
    local = at.astimezone(ZoneInfo(tz))
    return f"{local.day} {local:%b} {local:%H:%M:%S}"


def missing_words(coverage: Coverage) -> str:
    """How much of a window was not collected."""
    return f"{minutes(coverage.window_s - coverage.collected_s)} not collected"


def name_of(dimension: Dimension | None, name: str | None) -> str:
    """A value as it is shown."""
    if name is not None:
        return name
    return "not set" if dimension in ("power_level", "status") else "not attributed"


# ---- where it comes from


def calls_address(query: UsageQuery) -> str:
    """The address of the calls that a figure is made of: the same window and filters."""
    return f"{REQUESTS}?{urlencode(to_parameters(query))}"


def behind(query: UsageQuery, words: str = "See the calls") -> html.A:
    """A link to the calls that a figure is made of."""
    return html.A(words, href=calls_address(query), **{"data-nav": ""})


def narrow(query: UsageQuery, **narrowed: tuple[str | None, ...]) -> UsageQuery:
    """The question with further filters, where it has none of that name."""
    more: dict[str, Any] = {name: values for name, values in narrowed.items() if not getattr(query, name)}
    return replace(query, **more)


def priced_words(priced: int | None, calls: int | None) -> str:
    """How much of the calls is priced: "94.9% of calls"."""
    if calls == 0:
        return "no calls"
    share = formats.share(priced, calls)
    return "not known" if share == formats.UNKNOWN else f"{share} of calls"


def computed(name: str, sums: Totals) -> dict[str, str]:
    """The rows of a panel's information that say how it is computed and how much of it is priced."""
    return {"Is": IS[name], "Priced": priced_words(sums.priced_calls, sums.calls)}


# ---- nothing there


def nothing(coverage: Coverage | None, query: UsageQuery) -> tuple[str, str]:
    """Title and sentence where no call is: a true zero only where collection ran."""
    filtered = "No call matches the filters. " if query.filters() else ""
    if coverage is None:
        return "0 calls in this window", f"{filtered}The source does not say for how much of it usage was collected."
    if not coverage.collected_s:
        why = "The console was not listening in this window, and no import covers it."
        return ("No matching calls known", filtered + why) if filtered else ("No usage data yet", why)
    if coverage.complete:
        true_zero = "Collection ran the whole time and none arrived, so this is a true zero."
        return (
            "0 calls in this window",
            filtered + true_zero if not filtered else filtered + "Collection ran the whole time.",
        )
    return (
        "0 calls in this window",
        f"{filtered}Collection did not run for {missing_words(coverage).split(' not ')[0]} of it.",
    )


def or_empty(result: Result[T], told: Callable[[T], tuple[Totals, Coverage | None]], query: UsageQuery) -> Result[T]:
    """The empty look in place of an answer without any call."""
    if not isinstance(result, Ready):
        return result
    sums, coverage = told(result.value)
    if sums.attempts != 0:
        return result
    return Empty(*nothing(coverage, query), result.provenance)


def no_requests(result: Ready[RequestPage], query: UsageQuery) -> Empty:
    """The empty look of the list of calls."""
    found = result.value
    if found.kept_since is not None and found.total_calls != 0:  # calls were there, and may still be counted
        there = _are_in_the_window(found)
        return Empty("No requests kept", " ".join(words for words in (there, found.reason) if words), result.provenance)
    why = "No call in this window matches the filters." if query.filters() else "No call is in this window."
    if found.total_calls is None and not query.filters():
        why = "No call of this window is known."
    elsewhere = (
        [found.reason] if found.reason and found.total_calls == 0 else []
    )  # attempts, of calls that others decided
    return Empty("No requests", " ".join([why, *elsewhere, *result.provenance.notes]), result.provenance)


def _are_in_the_window(found: RequestPage) -> str | None:
    """How many calls the list would have, were all kept."""
    count = found.total_calls
    if count is None:
        return None
    return f"{formats.number(count)} call{' is' if count == 1 else 's are'} in this window."


def _kept_words(found: RequestPage) -> str | None:
    """Where the list ends before its window begins."""
    if found.kept_since is None:
        return None
    since = f"Single calls are kept since {moment(found.kept_since, found.window.tz)}; the list ends there."
    return " ".join(words for words in (_are_in_the_window(found), since) if words)


# ---- charts


def _si(most: float) -> tuple[str, str]:
    return ("~s" if most >= 10_000 else ",.0f" if most >= 4 else "~g"), ""


def _dollars(most: float) -> tuple[str, str]:
    if most >= 10_000:
        return "~s", "$"
    return (",.2~f" if most >= 0.05 else ".6~f"), "$"


CALLS = Style(lambda sums: sums.calls, number, "Calls", _si, "calls not known")
COST = Style(lambda sums: sums.measured_cost, money, "Cost, USD", _dollars, "cost not known")


def calls_chart(series: Timeseries) -> html.Figure:
    """Calls over time."""
    caption = f"Calls {_GRAIN[series.granularity]}: {formats.number(series.total.calls)} in all."
    return timeline(series, CALLS, name_of=lambda group: name_of("provider", group.name), caption=caption)


def cost_chart(series: Timeseries) -> Any:
    """Cost over time; the whole plot is hatched where no cost is known."""
    if series.total.cost is None:
        return unknown_plot("No cost is known", why_no_cost(series.total) or "")
    caption = f"Cost {_GRAIN[series.granularity]}: {money(series.total.cost)} in all."
    return timeline(series, COST, name_of=lambda group: name_of("provider", group.name), caption=caption)


def grain_words(series: Timeseries) -> str:
    """The words beside the title of the calls chart."""
    return f"{_GRAIN[series.granularity]}, by provider"


def cost_grain_words(series: Timeseries) -> str:
    """The words beside the title of the cost chart."""
    return f"USD {_GRAIN[series.granularity]}, by provider"


def series_foot(series: Timeseries) -> str | None:
    """What of the window was not collected, in words."""
    coverage = series.coverage
    if coverage is None or not coverage.gaps:
        return None
    named = [
        f"{seconds(low, series.window.tz)} to {seconds(high, series.window.tz)}" for low, high in coverage.gaps[:2]
    ]
    more = f", and {len(coverage.gaps) - 2} more" if len(coverage.gaps) > 2 else ""
    return f"Not collected: {'; '.join(named)}{more}."


def cost_foot(series: Timeseries) -> str | None:
    """How much of the cost is known."""
    return _unpriced(series.total) if series.total.cost is not None else None


def _unpriced(sums: Totals) -> str | None:
    if not sums.unpriced_attempts:
        return None
    return f"At least: {formats.number(sums.unpriced_attempts)} of {formats.number(sums.attempts)} attempts unpriced."


# ---- lists


def _key(group: Group) -> str:
    return "" if group.name is None else group.name


def _rest(count: int | None) -> str:
    return "Other" if count is None else f"Other ({formats.number(count)})"


def calls_list(found: Breakdown) -> html.Ul:
    """Values by calls, most first; what has no value and the rest are listed too."""
    rows = [*found.groups, *([found.other] if found.other else [])]
    whole = found.total.calls
    most = max((group.sums.calls or 0 for group in rows if group.sums.calls is not None), default=0)
    listed = []
    for group in rows:
        is_rest = group is found.other
        count = group.sums.calls
        listed.append(
            Row(
                name=_rest(found.other_groups) if is_rest else name_of(found.dimension, group.name),
                hue=group.hue,
                value=formats.compact(count),
                share=_sent(group.percentage) if whole is None else formats.share(count, whole),
                length=None if count is None else count / most if most else 0.0,
                ink=group.name is None and not is_rest,
                keep=None if is_rest else (found.dimension, _key(group)),
            )
        )
    return breakdown(listed, label=f"Calls by {found.dimension.replace('_', ' ')}")


def _sent(percentage: float | None) -> str:
    """A share that the source sends, where it sends no whole to compute it from."""
    return formats.UNKNOWN if percentage is None else formats.share(Decimal(repr(percentage)), 100)


def _cost_share(group: Group, amount: Decimal | None, total: Totals) -> str:
    return _sent(group.cost_percentage) if total.cost is None else formats.share(amount, total.cost)


def _level_order(group: Group) -> tuple[int, str]:
    if group.name in LEVELS:
        return LEVELS.index(group.name), ""
    return (len(LEVELS) + 1, "") if group.name is None else (len(LEVELS), group.name)


def cost_list(found: Breakdown) -> html.Ul:
    """Power levels by cost, in their own order; an unknown cost is hatched and says why."""
    rows: Sequence[Group] = sorted(found.groups, key=_level_order)
    rows = [*rows, *([found.other] if found.other else [])]
    costs = [group.sums.measured_cost for group in rows]
    most = max((amount for amount in costs if amount is not None), default=Decimal(0))
    listed = []
    for group, amount in zip(rows, costs, strict=True):
        is_rest = group is found.other
        unpriced = bool(group.sums.unpriced_attempts)
        why = None
        if amount is None:
            told = group.sums.unpriced_attempts is not None
            why = "unpriced" if unpriced else "unmetered" if told else "not sent"
        listed.append(
            Row(
                name=_rest(found.other_groups) if is_rest else name_of(found.dimension, group.name),
                hue=group.hue,
                value=("at least " if unpriced and amount is not None else "") + money(amount),
                share=why or _cost_share(group, amount, found.total),
                length=None if amount is None else float(amount / most) if most else 0.0,
                ink=group.name is None and not is_rest,
                step=LEVELS.index(group.name) if group.name in LEVELS else None,
                keep=None if is_rest else (found.dimension, _key(group)),
                reason=why_no_cost(group.sums),
            )
        )
    return breakdown(listed, label="Cost by power level")


def models_sub(found: Breakdown) -> str:
    """How many of the models are shown, as the words under the list say it: "calls, 10 of 37"."""
    if found.total_groups is None or not found.groups:
        return "calls"
    return f"calls, {formats.number(len(found.groups))} of {formats.number(found.total_groups)}"


def list_foot(found: Breakdown) -> str:
    """How whole a list is."""
    shown = "All shown."
    if found.other is not None:
        total = "" if found.total_groups is None else f" of {formats.number(found.total_groups)}"
        shown = f"Showing {formats.number(len(found.groups))}{total}, the rest in Other."
    elif found.total_groups is None:
        shown = f"Showing the {formats.number(len(found.groups))} that the source sent."
    return f"{shown} {_sum_words(found)}"


def _sum_words(found: Breakdown) -> str:
    """Whether the listed calls add up to the total, as far as the source tells both."""
    counts = [group.sums.calls for group in (*found.groups, *([found.other] if found.other else []))]
    if found.total.calls is None:
        sent = any(group.percentage is not None for group in found.groups)
        return f"It sent no total{', and shares are its own' if sent else ', so there are no shares'}."
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return "Some counts are not known, so they do not add up."
    if sum(known) == found.total.calls:
        return "Sum equals the total."
    return f"The sum is {formats.number(sum(known))}, the total {formats.number(found.total.calls)}."


def cost_list_foot(found: Breakdown) -> str:
    """What the shares are of."""
    rows = (*found.groups, *([found.other] if found.other else []))
    if found.total.cost is None and any(row.sums.measured_cost is not None for row in rows):
        sent = any(row.cost_percentage is not None for row in rows)
        return f"The source sent no total cost{', and shares are its own' if sent else ', so there are no shares'}."
    if found.total.cost is None:
        return "No cost is known, so there are no shares."
    return " ".join(part for part in ("Shares are of the priced cost.", _unpriced(found.total)) if part)


def unpriced_or_empty(result: Result[Unpriced], query: UsageQuery) -> Result[Unpriced]:
    """The empty look in place of an answer without an unpriced call."""
    found = or_empty(result, lambda value: (value.total, value.coverage), query)
    if not isinstance(found, Ready) or found.value.models:
        return found
    return Empty(
        "Every call with usage has a price", "Nothing is missing in the costs of this window.", found.provenance
    )


def unpriced_sub(found: Unpriced) -> str:
    """How much of the window's calls it is."""
    return f"{formats.counted(found.calls, 'call')}, {formats.share(found.calls, found.total.calls)} of all"


def unpriced_foot(found: Unpriced) -> str | None:
    """How whole the list is."""
    if len(found.models) == found.total_models:
        return "All shown. These calls are in no cost."
    return f"Showing {formats.number(len(found.models))} of {formats.number(found.total_models)} models."


def left_out_words(columns: Sequence[str]) -> str | None:
    """Names the columns that no row fills."""
    return f"Columns left out because no row has them: {', '.join(columns)}." if columns else None


def requests_foot(found: RequestPage, columns: Sequence[str], *, filtered: bool) -> str | None:
    """Where it ends early, what it leaves out, and what it shows beyond the filters: sums that are not the figures'."""
    tries = filtered or any(len(row.attempts) > 1 for row in found.requests)
    whole = "Each call stands with all its attempts, those outside the filter or the window too." if tries else None
    return " ".join(words for words in (_kept_words(found), left_out_words(columns), whole) if words) or None


def options(found: Breakdown) -> list[dict[str, str]]:
    """The choices of a filter: each value, and "not set" where calls have none."""
    return [
        {"label": name_of(found.dimension, group.name), "value": "n:" if group.name is None else f"v:{group.name}"}
        for group in found.groups
    ]
