"""The axis of charts over buckets of time: one place a bucket, each with a label of its own.

The labels are categories, so the two hours named two of an autumn night stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from data_sources.usage.types import Granularity

_TICKS = 7
# Steps between labels that fall on round times, in buckets.
_STEPS: dict[Granularity, tuple[int, ...]] = {
    "minute": (1, 2, 5, 10, 15, 30, 60),
    "hour": (1, 2, 3, 6, 12, 24),
    "day": (1, 2, 7, 14),
    "week": (1, 2, 4, 8, 13),
    "month": (1, 2, 3, 6, 12),
}


def labels(starts: Sequence[datetime], granularity: Granularity, tz: str) -> list[str]:
    """A label for each bucket in its zone, no two alike.

    Args:
        starts: Their beginnings, aware.
        granularity: Their length.
        tz: IANA zone.
    """
    zone = ZoneInfo(tz)
    made = [_label(start.astimezone(zone), granularity) for start in starts]
    twice = {label for label in made if made.count(label) > 1} if len(set(made)) < len(made) else set()
    return [
        f"{label} {start.astimezone(zone):%Z}" if label in twice else label
        for label, start in zip(made, starts, strict=True)
    ]


def _label(at: datetime, granularity: Granularity) -> str:
    if granularity in ("minute", "hour"):
        return f"{at.day} {at:%b %H:%M}"
    if granularity == "month":
        return f"{at:%b %Y}"
    return f"{'Week of ' if granularity == 'week' else ''}{at.day} {at:%b %Y}"


def axis(starts: Sequence[datetime], names: Sequence[str], granularity: Granularity, tz: str) -> dict[str, Any]:
    """The x axis of a chart whose buckets are named by `labels`."""
    places, short = _ticks(starts, names, granularity, tz)
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(names),
        "range": [-0.5, len(names) - 0.5],
        "tickmode": "array",
        "tickvals": places,
        "ticktext": short,
        "tickangle": 0,
        "showspikes": False,
    }


def _place_in_cycle(at: datetime, granularity: Granularity, place: int) -> int:
    """What must be a multiple of the step: the minute of the day, the hour; else just the bucket's number."""
    if granularity == "minute":
        return at.hour * 60 + at.minute
    if granularity == "hour":
        return at.hour
    return at.month - 1 if granularity == "month" else place


def _ticks(
    starts: Sequence[datetime], names: Sequence[str], granularity: Granularity, tz: str
) -> tuple[list[str], list[str]]:
    """Some evenly spaced labels on round times, cut to what differs."""
    zone = ZoneInfo(tz)
    steps = _STEPS[granularity]
    step = next((step for step in steps if len(names) / step <= _TICKS), -(-len(names) // _TICKS))
    values, short = [], []
    for place, start in enumerate(starts):
        at = start.astimezone(zone)
        if _place_in_cycle(at, granularity, place) % step:
            continue
        midnight = not (at.hour or at.minute)
        clock = granularity == "minute" or (granularity == "hour" and not midnight)
        values.append(names[place])
        short.append(f"{at:%H:%M}" if clock else f"{at:%b}" if granularity == "month" else f"{at.day} {at:%b}")
    return values, short
