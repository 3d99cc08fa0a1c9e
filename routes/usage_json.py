"""Usage figures as JSON: amounts are decimal strings in US dollars, unknown is null with its sentence in `reasons`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from data_sources.result import Provenance, Ready
from data_sources.usage.costs import CostBasis
from data_sources.usage.figures import why_no_cost
from data_sources.usage.types import (
    LISTS,
    NOT_SENT,
    AttemptRow,
    Breakdown,
    Bucket,
    CallFacts,
    Coverage,
    Figures,
    Group,
    RequestPage,
    RequestRow,
    Summary,
    Timeseries,
    Tokens,
    Totals,
    Unpriced,
    UsageQuery,
    Version,
    Window,
)

NOT_COLLECTED = "We were not listening in this time."


def amount(value: Decimal | None) -> str | None:
    """Money as plain digits without trailing zeros, None as null."""
    if value is None:
        return None
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def time(at: datetime | None) -> str | None:
    """A time in UTC: `2026-11-22T14:02:10Z`."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def window(value: Window) -> dict[str, Any]:
    """A window, echoed with every answer; `confirmed` false where the source behind us did not say that it is its."""
    found = {"start": time(value.start), "end": time(value.end), "tz": value.tz, "range": value.name}
    return found if value.confirmed else found | {"confirmed": False}


def tokens(value: Tokens) -> dict[str, int | None]:
    """Token counts."""
    return {
        "input": value.input,
        "output": value.output,
        "cache_read": value.cache_read,
        "cache_write": value.cache_write,
        "reasoning": value.reasoning,
    }


def filters(query: UsageQuery) -> dict[str, Any]:
    """The filters that are set and the organization, echoed: what an answer is limited to, and nothing else."""
    found: dict[str, Any] = {name: list(values) for name, values in query.filters()}
    return found if query.organization_id is None else found | {"organization": query.organization_id}


def told(found: Ready[Any], query: UsageQuery | None = None) -> dict[str, Any]:
    """What stands beside every answer: what it is limited to, what to know before relying on it, whether it is old.

    Args:
        found: The answer.
        query: Its question; None where it takes no filters.
    """
    source = found.provenance
    limits = {} if query is None else {"filters": confirmed_filters(source, query)}
    return {**limits, "notes": list(source.notes), **_stale(found)}


def confirmed_filters(source: Provenance, query: UsageQuery) -> dict[str, Any] | None:
    """The filters, echoed; None where the source behind us did not say that it used them: a reader relies on these."""
    return None if "filters" in source.unconfirmed else filters(query)


def _stale(found: Ready[Any]) -> dict[str, Any]:
    """Why an answer is the last good one and from when; nothing for one that was just made."""
    if found.stale is None:
        return {}
    why = {"title": found.stale.title, "detail": found.stale.detail, "failed_at": time(found.stale.at)}
    return {"stale": why | {"fetched_at": time(found.provenance.fetched_at)}}


