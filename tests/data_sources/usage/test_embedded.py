from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.result import Failed, Kind, Ready
from data_sources.usage.embedded import FAILED, EmbeddedUsage
from data_sources.usage.figures import total
from data_sources.usage.types import UsageQuery
from data_sources.usage.windows import from_us, to_us
from tests.fakes.usage_rows import at, attempt, fill, make_store

NOW = at("2026-11-22T14:02:10")
ALWAYS = [(at("2025-01-01T00:00:00"), NOW)]


@pytest.fixture
def usage(tmp_path):
    """Fills a store and gives the source that reads it."""
    store = make_store(tmp_path)

    def filled(rows, *, now=NOW, listened=ALWAYS, imported=()):
        fill(store, rows, listened=listened, imported=imported)
        return EmbeddedUsage(store, now=lambda: now)

    yield filled
    store.close()


def ready(result):
    assert isinstance(result, Ready), result
    return result.value


def test_a_summary_adds_up_calls_attempts_cost_and_tokens(usage):
    start = at("2026-11-22T09:00:00")
    rows = [
        attempt(1, start, status="failure", counts_call=0, call_id="a"),
        attempt(2, start, call_id="a", cost_usd="0.0006695", input_tokens=2006, output_tokens=300, duration_ms=900),
        attempt(3, start, cost_usd="0.0359", input_tokens=11550, output_tokens=400, cache_read_tokens=10000),
        attempt(4, start, input_tokens=2306, output_tokens=0),
        attempt(5, start, status="failure"),
    ]
    found = ready(usage(rows).summary(UsageQuery(range="today")))
    figures = found.figures
    assert (figures.total_calls, figures.total_attempts, figures.failed_calls) == (4, 5, 1)
    assert (figures.priced_calls, figures.unpriced_calls, figures.unmetered_calls) == (2, 1, 1)
    assert figures.total_cost == Decimal("0.0365695")
    assert figures.avg_cost_per_call == Decimal("0.018284750000")
    assert (figures.tokens.input, figures.tokens.cache_read) == (15862, 10000)
    assert figures.tokens.reasoning is None
    assert figures.reasons["tokens.reasoning"] == "No event reports reasoning tokens."
    assert figures.error_rate == 0.25
    assert figures.reasons["latency_ms.p95"] == "Needs 20 calls with a duration, has 1."
    assert found.data_as_of == start


def test_listening_in_vain_is_zero_and_not_listening_is_unknown(usage):
    source = usage([], listened=[(at("2026-11-22T00:00:00"), NOW)])
    today = ready(source.summary(UsageQuery(range="today"))).figures
    assert (today.total_calls, today.total_cost, today.tokens.input) == (0, Decimal(0), 0)
    assert today.avg_cost_per_call is None
    asked = UsageQuery(range="custom", start=at("2026-11-20T00:00:00"), end=at("2026-11-21T00:00:00"))
    before = ready(source.summary(asked)).figures
    assert (before.total_calls, before.total_cost, before.tokens.input) == (None, None, None)
    assert before.reasons["total_calls"] == "We were not listening in this window."


def test_events_of_a_time_without_listening_are_said_to_have_come_later(usage):
    source = usage([attempt(1, at("2026-11-20T12:00:00"))], listened=[(at("2026-11-22T00:00:00"), NOW)])
    asked = UsageQuery(range="custom", start=at("2026-11-20T00:00:00"), end=at("2026-11-21T00:00:00"))
    later = "We were not listening in this window; its figures are of events that came later."
    results = [source.summary(asked), source.breakdown(asked, "model"), source.timeseries(asked), source.recent(asked)]
    assert [result.provenance.notes[-1] for result in results] == [later] * 4
    assert source.summary(replace(asked, model=("m",))).provenance.notes[-1] == "We were not listening in this window."
    after = UsageQuery(range="custom", start=at("2026-11-21T00:00:00"), end=at("2026-11-22T00:00:00"))
    assert ready(source.summary(after)).growth.reasons["calls"] == "We were not listening in the period before."


