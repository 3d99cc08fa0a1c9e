"""Windows and buckets of time, exact in every IANA zone.

All edges are whole quarter-hour slots (epoch seconds // 900): every zone's offset since 1980 is a multiple of one. A
calendar day of a zone is the run of slots whose local day number is the same, so the days of a zone tile time, also
across a change of the clocks. A change in the middle of a slot (12:01 a.m. in Newfoundland until 2011) counts from
the slot's start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from data_sources.usage.query import BadQueryError
from data_sources.usage.schema import SLOT_S, SLOT_US
from data_sources.usage.types import Granularity, UsageQuery, Window

SLOTS_PER_DAY = 86_400 // SLOT_S
SLOTS_PER_HOUR = 3_600 // SLOT_S
MINUTE_US = 60_000_000
MAX_MINUTES_HOURS = 6
MAX_BUCKETS = 10_000
_EPOCH = date(1970, 1, 1)
_EPOCH_AT = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Whole microseconds since 1970, exact."""
    return (at - _EPOCH_AT) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC time of whole microseconds since 1970."""
    return _EPOCH_AT + timedelta(microseconds=us)


def slot_of(at: datetime) -> int:
    """The quarter-hour slot that holds a time."""
    return to_us(at) // SLOT_US


def slot_time(slot: int) -> datetime:
    """The first instant of a slot, UTC."""
    return from_us(slot * SLOT_US)


@dataclass(frozen=True, slots=True)
class Span:
    """Microseconds since 1970 from `start_us` up to but not including `end_us`."""

    start_us: int
    end_us: int


@lru_cache(maxsize=256)
def _zone(tz: str) -> ZoneInfo:
    return ZoneInfo(tz)


def offset_slots(tz: str, slot: int) -> int:
    """The zone's distance from UTC within a slot, in slots; a change inside the slot counts for all of it."""
    offset = datetime.fromtimestamp(slot * SLOT_S + SLOT_S - 1, _zone(tz)).utcoffset()
    assert offset is not None  # noqa: S101 - an aware time has one
    return int(offset.total_seconds()) // SLOT_S


def local_day(tz: str, slot: int) -> int:
    """The number of the zone's calendar day that a slot lies in, 0 for 1 January 1970."""
    return (slot + offset_slots(tz, slot)) // SLOTS_PER_DAY


@lru_cache(maxsize=4096)
def day_start(tz: str, day: int) -> int:
    """The first slot of a zone's calendar day, or of the next that exists (a zone may skip one)."""
    midnight = datetime.combine(_EPOCH + timedelta(days=day), datetime.min.time(), _zone(tz))
    for fold in (0, 1):
        slot = slot_of(midnight.replace(fold=fold).astimezone(UTC))
        if local_day(tz, slot) >= day and local_day(tz, slot - 1) < day:
            return slot
    # An odd change of the clocks around midnight: walk, at most a day and a bit either way.
    slot = slot_of(midnight.astimezone(UTC)) - SLOTS_PER_DAY - SLOTS_PER_HOUR
    while local_day(tz, slot) < day:
        slot += 1
    return slot


@lru_cache(maxsize=1024)
def segments(tz: str, start_slot: int, end_slot: int) -> tuple[tuple[int, int], ...]:
    """The runs of one offset within some slots.

    Args:
        tz: IANA zone.
        start_slot: First slot.
        end_slot: First slot after.

    Returns:
        (first slot, offset in slots), oldest first, at least one.
    """
    found = [(start_slot, offset_slots(tz, start_slot))]
    at, step = start_slot, SLOTS_PER_DAY // 2
    while at < end_slot:
        reach = min(at + step, end_slot)
        if offset_slots(tz, reach) != found[-1][1]:
            low, high = at, reach  # the offset at `low` is the old one, at `high` another
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_slots(tz, middle) == found[-1][1] else (low, middle)
            found.append((high, offset_slots(tz, high)))
            reach = high
        at = reach
    return tuple(run for run in found if run[0] < end_slot or run[0] == start_slot)


