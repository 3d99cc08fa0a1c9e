"""All facts of one call and of each of its attempts; what was not reported is named, not drawn as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from components import formats
from components.requests_table import status
from components.static import Node, static, tags
from data_sources.usage.types import AttemptRow, CallFacts, CallKey, Fact, RequestRow

MOST_ATTEMPTS = 50
CURRENCY = "USD"
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Result": (
        "status",
        "error_type",
        "http_status",
        "started_at",
        "duration_ms",
        "time_to_first_token_ms",
        "call_duration_ms",
        "counts_call",
    ),
    "Model": (
        "provider",
        "model",
        "requested_model",
        "operation",
        "power_level",
        "stream",
        "service_tier",
        "processing",
        "region",
        "byok",
    ),
    "Who": ("user_id", "end_user_id", "team_id", "organization_id", "api_key_id", "tags"),
    "Tokens": (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "input_audio_tokens",
        "output_tokens",
        "reasoning_tokens",
        "output_audio_tokens",
        "web_searches",
    ),
    "Cost": ("pricing", "cost_usd", "cost_source", "cost_reported_usd", "cost_computed_usd", "price_version"),
    "Identity": ("event_id", "call_id", "trace_id", "session_id", "source", "batch_id", "received_at"),
}
_GROUPED = frozenset(name for names in GROUPS.values() for name in names)
WORDS = {
    "started_at": "Started",
    "received_at": "Received",
    "duration_ms": "Duration",
    "call_duration_ms": "Client waited",
    "time_to_first_token_ms": "Time to first token",
    "counts_call": "Decides the call",
    "cost_usd": "Cost",
    "cost_reported_usd": "Reported cost",
    "cost_computed_usd": "Computed cost",
    "http_status": "HTTP status",
    "user_id": "User",
    "end_user_id": "End user",
    "team_id": "Team",
    "organization_id": "Organization",
    "api_key_id": "API key",
    "event_id": "Event id",
    "call_id": "Call id",
    "trace_id": "Trace id",
    "session_id": "Session id",
    "batch_id": "Batch",
    "cache_write_1h_tokens": "Cache write 1 h tokens",
    "byok": "Own key of the user",
}


def words_of(name: str) -> str:
    """A field's name in words."""
    return WORDS.get(name) or name.removesuffix("_usd").replace("_", " ").capitalize()


def value_of(name: str, value: Fact, zone: ZoneInfo) -> str:
    """A stored value in words, exact; never called for what was not reported."""
    if isinstance(value, datetime):
        local = value.astimezone(zone)
        return f"{formats.day(value, zone)} {local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    if name == "counts_call":
        return "yes" if value else "no"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{exact(value)} {CURRENCY}"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, int) and name != "http_status":
        return formats.duration_ms(value) if name.endswith("_ms") else formats.number(value)
    return str(value)


def exact(amount: Decimal) -> str:
    """An amount with every digit and no trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def call_facts(found: CallFacts, *, tz: str, link: Callable[[CallKey], str]) -> html.Div:
    """The content of the drawer.

    Args:
        found: The call.
        tz: The reader's zone.
        link: The address of another call.
    """
    parts: list[Node] = [_call(found.request, tz)]
    count = len(found.facts)
    for number, (row, facts) in enumerate(zip(found.request.attempts, found.facts, strict=True), 1):
        if number > MOST_ATTEMPTS:
            rest = formats.number(count - MOST_ATTEMPTS)
            parts.append(tags.P(f"And {rest} more attempts: the export has them all.", className="oc-muted"))
            break
        parts.append(_attempt(row, facts, ZoneInfo(tz), f"Attempt {number} of {count}"))
    if found.others:
        parts.append(_others(found.others, ZoneInfo(tz), link))
    return static(tags.Div(parts, className="oc-facts"))


def _list(rows: Sequence[tuple[str, Any]]) -> Node:
    cells = [cell for label, value in rows for cell in (tags.Dt(label), tags.Dd(value))]
    return tags.Dl(cells, className="oc-prov")


def _call(row: RequestRow, tz: str) -> Node:
    """What the attempts add up to."""
    zone = ZoneInfo(tz)
    cost: Any = "not known"
    if row.cost is not None:
        cost = ("at least " if row.unpriced_attempts else "") + f"{exact(row.cost)} {CURRENCY}"
    elif row.unpriced_attempts:
        cost = "unpriced: usage known, no price known"
    waited = "not known" if row.latency_ms is None else formats.duration_ms(row.latency_ms)
    rows = [
        ("Call", row.call_id),
        ("Ended", [status(row.decided_by), f" at {row.decided_by.provider}" if row.decided_by.provider else ""]),
        (f"Started, {tz}", value_of("started_at", row.attempts[0].started_at, zone)),
        ("Client waited", waited),
        ("Attempts", formats.number(len(row.attempts))),
        ("Input tokens", "not reported" if row.tokens.input is None else formats.number(row.tokens.input)),
        ("Output tokens", "not reported" if row.tokens.output is None else formats.number(row.tokens.output)),
        ("Cost", cost),
    ]
    return tags.Section([_list(rows)], className="oc-facts-call")


def _attempt(row: AttemptRow, facts: Mapping[str, Fact], zone: ZoneInfo, title: str) -> Node:
    """One attempt: its groups of fields, then the names of those that nobody reported."""
    heads: list[Any] = [title, " · ", row.provider or "provider not set", " · ", status(row)]
    parts: list[Node] = [tags.H3(heads)]
    more = tuple(name for name in facts if name not in _GROUPED)
    for group, names in {**GROUPS, "More": more}.items():
        told = [(words_of(name), value_of(name, facts[name], zone)) for name in names if facts.get(name) is not None]
        if told:
            parts += [tags.H4(group), _list(told)]
    missing = [words_of(name).lower() for name, value in facts.items() if value is None]
    if missing:
        parts.append(tags.P(f"Not reported: {', '.join(missing)}.", className="oc-muted"))
    return tags.Section(parts)


def _others(others: Sequence[CallKey], zone: ZoneInfo, link: Callable[[CallKey], str]) -> Node:
    items = [tags.Li(tags.A(_when(one, zone), href=link(one), className="oc-call")) for one in others[:MOST_ATTEMPTS]]
    return tags.Section([tags.H3("Other calls with this id"), tags.Ul(items)])


def _when(key: CallKey, zone: ZoneInfo) -> str:
    parts = ["" if key.at is None else value_of("started_at", key.at, zone), key.source or ""]
    return " · ".join(part for part in parts if part)