def test_nothing_priced_is_an_unknown_cost_with_its_reason(usage):
    rows = [attempt(1, at("2026-11-22T09:00:00"), input_tokens=10), attempt(2, at("2026-11-22T09:00:01"))]
    figures = ready(usage(rows).summary(UsageQuery(range="today"))).figures
    assert figures.total_cost is None
    assert figures.reasons["total_cost"] == "Unpriced: no price is known for 1 of 2 attempts."


def test_bare_traces_have_no_error_rate(usage):
    rows = [attempt(1, at("2026-11-22T09:00:00"), status="unknown")]
    figures = ready(usage(rows).summary(UsageQuery(range="today"))).figures
    assert (figures.error_rate, figures.failed_calls) == (None, None)
    assert figures.reasons["error_rate"] == "The sources do not say whether calls succeeded."


def test_percentiles_are_exact_by_nearest_rank(usage):
    start = at("2026-11-22T09:00:00")
    rows = [attempt(n, start + timedelta(seconds=n), duration_ms=n * 10) for n in range(1, 101)]
    latency = ready(usage(rows).summary(UsageQuery(range="today"))).figures.latency
    assert (latency.p50, latency.p95, latency.p99, latency.calls) == (500, 950, 990, 100)


def test_growth_compares_with_the_same_elapsed_time_to_the_second(usage):
    yesterday = [attempt(n, at("2026-11-21T13:00:00"), cost_usd="1") for n in range(4)]
    too_late = [attempt(9, at("2026-11-21T14:02:11"), cost_usd="1")]  # one second after the same elapsed time
    today = [attempt(20 + n, at("2026-11-22T13:00:00"), cost_usd="1.5") for n in range(5)]
    found = ready(usage(yesterday + too_late + today).summary(UsageQuery(range="today")))
    assert found.previous.total_calls == 4
    assert found.growth.calls == 25.0
    assert found.growth.cost == 87.5
    assert found.growth.avg_cost == 50.0


def test_no_growth_from_nothing_or_from_a_period_that_was_not_collected(usage):
    rows = [attempt(1, at("2026-11-22T13:00:00"), cost_usd="1")]
    zero = ready(usage(rows).summary(UsageQuery(range="today"))).growth
    assert (zero.calls, zero.reasons["calls"]) == (None, "The period before had none.")


def test_no_growth_where_the_period_before_has_a_gap(usage):
    rows = [attempt(n, at("2026-11-21T12:00:00") + timedelta(days=n)) for n in range(2)]
    listened = [(at("2026-11-01T00:00:00"), at("2026-11-21T10:00:00")), (at("2026-11-21T10:30:00"), NOW)]
    growth = ready(usage(rows, listened=listened).summary(UsageQuery(range="today"))).growth
    assert growth.calls is None
    assert growth.reasons["calls"] == "The period before was not fully collected (30 minutes missing)."


def test_no_growth_of_a_cost_that_is_only_partly_known(usage):
    rows = [attempt(n, at("2026-11-21T12:00:00") + timedelta(days=n), cost_usd="1") for n in range(2)]
    rows.append(attempt(7, at("2026-11-22T12:00:00"), input_tokens=5))
    growth = ready(usage(rows).summary(UsageQuery(range="today"))).growth
    assert growth.calls == 100.0
    assert growth.reasons["cost"] == "1 of 2 attempts in this window are unpriced."


def test_groups_keep_what_has_no_value_and_the_hue_of_first_arrival(usage):
    start = at("2026-11-22T09:00:00")
    rows = [attempt(n, start, provider=("openai", None, "anthropic", "openai")[n]) for n in range(4)]
    found = ready(usage(rows).breakdown(UsageQuery(range="today"), "provider"))
    assert [(group.name, group.hue, group.sums.calls) for group in found.groups] == [
        ("openai", 0, 2),
        ("anthropic", 1, 1),
        (None, None, 1),
    ]
    assert [group.percentage for group in found.groups] == [50.0, 25.0, 25.0]
    assert (found.other, found.total_groups) == (None, 3)