def _shift_months(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _range_starts(name: str, today: date) -> tuple[date, date]:
    """First day of a range that holds today, and first day of the range before."""
    days = {"today": 1, "7d": 7, "30d": 30}.get(name)
    if days is not None:
        start = today - timedelta(days=days - 1)
        return start, start - timedelta(days=days)
    months = {"month": 1, "quarter": 3, "year": 12}[name]
    start = _shift_months(today.replace(day=1), -((today.month - 1) % months))
    return start, _shift_months(start, -months)


def _number(day: date) -> int:
    return (day - _EPOCH).days


def windows(query: UsageQuery, now: datetime) -> tuple[Window, Window]:
    """The window that a query asks for, and the one before that it is compared with.

    An open range ends now and is compared with the same elapsed length of the range before.

    Args:
        query: What was asked.
        now: The time now, aware.

    Returns:
        (window, previous window), the previous never reaching into the window.
    """
    if query.range == "custom":
        if query.start is None or query.end is None:
            raise BadQueryError("A custom window needs both start and end.")
        start, before, end = query.start, query.start - (query.end - query.start), query.end
    else:
        today = _EPOCH + timedelta(days=local_day(query.tz, slot_of(now)))
        first, first_before = _range_starts(query.range, today)
        start = slot_time(day_start(query.tz, _number(first)))
        before = slot_time(day_start(query.tz, _number(first_before)))
        end = now.astimezone(UTC)
    elapsed = max(min(end, now) - start, timedelta())
    previous = Window(before, min(before + elapsed, start), query.tz, query.range)
    return Window(start, end, query.tz, query.range), previous


def span(window: Window, now: datetime) -> Span:
    """What to read for a window, up to now.

    The slot that holds now is read whole: a sender's clock that is some minutes ahead does not hide its calls.
    """
    start_us = to_us(window.start)
    if window.end < now:
        return Span(start_us, to_us(window.end))
    return Span(start_us, max(start_us, (slot_of(now) + 1) * SLOT_US))


@dataclass(frozen=True, slots=True)
class Grid:
    """The buckets of a window.

    Attributes:
        granularity: Their length.
        edges: (start, end) of each in microseconds, oldest first; each starts where the one before ends.
        index: Key of a group in a query's answer -> number of its bucket. The key is a minute number, the slot an
            hour starts in, or a local day number.
    """

    granularity: Granularity
    edges: tuple[tuple[int, int], ...]
    index: dict[int, int]


def auto_granularity(window: Window) -> Granularity:
    """The grain that draws a window in some ten to ninety steps."""
    named: dict[str, Granularity] = {
        "today": "hour",
        "7d": "day",
        "30d": "day",
        "month": "day",
        "quarter": "day",
        "year": "week",
    }
    if window.name in named:
        return named[window.name]
    hours = (window.end - window.start).total_seconds() / 3600
    steps: tuple[tuple[float, Granularity], ...] = ((3, "minute"), (72, "hour"), (93 * 24, "day"), (400 * 24, "week"))
    return next((grain for most, grain in steps if hours <= most), "month")


def grid(window: Window, read: Span, granularity: Granularity) -> Grid:
    """Lay buckets over a window.

    Args:
        window: The window; its buckets follow the calendar of its zone.
        read: What is read of it (`span`).
        granularity: Their length.

    Returns:
        Buckets that tile `read`; the first is cut at the window's start, the last reaches to its natural end while it
        is still filling.

    Raises:
        BadQueryError: Minutes over more than six hours, or more than 10,000 buckets.
    """
    first, last = read.start_us // SLOT_US, -(-read.end_us // SLOT_US)
    if granularity == "minute":
        if read.end_us - read.start_us > MAX_MINUTES_HOURS * 3600 * 1_000_000:
            raise BadQueryError(f"granularity=minute is for windows of up to {MAX_MINUTES_HOURS} hours.")
        steps = _minutes(read)
    elif granularity == "hour":
        if last - first > MAX_BUCKETS * SLOTS_PER_HOUR:
            raise BadQueryError("Choose a coarser granularity for so long a window.")
        steps = _hours(window.tz, first, last)
    else:
        steps = _days(window.tz, first, last, granularity)
    cut = to_us(window.end) if window.name == "custom" else None
    edges: list[tuple[int, int]] = []
    index: dict[int, int] = {}
    for start, end, keys in steps:
        low, high = max(start, read.start_us), end if cut is None else min(end, cut)
        if low >= high or low >= read.end_us:
            continue
        index.update(dict.fromkeys(keys, len(edges)))
        edges.append((low, high))
    return Grid(granularity, tuple(edges), index)


_Step = tuple[int, int, tuple[int, ...]]  # start and end in microseconds, keys


def _minutes(read: Span) -> Iterator[_Step]:
    for minute in range(read.start_us // MINUTE_US, -(-read.end_us // MINUTE_US)):
        yield minute * MINUTE_US, (minute + 1) * MINUTE_US, (minute,)


def _hours(tz: str, first: int, last: int) -> Iterator[_Step]:
    runs = _in_step(segments(tz, first, last + SLOTS_PER_HOUR))
    for number, (begin, offset) in enumerate(runs):
        stop = runs[number + 1][0] if number + 1 < len(runs) else last + SLOTS_PER_HOUR
        slot = (begin + offset) // SLOTS_PER_HOUR * SLOTS_PER_HOUR - offset
        while slot < min(stop, last):
            start, end = max(slot, begin), slot + SLOTS_PER_HOUR
            # the clocks change within this hour: it ends there
            end = min(end, stop) if number + 1 < len(runs) else end
            yield start * SLOT_US, end * SLOT_US, (slot,)
            slot += SLOTS_PER_HOUR


def _in_step(runs: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Runs of offset whose hours begin at other quarter-hours than those of the run before.

    Where clocks are moved by whole hours in the middle of one (at 02:45 on the Chatham Islands) that hour stays one.
    """
    kept = list(runs[:1])
    for begin, offset in runs[1:]:
        if (offset - kept[-1][1]) % SLOTS_PER_HOUR:
            kept.append((begin, offset))
    return kept


def _days(tz: str, first: int, last: int, granularity: Granularity) -> Iterator[_Step]:
    day = _EPOCH + timedelta(days=local_day(tz, first))
    final = local_day(tz, last - 1)
    while _number(day) <= final:
        if granularity == "day":
            start, after = day, day + timedelta(days=1)
        elif granularity == "week":
            start = day - timedelta(days=day.weekday())
            after = start + timedelta(days=7)
        else:
            start, after = day.replace(day=1), _shift_months(day, 1)
        keys = tuple(range(_number(start), _number(after)))
        yield day_start(tz, keys[0]) * SLOT_US, day_start(tz, keys[-1] + 1) * SLOT_US, keys
        day = after