def coverage(value: Coverage) -> dict[str, Any]:
    """For how much of a window we listened."""
    return {
        "complete": value.complete,
        "window_seconds": value.window_s,
        "collected_seconds": value.collected_s,
        "window_minutes": int(value.window_s // 60),
        "collected_minutes": value.collected_minutes,
        "gaps": [{"start": time(start), "end": time(end)} for start, end in value.gaps],
        "collecting_since": time(value.collecting_since),
    }


def _told(value: Coverage | None) -> dict[str, Any] | None:
    """A coverage, null where the source does not say."""
    return None if value is None else coverage(value)


def _basis(value: CostBasis | None, sums: tuple[int | None, int | None]) -> dict[str, Any] | None:
    """Whose the costs of a total are; null where the source does not say.

    Args:
        value: By origin.
        sums: Priced calls and all calls.
    """
    if value is None:
        return None
    priced, calls = sums
    return {
        "priced_percentage": 100 * priced / calls if priced is not None and calls else None,
        "sources": [
            {
                "source": part.kind,
                **({} if part.version is None else {"version": part.version}),
                "attempts": part.attempts,
                "calls": part.calls,
                "cost": amount(part.cost),
            }
            for part in value.parts
        ],
        "price_versions": list(value.price_versions),
        "disputed_calls": value.disputed_calls,
        "disputed_attempts": value.disputed_attempts,
    }


def _figures(value: Figures) -> dict[str, Any]:
    latency = value.latency
    return {
        "total_calls": value.total_calls,
        "total_attempts": value.total_attempts,
        "failed_calls": value.failed_calls,
        "unknown_calls": value.unknown_calls,
        "priced_calls": value.priced_calls,
        "unpriced_calls": value.unpriced_calls,
        "unmetered_calls": value.unmetered_calls,
        "unpriced_attempts": value.unpriced_attempts,
        "total_cost": amount(value.total_cost),
        "avg_cost_per_call": amount(value.avg_cost_per_call),
        "currency": "USD",
        "error_rate": value.error_rate,
        "tokens": tokens(value.tokens),
        "reports": tokens(value.reports),
        "latency_ms": {"p50": latency.p50, "p95": latency.p95, "p99": latency.p99, "calls": latency.calls},
    }


def summary(value: Summary) -> dict[str, Any]:
    """All figures of a window beside those of the period before."""
    growth, why = value.growth, value.figures.reasons.get("total_calls", NOT_SENT)
    return {
        "window": window(value.window),
        **_figures(value.figures),
        "growth": {
            "calls": growth.calls,
            "cost": growth.cost,
            "avg_cost": growth.avg_cost,
            "input_tokens": growth.input_tokens,
            "output_tokens": growth.output_tokens,
            "latency_p95": growth.latency_p95,
        },
        "previous": {
            "window": window(value.previous_window),
            **_figures(value.previous),
            "coverage": _told(value.previous_coverage),
            "reasons": dict(value.previous.reasons),
        },
        "disputed_calls": None if value.basis is None else value.basis.disputed_calls,
        "cost_basis": _basis(value.basis, (value.figures.priced_calls, value.figures.total_calls)),
        "coverage": _told(value.coverage),
        "data_as_of": time(value.data_as_of),
        "last_events": [{"source": last.source, "started_at": time(last.started_at)} for last in value.last_events],
        "reasons": {
            **({} if value.basis else dict.fromkeys(("disputed_calls", "cost_basis"), why)),
            **({} if value.figures.total_calls else {"cost_basis.priced_percentage": _no_calls(value.figures)}),
            **value.figures.reasons,
            **{f"growth.{name}": why for name, why in growth.reasons.items()},
        },
    }


_COUNTS = (
    "calls",
    "attempts",
    "failed_calls",
    "unknown_calls",
    "priced_calls",
    "unpriced_calls",
    "unmetered_calls",
    "priced_attempts",
    "unpriced_attempts",
)


def _sums(value: Totals) -> dict[str, Any]:
    """Sums of a time in which we listened, or in which something came."""
    cost, counted = value.measured_cost, tokens(value.measured_tokens)
    counts = {name: getattr(value, name) for name in _COUNTS}
    reports = tokens(value.reports)
    reasons = {name: NOT_SENT for name, count in counts.items() if count is None}
    reasons |= {f"reports.{name}": NOT_SENT for name, count in reports.items() if count is None}
    for name, count in counted.items():
        if count is None:
            reasons[f"tokens.{name}"] = NOT_SENT if reports[name] is None else "No event reports it."
    if cost is None:
        reasons["cost"] = why_no_cost(value) or "No cost is known."
    return {**counts, "cost": amount(cost), "tokens": counted, "reports": reports, "reasons": reasons}


def _group(value: Group, key: str, whole: Totals) -> dict[str, Any]:
    row = {key: value.name, "hue": value.hue, **_sums(value.sums)}
    row["percentage"], row["cost_percentage"] = value.percentage, value.cost_percentage
    if value.percentage is None:
        row["reasons"]["percentage"] = "There are no calls to have a share of." if whole.calls == 0 else NOT_SENT
    if value.cost_percentage is None:
        row["reasons"]["cost_percentage"] = "Its cost or the total cost is not known, or is 0."
    return row


def _rest(value: Group | None, whole: Totals) -> dict[str, Any] | None:
    if value is None:
        return None
    row = _group(value, "name", whole)
    del row["name"], row["hue"]
    return row


def breakdown(value: Breakdown) -> dict[str, Any]:
    """A window by the values of one dimension."""
    plural, key = LISTS[value.dimension]
    return {
        "window": window(value.window),
        plural: [_group(group, key, value.total) for group in value.groups],
        "other": _rest(value.other, value.total),
        "other_groups": value.other_groups,
        "total_groups": value.total_groups,
        "total": _sums(value.total),
        "cost_basis": _basis(value.basis, (value.total.priced_calls, value.total.calls)),
        "currency": "USD",
        "coverage": _told(value.coverage),
        "data_as_of": time(value.data_as_of),
    }


def _no_calls(figures: Figures) -> str:
    return (
        figures.reasons.get("total_calls", "There are no calls.")
        if figures.total_calls is None
        else "There are no calls."
    )


def unpriced(value: Unpriced) -> dict[str, Any]:
    """What of a window has no price."""
    return {
        "window": window(value.window),
        "models": [
            {
                "provider": model.provider,
                "model": model.model,
                "calls": model.calls,
                "attempts": model.attempts,
                "tokens": {"input": model.tokens.input, "output": model.tokens.output},
                "why": model.why,
                "price_lines": model.price_lines,
            }
            for model in value.models
        ],
        "total_models": value.total_models,
        "unpriced_calls": value.calls,
        "unpriced_attempts": value.attempts,
        "reasons": dict.fromkeys(("unpriced_calls", "unpriced_attempts"), NOT_COLLECTED) if value.calls is None else {},
        "total": _sums(value.total),
        "coverage": _told(value.coverage),
        "data_as_of": time(value.data_as_of),
    }


def timeseries(value: Timeseries) -> dict[str, Any]:
    """A window in buckets."""
    key = LISTS[value.group_by][1] if value.group_by else "name"
    return {
        "window": window(value.window),
        "granularity": value.granularity,
        "group_by": value.group_by,
        "buckets": [_bucket(bucket, value.series, key) for bucket in value.buckets],
        "series": [_group(group, key, value.total) for group in value.series],
        "other": _rest(value.other, value.total),
        "other_groups": value.other_groups,
        "total_groups": value.total_groups,
        "total": _sums(value.total),
        "cost_basis": _basis(value.basis, (value.total.priced_calls, value.total.calls)),
        "currency": "USD",
        "coverage": _told(value.coverage),
        "data_as_of": time(value.data_as_of),
    }


def _bucket(value: Bucket, series: tuple[Group, ...], key: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "start": time(value.start),
        "end": time(value.end),
        "state": value.state,
        "collected_seconds": value.collected_s,
    }
    if value.sums is None:
        unknown = tokens(Tokens(None, None, None, None, None))
        reasons = dict.fromkeys(("calls", "attempts", "cost", "tokens"), NOT_COLLECTED)
        return row | {
            "calls": None,
            "attempts": None,
            "cost": None,
            "tokens": unknown,
            "groups": [],
            "reasons": reasons,
        }
    row |= _sums(value.sums)
    row["groups"] = [
        {key: group.name, "hue": group.hue, **_sums(sums)}
        for group, sums in zip(series, value.groups, strict=True)
        if sums is not None
    ]
    if value.other is not None:
        row["other"] = _sums(value.other)
    return row


def _attempt(value: AttemptRow) -> dict[str, Any]:
    return {
        "event_id": value.event_id,
        "started_at": time(value.started_at),
        "duration_ms": value.duration_ms,
        "time_to_first_token_ms": value.time_to_first_token_ms,
        "provider": value.provider,
        "model": value.model,
        "requested_model": value.requested_model,
        "operation": value.operation,
        "power_level": value.power_level,
        "user": value.user_id,
        "team": value.team_id,
        "stream": value.stream,
        "status": value.status,
        "error_type": value.error_type,
        "http_status": value.http_status,
        "tokens": tokens(value.tokens),
        "cost": amount(value.cost),
        "pricing": value.pricing,
        "source": value.source,
    }


def _request(value: RequestRow) -> dict[str, Any]:
    row = _attempt(value.decided_by)
    del row["duration_ms"], row["pricing"]
    row["decided_by"] = row.pop("event_id")
    row |= {
        "call_id": value.call_id,
        "latency_ms": value.latency_ms,
        "tokens": tokens(value.tokens),
        "cost": amount(value.cost),
        "unpriced_attempts": value.unpriced_attempts,
        "attempts": [_attempt(tried) for tried in value.attempts],
    }
    reasons = {f"tokens.{name}": "Not reported." for name, count in row["tokens"].items() if count is None}
    if value.cost is None:
        reasons["cost"] = "Unpriced: no price is known." if value.unpriced_attempts else "No usage was reported."
    if value.latency_ms is None:
        reasons["latency_ms"] = "No duration was reported."
    row["reasons"] = reasons
    return row


def requests(value: RequestPage) -> dict[str, Any]:
    """A page of calls, newest first."""
    return {
        "window": window(value.window),
        "requests": [_request(row) for row in value.requests],
        "next_cursor": value.next_cursor,
        "previous_cursor": value.previous_cursor,
        "total_calls": value.total_calls,
        "newer_calls": value.newer_calls,
        "kept_since": time(value.kept_since),
        "reason": value.reason,
        "hues": dict(value.hues),
        "currency": "USD",
    }


def call(value: CallFacts) -> dict[str, Any]:
    """Everything that is kept of one call."""
    return {
        "call": _request(value.request),
        "facts": [{name: plain(fact) for name, fact in facts.items()} for facts in value.facts],
        "other_calls": [{"call": one.call_id, "source": one.source, "at": time(one.at)} for one in value.others],
        "currency": "USD",
    }


def plain(value: object) -> Any:
    """A stored value: times as UTC text, amounts as plain digits, the rest as it is."""
    if isinstance(value, datetime):
        return time(value)
    return amount(value) if isinstance(value, Decimal) else value


def version(value: Version) -> dict[str, Any]:
    """Whether anything changed."""
    return {
        "version": value.version,
        "last_event_at": time(value.last_event_at),
        "ever_collected": value.ever_collected,
    }
