"""The words of the usage page's strip: each figure with its change against the period before, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dash.development.base_component import Component

from components import formats
from components.figures import Figure, waiting_strip
from components.parts import provenance
from data_sources.result import Provenance
from data_sources.usage.figures import minutes
from data_sources.usage.provenance import window_words
from data_sources.usage.types import Summary, UsageQuery, Window
from pages.usage_panels import behind, narrow, priced_words, seconds

USD = "USD"


def money(value: Decimal | None) -> str:
    """A cost in US dollars."""
    return formats.money(value, USD)


def strip_figures(summary: Summary, told: Provenance, query: UsageQuery, quota: Figure | None = None) -> list[Figure]:
    """The figures of a summary in their order.

    Args:
        summary: One answer: all figures come from it.
        told: Its provenance.
        query: Its question, for the links to the calls behind each figure.
        quota: The quota's figure, when a quota is set.
    """
    made = [make(summary, told, query) for make in FIGURES]
    made[-1] = replace(made[-1], wide=True)  # three percentiles do not fit into one column
    return made if quota is None else [*made, quota]


def info(
    definition: str,
    summary: Summary,
    told: Provenance,
    query: UsageQuery,
    *,
    statements: bool = False,
    more: Sequence[Component] = (),
    **extra: str,
) -> Any:
    """The popover of a figure: what it is, where it comes from, and a link to the calls behind it.

    Args:
        definition: How it is computed.
        summary: The answer that it is of.
        told: Its provenance.
        query: Asks for the calls behind it.
        statements: Whether to show what was asked of the source.
        more: Further links.
        **extra: More rows.
    """
    priced = priced_words(summary.figures.priced_calls, summary.figures.total_calls)
    rows = {"Is": definition, **extra, "Priced": priced, "Before": window_words(summary.previous_window)}
    if summary.last_events:
        rows["Last events"] = last_events_words(summary, query)
    shown = told if statements else replace(told, query="")
    return provenance(shown, extra=rows, more=[behind(query), *more])


def last_events_words(summary: Summary, query: UsageQuery) -> str:
    """When each source was last heard of, for a window that has nothing of it."""
    return ", ".join(f"{last.source} {seconds(last.started_at, query.tz)}" for last in summary.last_events)


def _change(
    summary: Summary, name: str, now: Decimal | int | None, before: Decimal | int | None, words: Callable[[Any], str]
) -> tuple[str, str]:
    """The change and its base in words: ("↓ 8.0%", "from 14,484"), or ("", why there is none)."""
    why = summary.growth.reasons.get(name)
    if why is not None:
        # a zero is a base only of a time that was listened to from end to end
        listened = summary.previous_coverage
        true_zero = before == 0 and listened is not None and listened.collected_s > 0 and listened.complete
        return "", "from 0" if true_zero else why.removesuffix(".")
    reported: float | None = getattr(summary.growth, name)
    if before is None and reported is not None:
        return formats.change_percent(Decimal(repr(reported))), "reported, base not sent"
    return formats.change(now, before)[0], f"from {words(before)}"


def _figure(
    name: str, label: str, values: list[tuple[str, str, str]], reason: str | None, change: tuple[str, str], **more: Any
) -> Figure:
    return Figure(f"usage-{name}", label, values, reason or "", change=change[0], base=change[1], **more)


def _count(value: int | None) -> list[tuple[str, str, str]]:
    return [] if value is None else [(*formats.figure(value), "")]


def _listened(summary: Summary) -> str:
    """For how much of a window without any attempt we listened, unless all of it: its zeros are only of that."""
    coverage = summary.coverage
    if summary.figures.total_attempts != 0 or coverage is None or coverage.complete:
        return ""
    return f"Only {minutes(coverage.collected_s)} of {minutes(coverage.window_s)} collected"


def _calls(summary: Summary, told: Provenance, query: UsageQuery) -> Figure:
    now, before = summary.figures, summary.previous
    attempts = now.total_attempts
    notes = "" if attempts is None else formats.counted(attempts, "attempt")
    if attempts == 0:
        last = f"last event: {last_events_words(summary, query)}" if summary.last_events else ""
        notes = "; ".join(words for words in (_listened(summary), last) if words) or notes
    return _figure(
        "fig-calls",
        "Calls",
        _count(now.total_calls),
        now.reasons.get("total_calls"),
        _change(summary, "calls", now.total_calls, before.total_calls, formats.compact),
        notes=notes,
        info=info(
            "What clients asked for. A call that was tried again counts once; its tries are attempts.",
            summary,
            told,
            query,
            statements=True,
            Exactly=formats.number(now.total_calls),
        ),
    )


def _disputed(summary: Summary, query: UsageQuery) -> list[Component]:
    """A link to the calls whose reported cost differs from the price."""
    count = summary.basis.disputed_calls if summary.basis else 0
    if not count or query.pricing:
        return []
    words = f"See the {'disputed call' if count == 1 else f'{formats.number(count)} disputed calls'}"
    return [behind(narrow(query, pricing=("disputed",)), words)]


def _cost(summary: Summary, told: Provenance, query: UsageQuery) -> Figure:
    now, before = summary.figures, summary.previous
    share = formats.share(now.priced_calls, now.total_calls)
    partly = bool(now.unpriced_attempts) and now.total_cost is not None
    notes = _listened(summary)
    if now.total_calls and now.total_cost is not None:
        words = "how much is priced was not sent" if now.priced_calls is None else f"{share} of calls priced"
        notes = f"{'at least: ' if partly else ''}{words}"
    return _figure(
        "fig-cost",
        "Cost",
        [] if now.total_cost is None else [(money(now.total_cost), "", "")],
        now.reasons.get("total_cost"),
        _change(summary, "cost", now.total_cost, before.total_cost, money),
        notes=notes,
        partly=partly,
        info=info(
            "Sum of the known costs, as reported by the sender, else computed from the model's price on that day.",
            summary,
            told,
            query,
            more=_disputed(summary, query),
            Exactly="not known" if now.total_cost is None else f"{format(now.total_cost, 'f')} USD",
        ),
    )


def _average(summary: Summary, told: Provenance, query: UsageQuery) -> Figure:
    now, before = summary.figures, summary.previous
    return _figure(
        "fig-average",
        "Average cost",
        [] if now.avg_cost_per_call is None else [(money(now.avg_cost_per_call), "", "")],
        now.reasons.get("avg_cost_per_call"),
        _change(summary, "avg_cost", now.avg_cost_per_call, before.avg_cost_per_call, money),
        notes="" if now.avg_cost_per_call is None else "per priced call",
        info=info(
            "Known cost, failed tries included, divided by the calls that are priced.",
            summary,
            told,
            narrow(query, pricing=("priced",)),
        ),
    )


def _errors(summary: Summary, told: Provenance, query: UsageQuery) -> Figure:
    now, before = summary.figures, summary.previous
    rate = None if now.error_rate is None else Decimal(repr(now.error_rate))
    notes = "" if now.failed_calls is None else f"{formats.number(now.failed_calls)} failed"
    if notes and now.unknown_calls and now.total_calls is not None:
        notes = f"{notes} of {formats.number(now.total_calls - now.unknown_calls)} whose end is known"
    return _figure(
        "fig-errors",
        "Error rate",
        [] if rate is None else [(formats.share(rate, 1), "", "")],
        now.reasons.get("error_rate"),
        _points(summary, now.error_rate, before.error_rate),
        notes=notes,
        info=info(
            "Calls that failed, of the calls whose end is known. The link opens those that failed.",
            summary,
            told,
            narrow(query, status=("failure",)),
        ),
    )


def _points(summary: Summary, now: float | None, before: float | None) -> tuple[str, str]:
    why = summary.growth.reasons.get("calls")
    if why is not None:
        return "", why.removesuffix(".")
    if before is None:
        return "", "Not known for the period before"
    if now is None:
        return "", ""
    points = 100 * (now - before)
    words = "no change" if abs(points) < 0.05 else f"{'↑' if points > 0 else '↓'} {abs(points):.1f} points"
    return words, f"from {formats.share(Decimal(repr(before)), 1)}"


def _input(summary: Summary, told: Provenance, query: UsageQuery) -> Figure:
    now, before = summary.figures, summary.previous
    cached = now.tokens.cache_read
    cache = "Reads from cache not reported" if cached is None else f"{formats.compact(cached)} of them from cache"
    notes = _listened(summary) or cache
    return _figure(
        "fig-input",
        "Input tokens",
        _count(now.tokens.input),
        now.reasons.get("tokens.input"),
        _change(summary, "input_tokens", now.tokens.input, before.tokens.input, formats.compact),
        notes=notes if now.tokens.input is not None else "",
        info=info(
            "Tokens sent to models, those read from or written to a cache included.",
            summary,
            told,
            query,
            Exactly=formats.number(now.tokens.input),
            Cached=formats.number(cached),
        ),
    )


def _output(summary: Summary, told: Provenance, query: UsageQuery) -> Figure:
    now, before = summary.figures, summary.previous
    thought = now.tokens.reasoning
    thinking = "Reasoning not reported" if thought is None else f"{formats.compact(thought)} of them reasoning"
    notes = _listened(summary) or thinking
    return _figure(
        "fig-output",
        "Output tokens",
        _count(now.tokens.output),
        now.reasons.get("tokens.output"),
        _change(summary, "output_tokens", now.tokens.output, before.tokens.output, formats.compact),
        notes=notes if now.tokens.output is not None else "",
        info=info(
            "Tokens that models answered with, reasoning included.",
            summary,
            told,
            query,
            Exactly=formats.number(now.tokens.output),
        ),
    )


def _latency(summary: Summary, told: Provenance, query: UsageQuery) -> Figure:
    now, before = summary.figures.latency, summary.previous.latency
    known = ((now.p50, "p50"), (now.p95, "p95"), (now.p99, "p99"))
    values = [_duration(value, small) for value, small in known if value is not None]
    change = _change(summary, "latency_p95", now.p95, before.p95, formats.duration_ms)
    notes = "" if now.calls is None else f"{formats.number(now.calls)} calls with a duration"
    return _figure(
        "fig-latency",
        "Latency",
        values,
        summary.figures.reasons.get("latency_ms.p95"),
        (f"p95 {change[0]}" if change[0] else "", change[1]),
        notes=notes if values else "",
        info=info(
            "What clients waited, from a call's first start to its end. Exact percentiles by nearest rank.",
            summary,
            told,
            query,
        ),
    )


def _duration(value_ms: int, small: str) -> tuple[str, str, str]:
    number, _, unit = formats.duration_ms(value_ms).partition(formats.NBSP)
    return number, unit, small


def quota_figure(month: Summary | None, told: Provenance | None, query: UsageQuery, quota: int, reason: str) -> Figure:
    """How much of the monthly quota of calls is used.

    Args:
        month: The calendar month so far, without filters; None where it could not be read.
        told: Its provenance.
        query: Its question.
        quota: Calls a month.
        reason: Why it is not known.
    """
    calls = None if month is None else month.figures.total_calls
    if month is None or told is None or calls is None:
        why = reason if month is None else month.figures.reasons.get("total_calls", reason)
        return Figure("usage-fig-quota", "Quota used", reason=why, info=why)
    if not _is_this_month(month.window):
        why = "The usage API does not confirm that it counted this calendar month, so there is no share of the quota."
        return Figure("usage-fig-quota", "Quota used", reason=why, info=why)
    return Figure(
        "usage-fig-quota",
        "Quota used",
        [(formats.share(calls, quota), "", "")],
        base="this calendar month",
        notes=f"{formats.number(calls)} of {formats.number(quota)} calls",
        info=provenance(
            replace(told, query=""),
            extra={
                "Is": "Calls of the calendar month, whatever the range and the filters, of OPS_QUOTA_CALLS_PER_MONTH."
            },
            more=behind(query),
        ),
    )


def _is_this_month(window: Window) -> bool:
    """Whether a window is known to be one calendar month up to now: a source may answer for another than was asked."""
    zone = ZoneInfo(window.tz)
    start = window.start.astimezone(zone)
    last = max(window.start, window.end - timedelta(microseconds=1)).astimezone(zone)
    begins = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return window.confirmed and start == begins and (start.year, start.month) == (last.year, last.month)


FIGURES = (_calls, _cost, _average, _errors, _input, _output, _latency)


def waiting(*, quota: bool) -> Component:
    """The strip before its figures come, with the quota's place where one is set."""
    return waiting_strip([*(make is _latency for make in FIGURES), *([False] if quota else [])])
