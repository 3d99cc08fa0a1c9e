"""Series of buckets and lists of calls, from the JSON of a usage API."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from itertools import pairwise
from typing import cast

from data_sources.usage.remote_decode import (
    HueOf,
    check_currency,
    cost_basis,
    coverage,
    each_once,
    groups,
    rest,
    tokens,
    totals,
    whole_of,
)
from data_sources.usage.remote_read import Node, WrongFieldError
from data_sources.usage.types import (
    GRANULARITIES,
    LISTS,
    AttemptRow,
    Bucket,
    BucketState,
    CallFacts,
    CallKey,
    Dimension,
    Fact,
    Granularity,
    Group,
    RequestPage,
    RequestRow,
    Timeseries,
    Totals,
    Window,
)
from data_sources.usage.windows import auto_granularity

_STATES = ("complete", "forming", "partial", "not_collected")


def timeseries(
    root: Node, window: Window, asked: Granularity | None, group_by: Dimension | None, hue_of: HueOf
) -> Timeseries:
    """A window in buckets.

    Args:
        root: The answer.
        window: The answer's window.
        asked: The granularity that was asked, None for the one that suits.
        group_by: The dimension of the series that was asked.
        hue_of: Colour slots of values that came without one.

    Raises:
        WrongFieldError: A field is wrong, or the answer has another granularity or grouping than was asked.
    """
    check_currency(root)
    if root.has("group_by") and root.text("group_by") != group_by:
        raise root.wrong("group_by", group_by or "null")
    series = groups(root, "series", group_by, hue_of) if group_by else ()
    return Timeseries(
        window=window,
        granularity=_granularity(root, window, asked),
        group_by=group_by,
        buckets=_buckets(root, series, group_by),
        series=series,
        other=rest(root),
        other_groups=root.whole("other_groups"),
        total_groups=root.whole("total_groups"),
        total=whole_of(root),
        coverage=coverage(root.node("coverage")),
        data_as_of=root.time("data_as_of"),
        basis=cost_basis(root.node("cost_basis")),
    )


def _granularity(root: Node, window: Window, asked: Granularity | None) -> Granularity:
    sent = root.text("granularity")
    if sent is None:
        return asked or auto_granularity(window)
    if sent not in GRANULARITIES or (asked is not None and sent != asked):
        raise root.wrong("granularity", asked or "one of " + ", ".join(GRANULARITIES))
    return sent


def _buckets(root: Node, series: tuple[Group, ...], group_by: Dimension | None) -> tuple[Bucket, ...]:
    key = LISTS[group_by][1] if group_by else "name"
    found = tuple(_bucket(node, series, key) for node in root.nodes("buckets"))
    for place, (before, after) in enumerate(pairwise(found)):
        if after.start < before.end:
            raise WrongFieldError(f"The usage API sent buckets[{place + 1}] before the one in front of it ends.")
    return found


def step(node: Node) -> tuple[datetime, datetime, BucketState]:
    """Start, end and state of a bucket."""
    state = node.must_text("state")
    if state not in _STATES:
        raise node.wrong("state", "one of " + ", ".join(_STATES))
    start, end = node.must_time("start"), node.must_time("end")
    if end <= start:
        raise node.wrong("end", "a time after start")
    return start, end, cast(BucketState, state)


def _bucket(node: Node, series: tuple[Group, ...], key: str) -> Bucket:
    start, end, state = step(node)
    collected_s = node.number("collected_seconds")
    if state == "not_collected":
        return Bucket(start, end, "not_collected", collected_s, None, tuple(None for _ in series))
    parts: dict[str | None, Totals] = {}
    if series:
        parts = {one.text(key): totals(one) for one in each_once(node.nodes("groups"), key)}
    other = node.node("other")
    return Bucket(
        start,
        end,
        state,
        collected_s,
        totals(node),
        tuple(parts.get(one.name) for one in series),
        None if other is None else totals(other),
    )


def requests(root: Node, window: Window, hue_of: HueOf) -> RequestPage:
    """A page of calls, newest first."""
    check_currency(root)
    rows = tuple(_request(node) for node in root.nodes("requests"))
    sent = root.node("hues")
    hues = {} if sent is None else {name: sent.must_whole(name) for name in sent}
    if sent is None:
        for model in (row.decided_by.model for row in rows if row.decided_by.model is not None):
            slot = hue_of("model", model)
            if slot is not None:
                hues[model] = slot
    return RequestPage(
        window,
        rows,
        root.text("next_cursor"),
        hues,
        previous_cursor=root.text("previous_cursor"),
        total_calls=root.whole("total_calls"),
        newer_calls=root.whole("newer_calls"),
        kept_since=root.time("kept_since"),
        reason=root.text("reason"),
    )


def call(root: Node) -> CallFacts:
    """Everything that is kept of one call."""
    check_currency(root)
    sent = root.node("call")
    if sent is None:
        raise root.wrong("call", "an object")
    request = _request(sent)
    facts = tuple({name: _fact(node, name) for name in node} for node in root.nodes("facts"))
    if len(facts) != len(request.attempts):
        raise root.wrong("facts", "one object for each attempt")
    others = tuple(
        CallKey(one.must_text("call"), one.text("source"), one.time("at")) for one in root.nodes("other_calls")
    )
    return CallFacts(request, facts, others)


def _fact(node: Node, name: str) -> Fact:
    if name.endswith("_at"):
        return node.time(name)
    if name == "tags":
        tags = node.maybe_texts(name)
        return None if tags is None else tuple(tag for tag in tags if tag is not None)
    return node.money(name) if name.endswith("_usd") else node.plain(name)


def _request(node: Node) -> RequestRow:
    attempts = tuple(_attempt(one) for one in node.nodes("attempts"))
    known_by = (node.must_text("decided_by"), node.must_text("source"), node.must_time("started_at"))
    decided = [one for one in attempts if (one.event_id, one.source, one.started_at) == known_by]
    if not decided:
        raise node.wrong("decided_by", "one of its attempts")
    return RequestRow(
        call_id=node.must_text("call_id"),
        decided_by=decided[0],
        latency_ms=node.whole("latency_ms"),
        tokens=tokens(node),
        cost=node.money("cost"),
        unpriced_attempts=node.whole("unpriced_attempts"),
        attempts=attempts,
    )


_TEXTS = ("provider", "model", "requested_model", "operation", "power_level", "error_type", "pricing")
_WHOLES = ("duration_ms", "time_to_first_token_ms", "http_status")


def _attempt(node: Node) -> AttemptRow:
    texts = {name: node.text(name) for name in _TEXTS}
    wholes = {name: node.whole(name) for name in _WHOLES}
    found = {
        "event_id": node.must_text("event_id"),
        "started_at": node.must_time("started_at"),
        "user_id": node.text("user"),
        "team_id": node.text("team"),
        "stream": node.flag("stream"),
        "status": node.text("status") or "unknown",
        "tokens": tokens(node),
        "cost": node.money("cost"),
        "source": node.must_text("source"),
        **texts,
        **wholes,
    }
    return AttemptRow(*(found[field.name] for field in fields(AttemptRow)))  # type: ignore[arg-type]
