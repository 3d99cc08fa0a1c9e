"""What came over time, in steps that tile the window: a zero is a time in which we listened and nothing came."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from data_sources.usage.coverage import Collected
from data_sources.usage.schema import SLOT_US
from data_sources.usage.types import Granularity, IntakeSeries, IntakeStep, Taken, Window
from data_sources.usage.windows import Span, from_us, grid

_HOURS_UP_TO = timedelta(days=8)  # beyond it an hour is too narrow to be seen


def series(
    slots: Iterable[tuple[int, Taken]], listened: Collected, window: Window, span: Span, since_us: int | None
) -> IntakeSeries:
    """Put what came into hours or days.

    Args:
        slots: What came in each quarter-hour; one may be in several rows.
        listened: When the console was listening; imports are no part of it.
        window: The window.
        span: What to read of it.
        since_us: Since when this is counted, microseconds since 1970; None before the first event.
    """
    grain: Granularity = "hour" if window.end - window.start <= _HOURS_UP_TO else "day"
    by_slot: dict[int, Taken] = {}
    for slot, taken in slots:
        by_slot[slot] = by_slot[slot] + taken if slot in by_slot else taken
    steps = []
    for start, end in grid(window, span, grain).edges:
        came = [by_slot[slot] for slot in range(start // SLOT_US, -(-end // SLOT_US)) if slot in by_slot]
        state, _ = listened.state(start, end, has_events=bool(came))
        counted = state != "not_collected" and since_us is not None and end > since_us
        whole = sum(came, Taken(0, 0, 0, 0)) if came or counted else None
        steps.append(IntakeStep(from_us(start), from_us(end), state, whole))
    return IntakeSeries(grain, tuple(steps))