def test_a_limit_cuts_the_list_and_sums_the_rest_but_never_hides_what_has_no_value(usage):
    start = at("2026-11-22T09:00:00")
    names = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2 + [None]
    rows = [attempt(n, start, model=name, cost_usd="0.1") for n, name in enumerate(names)]
    found = ready(usage(rows).breakdown(UsageQuery(range="today"), "model", limit=3))
    assert [group.name for group in found.groups] == ["a", "b", None]
    assert (found.other.sums.calls, found.other_groups, found.total_groups) == (5, 2, 5)
    assert found.other.sums.cost == Decimal("0.5")


def test_filters_keep_values_and_what_is_not_set(usage):
    start = at("2026-11-22T09:00:00")
    rows = [
        attempt(n, start, power_level=("eco", None, "balanced")[n], user_id=("u1", "u1", "u2")[n]) for n in range(3)
    ]
    source = usage(rows)
    for query, calls in (
        (UsageQuery(range="today", power_level=(None,)), 1),
        (UsageQuery(range="today", power_level=("eco", None)), 2),
        (UsageQuery(range="today", user=("u1",)), 2),
        (UsageQuery(range="today", user=("u1",), power_level=("eco",)), 1),
        (UsageQuery(range="today", model=("nope",)), 0),
    ):
        assert ready(source.summary(query)).figures.total_calls == calls
        assert len(ready(source.recent(query)).requests) == calls


def test_a_member_sees_its_own_organization_only(usage):
    start = at("2026-11-22T09:00:00")
    rows = [attempt(n, start, organization_id=("acme", "other")[n % 2], model=f"m{n}") for n in range(5)]
    source, query = usage(rows), UsageQuery(range="today", organization_id="acme")
    assert ready(source.summary(query)).figures.total_calls == 3
    assert {group.name for group in ready(source.breakdown(query, "model")).groups} == {"m0", "m2", "m4"}
    assert {row.decided_by.model for row in ready(source.recent(query)).requests} == {"m0", "m2", "m4"}
    assert ready(source.export(query)).total_rows == 3


def test_bucket_states_tell_zero_from_not_collected_partial_and_forming(usage):
    listened = [(at("2026-11-22T10:00:00"), at("2026-11-22T11:30:00")), (at("2026-11-22T12:00:00"), NOW)]
    rows = [attempt(1, at("2026-11-22T08:30:00")), attempt(2, at("2026-11-22T11:10:00"))]
    series = ready(usage(rows, listened=listened).timeseries(UsageQuery(range="today"), granularity="hour"))
    states = {bucket.start.hour: bucket.state for bucket in series.buckets}
    assert states[7] == "not_collected"
    assert states[8] == "partial"  # events came for a time in which we did not listen
    assert (states[10], states[11], states[12], states[14]) == ("complete", "partial", "complete", "forming")
    calls = {bucket.start.hour: bucket.sums.calls if bucket.sums else None for bucket in series.buckets}
    assert (calls[7], calls[8], calls[10], calls[11], calls[12]) == (None, 1, 0, 1, 0)
    assert [bucket.collected_s for bucket in series.buckets if bucket.start.hour == 11] == [1800.0]


def test_who_sent_nothing_in_a_time_without_listening_is_not_known_to_be_zero(usage):
    listened = [(at("2026-11-22T10:00:00"), NOW)]
    rows = [
        attempt(1, at("2026-11-22T08:30:00"), provider="late"),
        attempt(2, at("2026-11-22T11:10:00"), provider="there"),
        attempt(3, at("2026-11-22T11:11:00"), provider="rest"),
    ]
    asked = {"granularity": "hour", "group_by": "provider"}
    series = ready(usage(rows, listened=listened).timeseries(UsageQuery(range="today"), **asked))
    groups = [group.name for group in series.series]
    calls = {
        bucket.start.hour: dict(zip(groups, (cell and cell.calls for cell in bucket.groups), strict=True))
        for bucket in series.buckets
    }
    assert calls[8] == {"late": 1, "there": None, "rest": None}
    assert calls[11] == {"late": 0, "there": 1, "rest": 1}
    cut = ready(usage([], listened=listened).timeseries(UsageQuery(range="today"), limit=1, **asked))
    of_hour = {bucket.start.hour: bucket.other for bucket in cut.buckets}
    assert (of_hour[8], of_hour[12].calls) == (None, 0)


