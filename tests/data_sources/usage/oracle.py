"""Random usage, and what is true of it: counted by hand from the events, with nothing of the store's own code."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from data_sources.usage.types import UsageQuery
from tests.data_sources.usage.ingest_rows import attempts

BEGIN = datetime(2026, 10, 10, tzinfo=UTC)  # the clocks of all these zones change within the 40 days after
DAYS = 40
NOW = BEGIN + timedelta(days=90)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Havana", "Australia/Lord_Howe", "America/St_Johns")
DIMENSIONS = ("provider", "model", "power_level", "status", "source", "user", "team")
_COLUMN = {"user": "user_id", "team": "team_id"}
_MICROSECOND = timedelta(microseconds=1)


def _us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


def _event(number: int, drawn: dict[str, Any]) -> dict[str, Any]:
    # the tries of one call lie within an hour of its own place in time, so that no other day's call has its id
    at = BEGIN + timedelta(days=(drawn["call"] * 7) % (DAYS - 1), microseconds=drawn["within_us"])
    event = {
        "event_id": f"e{number}",
        "started_at_us": _us(at),
        "call_id": f"c{drawn['call']}",
        **{name: value for name, value in drawn.items() if name not in ("call", "within_us") and value is not None},
    }
    if event.get("cache_read_tokens", 0) > event.get("input_tokens", 0):
        del event["cache_read_tokens"]  # a part that exceeds the whole is rejected at the door
    return event


_TOKENS = st.none() | st.integers(0, 10**12)
_DRAWN = st.fixed_dictionaries(
    {
        "call": st.integers(0, 14),
        "within_us": st.integers(0, 3_600_000_000),
        "status": st.sampled_from(["success", "failure", "unknown"]),
        "provider": st.sampled_from(["a", "b", None]),
        "model": st.sampled_from(["m1", "m2", "m3", "m4", None]),
        "power_level": st.sampled_from(["eco", "precision", None]),
        "user_id": st.sampled_from(["u1", "u2", "u3", None]),
        "team_id": st.sampled_from(["t1", None]),
        "source": st.sampled_from(["x", "y"]),
        "duration_ms": st.none() | st.integers(0, 60_000),
        "input_tokens": _TOKENS,
        "cache_read_tokens": _TOKENS,
        "output_tokens": _TOKENS,
        "cost_reported_usd": st.none() | st.decimals(0, 1000, places=12).map(str),
    }
)
EVENTS = st.lists(_DRAWN, max_size=40).map(lambda drawn: [_event(n, one) for n, one in enumerate(drawn)])
_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "provider": st.sampled_from([("a",), (None,), ("b", None)]),
        "model": st.sampled_from([("m1", "m2"), (None,)]),
        "power_level": st.sampled_from([("eco",), ("precision", None)]),
        "user": st.sampled_from([("u1",), (None,)]),
        "source": st.just(("x",)),
    },
)
QUERIES = st.builds(
    lambda first, slots, tz, filters: UsageQuery(
        range="custom",
        start=BEGIN + timedelta(minutes=15 * first),
        end=BEGIN + timedelta(minutes=15 * (first + slots)),
        tz=tz,
        **filters,
    ),
    st.integers(0, 96 * 20),
    st.integers(1, 96 * 25),
    st.sampled_from(ZONES),
    _FILTERS,
)


def deliver(writer: Any, events: list[dict[str, Any]], seed: int) -> None:
    """Send every event once to three times, in any order, cut into several requests."""
    chance = random.Random(seed)
    sent = [event for event in events for _ in range(chance.randint(1, 3))]
    chance.shuffle(sent)
    while sent:
        size = chance.randint(1, 12)
        part, sent = sent[:size], sent[size:]
        writer.submit(attempts(*part), batch_id=f"b{seed}-{len(sent)}")


def truth(events: list[dict[str, Any]], query: UsageQuery) -> dict[str, Any]:
    """What the figures of a question must be, to the last digit: counted from the events, one by one."""
    deciding = _deciding(events)
    inside = [event for event in events if _matches(event, query)]
    costs = [Decimal(event["cost_reported_usd"]) for event in inside if "cost_reported_usd" in event]
    return {
        "attempts": len(inside),
        "calls": sum(event["event_id"] in deciding for event in inside),
        "failed": sum(event["event_id"] in deciding and event["status"] == "failure" for event in inside),
        "cost": sum(costs, Decimal(0)) if costs else None,
        **{name: _known_sum(inside, f"{name}_tokens") for name in ("input", "output", "cache_read")},
    }


def value_of(event: dict[str, Any], dimension: str) -> str | None:
    """An event's value in a dimension."""
    return event.get(_COLUMN.get(dimension, dimension))


def _known_sum(events: list[dict[str, Any]], name: str) -> int | None:
    known = [event[name] for event in events if name in event]
    return sum(known) if known else None


def _matches(event: dict[str, Any], query: UsageQuery) -> bool:
    assert query.start is not None
    assert query.end is not None
    if not _us(query.start) <= event["started_at_us"] < _us(query.end):
        return False
    return all(value_of(event, name) in wanted for name, wanted in query.filters())


def _deciding(events: list[dict[str, Any]]) -> set[str]:
    """One event a call: a success beats everything else, a failure is beaten by all; then the latest, then the id."""
    rank = {"success": 2, "unknown": 1, "failure": 0}
    best: dict[tuple[str, str], tuple[Any, ...]] = {}
    for event in events:
        key = (event["source"], event["call_id"])
        best[key] = max(best.get(key, (-1,)), (rank[event["status"]], event["started_at_us"], event["event_id"]))
    return {str(found[2]) for found in best.values()}
