from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.usage.query import BadQueryError
from data_sources.usage.schema import SLOT_US
from data_sources.usage.types import UsageQuery, Window
from data_sources.usage.windows import (
    Span,
    auto_granularity,
    from_us,
    grid,
    local_day,
    offset_slots,
    segments,
    slot_of,
    slot_time,
    span,
    to_us,
    windows,
)

ZONES = sorted(available_timezones())
# odd ones first, so that a failing example names the zone that matters
ODD = [
    "Africa/Casablanca",
    "America/Havana",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Chatham",
]
zones = st.one_of(st.sampled_from(ODD), st.sampled_from(ZONES))
times = st.datetimes(min_value=datetime(1981, 1, 1), max_value=datetime(2037, 1, 1), timezones=st.just(UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(zones, times, st.integers(1, 96 * 70), st.sampled_from(["hour", "day", "week", "month"]))
def test_buckets_tile_every_window_in_every_zone(tz, at, slots, granularity):
    first = slot_of(at)
    read = Span(first * SLOT_US, (first + slots) * SLOT_US)
    window = Window(slot_time(first), slot_time(first + slots), tz, "custom")
    buckets = grid(window, read, granularity)
    assert buckets.edges[0][0] == read.start_us
    assert buckets.edges[-1][1] == read.end_us
    assert all(before[1] == after[0] for before, after in zip(buckets.edges, buckets.edges[1:], strict=False))


@given(zones, times, st.integers(1, 96 * 30), st.integers(0, 96 * 30), st.sampled_from(["hour", "day"]))
def test_the_key_that_sql_computes_names_the_bucket_that_holds_the_slot(tz, at, slots, pick, granularity):
    first = slot_of(at)
    slot = first + pick % slots
    read = Span(first * SLOT_US, (first + slots) * SLOT_US)
    buckets = grid(Window(slot_time(first), slot_time(first + slots), tz, "custom"), read, granularity)
    offset = [run[1] for run in segments(tz, first, first + slots) if run[0] <= slot][-1]
    key = (slot + offset) // 96 if granularity == "day" else (slot + offset) // 4 * 4 - offset
    start, end = buckets.edges[buckets.index[key]]
    assert start <= slot * SLOT_US < end


@pytest.mark.parametrize("tz", ODD)
def test_an_hour_in_which_the_clocks_change_holds_its_own_slots_and_no_other(tz):
    year = segments(tz, slot_of(utc("1985-06-01T00:00:00")), slot_of(utc("2027-01-01T00:00:00")))
    assert len(year) > 1
    for change, _ in year[1:]:
        first, after = change - 24, change + 24
        read = Span(first * SLOT_US, after * SLOT_US)
        buckets = grid(Window(slot_time(first), slot_time(after), tz, "custom"), read, "hour")
        assert len(buckets.index) == len(buckets.edges)  # each is asked for by one key, so none stays empty
        for slot in range(first, after):
            offset = offset_slots(tz, slot)
            start, end = buckets.edges[buckets.index[(slot + offset) // 4 * 4 - offset]]
            assert start <= slot * SLOT_US < end


@given(zones, times)
def test_segments_give_the_offset_of_every_slot(tz, at):
    first = slot_of(at)
    runs = segments(tz, first, first + 96 * 30)
    for slot in range(first, first + 96 * 30, 37):
        assert [run[1] for run in runs if run[0] <= slot][-1] == offset_slots(tz, slot)


@given(zones, times, st.sampled_from(["today", "7d", "30d", "month", "quarter", "year"]))
def test_an_open_range_starts_at_a_local_midnight_and_its_base_ends_before_it(tz, now, name):
    window, before = windows(UsageQuery(range=name, tz=tz), now)
    assert window.start <= now == window.end
    first = slot_of(window.start)
    assert local_day(tz, first - 1) < local_day(tz, first)
    assert before.start <= before.end <= window.start
    assert before.end - before.start <= window.end - window.start


def test_ranges_are_calendar_ranges_of_the_zone():
    now = utc("2026-11-22T14:02:10")
    starts = {
        name: windows(UsageQuery(range=name, tz="Europe/Berlin"), now)[0].start.astimezone(ZoneInfo("Europe/Berlin"))
        for name in ("today", "7d", "30d", "month", "quarter", "year")
    }
    assert {name: start.isoformat() for name, start in starts.items()} == {
        "today": "2026-11-22T00:00:00+01:00",
        "7d": "2026-11-16T00:00:00+01:00",
        "30d": "2026-10-24T00:00:00+02:00",
        "month": "2026-11-01T00:00:00+01:00",
        "quarter": "2026-10-01T00:00:00+02:00",
        "year": "2026-01-01T00:00:00+01:00",
    }


def test_the_base_of_an_open_range_is_the_same_elapsed_length_of_the_range_before():
    now = utc("2026-11-22T14:02:10")
    _, day = windows(UsageQuery(range="today"), now)
    assert (day.start, day.end) == (utc("2026-11-21T00:00:00"), utc("2026-11-21T14:02:10"))
    _, month = windows(UsageQuery(range="month"), now)
    assert (month.start, month.end) == (utc("2026-10-01T00:00:00"), utc("2026-10-22T14:02:10"))


def test_the_base_of_a_long_month_is_cut_where_the_month_begins():
    _, before = windows(UsageQuery(range="month"), utc("2026-03-31T12:00:00"))
    assert before.end == utc("2026-03-01T00:00:00")


def test_the_day_the_clocks_go_back_has_25_hours_and_two_hours_named_two():
    window = Window(utc("2026-10-24T22:00:00"), utc("2026-10-25T23:00:00"), "Europe/Berlin", "custom")
    read = Span(to_us(window.start), to_us(window.end))
    assert len(grid(window, read, "day").edges) == 1
    local = [from_us(start).astimezone(ZoneInfo("Europe/Berlin")) for start, _ in grid(window, read, "hour").edges]
    assert len(local) == 25
    assert [moment.hour for moment in local].count(2) == 2


def test_hours_follow_the_clock_of_a_zone_with_an_odd_offset():
    window = Window(utc("2026-11-21T18:15:00"), utc("2026-11-21T20:15:00"), "Asia/Kathmandu", "custom")
    edges = grid(window, Span(to_us(window.start), to_us(window.end)), "hour").edges
    assert [from_us(start).astimezone(ZoneInfo("Asia/Kathmandu")).minute for start, _ in edges] == [0, 0]


def test_a_day_that_a_zone_skipped_has_no_bucket():
    start, end = utc("2011-12-28T10:00:00"), utc("2012-01-01T10:00:00")
    window = Window(start, end, "Pacific/Apia", "custom")
    edges = grid(window, Span(to_us(start), to_us(end)), "day").edges
    days = [from_us(low).astimezone(ZoneInfo("Pacific/Apia")).day for low, _ in edges]
    assert days == [28, 29, 31, 1]  # no 30 December


def test_the_last_bucket_of_an_open_range_reaches_to_its_natural_end():
    now = utc("2026-11-22T14:02:10")
    window, _ = windows(UsageQuery(range="today"), now)
    edges = grid(window, span(window, now), "hour").edges
    assert len(edges) == 15
    assert from_us(edges[-1][1]) == utc("2026-11-22T15:00:00")


def test_a_custom_window_ends_where_it_was_asked_to_also_while_it_fills():
    now = utc("2026-11-22T14:02:10")
    asked = UsageQuery(range="custom", start=utc("2026-11-22T12:00:00"), end=utc("2026-11-22T14:30:00"))
    window, _ = windows(asked, now)
    edges = grid(window, span(window, now), "hour").edges
    assert from_us(edges[-1][1]) == utc("2026-11-22T14:30:00")


def test_minutes_are_for_six_hours_at_most():
    window = Window(utc("2026-11-22T00:00:00"), utc("2026-11-22T06:15:00"), "UTC", "custom")
    with pytest.raises(BadQueryError, match="6 hours"):
        grid(window, Span(to_us(window.start), to_us(window.end)), "minute")


@pytest.mark.parametrize(
    ("hours", "grain"), [(1, "minute"), (12, "hour"), (24 * 30, "day"), (24 * 300, "week"), (24 * 900, "month")]
)
def test_the_grain_follows_the_length(hours, grain):
    start = utc("2026-01-01T00:00:00")
    assert auto_granularity(Window(start, start + timedelta(hours=hours), "UTC", "custom")) == grain