def test_an_import_covers_its_span(usage):
    imported = [(at("2026-11-22T08:00:00"), at("2026-11-22T10:00:00"))]
    series = ready(usage([], listened=[], imported=imported).timeseries(UsageQuery(range="today"), granularity="hour"))
    assert [bucket.start.hour for bucket in series.buckets if bucket.state == "complete"] == [8, 9]


def test_a_restart_of_less_than_a_minute_is_no_gap(usage):
    listened = [(at("2026-11-22T00:00:00"), at("2026-11-22T11:30:00")), (at("2026-11-22T11:30:50"), NOW)]
    source = usage([], listened=listened)
    coverage = ready(source.coverage(UsageQuery(range="today")))
    assert coverage.complete
    assert coverage.collected_s == (14 * 3600 + 2 * 60 + 10) - 50


def test_minutes_come_from_the_attempts(usage):
    rows = [attempt(n, at("2026-11-22T14:00:10") + timedelta(seconds=30 * n)) for n in range(3)]
    query = UsageQuery(range="custom", start=at("2026-11-22T14:00:00"), end=at("2026-11-22T14:15:00"))
    series = ready(usage(rows).timeseries(query, granularity="minute"))
    # the minutes that have not begun are no zeros
    assert [(bucket.start.minute, bucket.sums.calls) for bucket in series.buckets] == [(0, 2), (1, 1), (2, 0)]
    ahead = ready(usage([attempt(9, at("2026-11-22T14:04:00"))]).timeseries(query, granularity="minute"))
    calls = [bucket.sums and bucket.sums.calls for bucket in ahead.buckets]
    assert calls == [2, 1, 0, None, 1]  # its sender's clock is ahead; of the minute between nobody can know


def test_a_call_is_listed_once_with_all_its_attempts(usage):
    start = at("2026-11-22T09:00:00")
    rows = [
        attempt(1, start, call_id="x", counts_call=0, status="failure", provider="a", cost_usd="0.1"),
        attempt(2, start + timedelta(seconds=5), call_id="x", provider="b", cost_usd="0.2", call_duration_ms=5150),
        attempt(3, start - timedelta(days=3), call_id="x", provider="c"),  # the same id, another call
    ]
    (request,) = ready(usage(rows).recent(UsageQuery(range="today"))).requests
    assert [tried.provider for tried in request.attempts] == ["a", "b"]
    assert (request.decided_by.provider, request.latency_ms) == ("b", 5150)
    assert request.cost == Decimal("0.3")


def test_pages_of_recent_calls_neither_repeat_nor_leave_out(usage):
    start = at("2026-11-22T09:00:00")
    rows = [attempt(n, start + timedelta(seconds=n // 3)) for n in range(50)]  # many equal times
    source, seen, cursor = usage(rows), [], None
    for _ in range(5):
        page = ready(source.recent(UsageQuery(range="today"), limit=10, cursor=cursor))
        seen += [request.call_id for request in page.requests]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == sorted({f"c{n:06}" for n in range(50)}, reverse=True)


@pytest.mark.parametrize("cursor", ["", "nonsense", "W10=", "WzEsMl0=", "é"])
def test_a_cursor_of_ones_own_making_is_refused(usage, cursor):
    result = usage([]).recent(UsageQuery(range="today"), cursor=cursor)
    assert isinstance(result, Failed)
    assert result.problem.kind is Kind.BAD_QUERY


def test_an_export_holds_every_row_of_the_window_in_one_snapshot(usage, tmp_path):
    start = at("2026-11-22T09:00:00")
    rows = [attempt(n, start + timedelta(milliseconds=n // 7), counts_call=n % 2) for n in range(12_000)]
    source = usage(rows)
    export = ready(source.export(UsageQuery(range="today"), grain="attempts"))
    first = next(export.rows)
    fill(source._store, [attempt(99_999, start)])  # written while the export is being sent
    rest = list(export.rows)
    assert export.total_rows == len(rest) + 1 == 12_000
    events = [dict(zip(export.columns, row, strict=True))["event_id"] for row in (first, *rest)]
    assert events == sorted(events)
    assert len(set(events)) == 12_000
    assert ready(source.export(UsageQuery(range="today"))).total_rows == 6_001


def test_a_store_that_cannot_open_is_a_failed_answer_not_an_exception(tmp_path):
    store = make_store(tmp_path)
    (tmp_path / "usage.duckdb").write_bytes(b"this is no database" * 500)
    source, query = EmbeddedUsage(store, now=lambda: NOW), UsageQuery(range="today")
    for result in (
        source.summary(query),
        source.breakdown(query, "model"),
        source.timeseries(query),
        source.recent(query),
        source.export(query),
        source.coverage(query),
        source.version(),
    ):
        assert isinstance(result, Failed)
        assert (result.problem.kind, result.problem.title) == (Kind.STORE, FAILED)


def test_the_version_tells_whether_anything_ever_came(usage):
    source = usage([])
    assert not ready(source.version()).ever_collected
    before = ready(source.version()).version
    fill(source._store, [attempt(1, at("2026-11-22T09:00:00"))])
    assert ready(source.version()).ever_collected
    assert ready(source.version()).version > before


def test_what_is_kept_is_never_older_than_the_data(usage):
    start, query = at("2026-11-22T09:00:00"), UsageQuery(range="today")
    source = usage([attempt(1, start)])
    for number in range(2, 5):
        assert ready(source.breakdown(query, "model")).total.calls == number - 1
        assert ready(source.breakdown(query, "model")).total.calls == number - 1
        fill(source._store, [attempt(number, start)])


def test_every_answer_says_where_it_comes_from(usage):
    rows = [attempt(1, at("2026-11-22T09:00:00"), input_tokens=3)]
    result = usage(rows).breakdown(UsageQuery(range="today", tz="Europe/Berlin"), "model")
    source = result.provenance
    assert source.source == "Usage store"
    assert source.window == "22 Nov 2026 00:00 to 15:02, Europe/Berlin"
    assert (source.as_of, source.rows) == (at("2026-11-22T09:00:00"), 1)
    assert "FROM rollup" in source.query
    assert "1 call unpriced: usage known, no price known" in source.notes


maybe_int = st.one_of(st.none(), st.integers(0, 10**12))
events = st.fixed_dictionaries(
    {
        "offset": st.integers(0, 40 * 86_400 * 1_000_000),
        "provider": st.sampled_from(["openai", "anthropic", None]),
        "model": st.sampled_from(["a", "b", "c", "d", None]),
        "user_id": st.sampled_from(["u1", "u2", "u3", None]),
        "status": st.sampled_from(["success", "failure", "unknown"]),
        "counts_call": st.integers(0, 1),
        "input_tokens": maybe_int,
        "cache_read_tokens": maybe_int,
        "cost_usd": st.one_of(st.none(), st.decimals(0, 1000, places=12)),
    }
)


@settings(max_examples=15)
@given(
    st.lists(events, max_size=40),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Havana", "Australia/Lord_Howe"]),
    st.integers(0, 96 * 20),
    st.integers(1, 96 * 25),
    st.sampled_from(["hour", "day", "week", "month"]),
    st.sampled_from(["provider", "model", "user"]),
    st.one_of(st.none(), st.integers(1, 3)),
)
def test_buckets_groups_and_rows_all_sum_to_the_total(drawn, tz, first, slots, grain, dimension, limit):
    begin = datetime(2026, 10, 10, tzinfo=UTC)  # the clocks change in all of these zones within the next 40 days
    rows = [
        attempt(n, begin + timedelta(microseconds=event["offset"]), **{k: v for k, v in event.items() if k != "offset"})
        for n, event in enumerate(drawn)
    ]
    start = begin + timedelta(minutes=15 * first)
    end = start + timedelta(minutes=15 * slots)
    query = UsageQuery(range="custom", start=start, end=end, tz=tz)
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder))
        fill(store, rows)
        source = EmbeddedUsage(store, now=lambda: NOW + timedelta(days=60))
        summary = ready(source.summary(query)).figures
        series = ready(source.timeseries(query, granularity=grain, group_by=dimension, limit=limit))
        groups = ready(source.breakdown(query, dimension, limit=limit))
        exported = [
            dict(zip(export.columns, row, strict=True))
            for export in [ready(source.export(query, grain="attempts"))]
            for row in export.rows
        ]
        store.close()

    inside = [row for row in rows if to_us(start) <= row["started_at_us"] < to_us(end)]
    costs = [row["cost_usd"] for row in inside if row["cost_usd"] is not None]
    cost = sum(costs, Decimal(0)) if costs else None
    tokens = [row["input_tokens"] for row in inside if row["input_tokens"] is not None]
    expected = (sum(row["counts_call"] for row in inside), len(inside), cost, sum(tokens) if tokens else None)

    def figures(sums):
        return (sums.calls, sums.attempts, sums.cost, sums.tokens.input)

    assert figures(groups.total) == figures(series.total) == expected
    if inside:
        assert (summary.total_calls, summary.total_attempts, summary.total_cost, summary.tokens.input) == expected
    else:
        assert summary.total_calls is None  # nothing was collected either
    assert figures(total(bucket.sums for bucket in series.buckets if bucket.sums)) == expected
    whole = [group.sums for group in groups.groups] + ([groups.other.sums] if groups.other else [])
    assert figures(total(whole)) == expected
    cells = [cell for bucket in series.buckets if bucket.sums for cell in (*bucket.groups, bucket.other) if cell]
    assert figures(total(cells)) == expected
    assert len(exported) == len(inside)
    assert sum((row["cost_usd"] for row in exported if row["cost_usd"] is not None), Decimal(0)) == sum(costs)
    if grain == "day":
        zone = ZoneInfo(tz)
        moments = [from_us(row["started_at_us"]) for row in inside]
        drawn_days = {b.start.astimezone(zone).date(): b.sums.attempts for b in series.buckets if b.sums}
        assert {day: n for day, n in drawn_days.items() if n} == Counter(m.astimezone(zone).date() for m in moments)


def test_a_zero_names_the_last_event_of_each_source(usage):
    last = {"litellm": at("2026-11-20T10:00:00"), "api": at("2026-11-21T23:00:00")}
    rows = [
        attempt(1, at("2026-11-19T10:00:00"), source="api"),
        attempt(4, at("2026-11-20T09:00:00"), source="litellm"),
    ]
    rows += [attempt(7 + n, moment, source=source, model="m") for n, (source, moment) in enumerate(last.items())]
    rows.append(attempt(9, at("2026-11-22T11:00:00"), source="api", model="later"))
    source = usage(rows)
    morning = {"range": "custom", "start": at("2026-11-22T00:00:00"), "end": at("2026-11-22T10:00:00")}
    told = ready(source.summary(UsageQuery(**morning))).last_events
    assert [(one.source, one.started_at) for one in told] == [("api", last["api"]), ("litellm", last["litellm"])]
    other = ready(source.summary(UsageQuery(**morning, source=("litellm",)))).last_events
    assert [one.source for one in other] == ["litellm"]
    assert ready(source.summary(UsageQuery(range="today"))).last_events == ()
