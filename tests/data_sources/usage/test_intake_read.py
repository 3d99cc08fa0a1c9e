"""The coverage page's question: what came, what became of it, and when nobody listened, from both kinds of source."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from data_sources.result import Failed, Kind, Ready
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.remote import RemoteUsage
from data_sources.usage.schema import SLOT_US
from data_sources.usage.types import Taken, UsageQuery
from data_sources.usage.windows import to_us
from pages import coverage_panels
from tests.fakes.usage_api import KEY, LiveUsageApi, OriginalUsageApi
from tests.fakes.usage_rows import at, fill, make_store

NOW = at("2026-11-22T14:02:10")
WEEK = UsageQuery(range="7d")
BOTH = pytest.mark.parametrize("source", ["embedded", "remote"], indirect=True)
SAMPLE = '{"batch": "b7", "index": 3, "fields": ["event_id", "model"]}'


def slot(text):
    return to_us(at(text)) // SLOT_US


INTAKE = [
    (slot("2026-11-01T10:00:00"), "old", 5, 0, 0, 0, to_us(at("2026-11-01T10:01:00"))),
    (slot("2026-11-22T09:45:00"), "api", 2, 1, 0, 1, to_us(at("2026-11-22T09:46:00"))),
    (slot("2026-11-22T10:00:00"), "api", 4, 0, 3, 0, to_us(at("2026-11-22T10:01:00"))),
    (slot("2026-11-22T10:15:00"), "litellm", 9, 0, 0, 0, to_us(at("2026-11-22T10:16:00"))),
    (slot("2026-11-22T10:15:00"), None, 1, 0, 1, 0, to_us(at("2026-11-22T10:16:00"))),
]
REJECTED = [
    (slot("2026-11-22T10:00:00"), "api", "bad", 2, to_us(at("2026-11-22T10:01:00")), SAMPLE),
    (slot("2026-11-22T10:00:00"), "api", "worse", 1, to_us(at("2026-11-22T10:00:30")), None),
    (slot("2026-11-22T10:15:00"), None, None, 1, to_us(at("2026-11-22T10:16:00")), None),
]
DOOR = "/v1/traces"
REFUSED = [
    (slot("2026-11-22T10:00:00"), DOOR, 413, "Too large", 2, to_us(at("2026-11-22T10:01:00"))),
    (slot("2026-11-22T10:15:00"), DOOR, 413, "Too large", 1, to_us(at("2026-11-22T10:16:00"))),
    (slot("2026-11-22T10:15:00"), DOOR, 503, "The disk was nearly full", 9, to_us(at("2026-11-22T10:17:00"))),
    (slot("2026-11-01T10:15:00"), DOOR, 503, "The disk was nearly full", 50, to_us(at("2026-11-01T10:17:00"))),
]
BATCHES = [
    ("b1", "api", "api", None, to_us(NOW), 7, 0, 0, None, 0),
    ("b2", "import", "csv", "a.csv", to_us(at("2026-10-01T00:00:00")), 7, 1, 2, None, 0),
    ("b3", "import", None, "=cmd().csv", to_us(at("2026-11-02T00:00:00")), 3, 0, 0, to_us(NOW), 0),
]


def put(store):
    fill(store, [], listened=[(at("2026-11-22T08:00:00"), at("2026-11-22T12:00:00"))])
    with store.cursor() as cursor:
        for table, rows in (("intake", INTAKE), ("rejections", REJECTED), ("batches", BATCHES), ("refused", REFUSED)):
            marks = ", ".join("?" for _ in rows[0])
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", [list(row) for row in rows])
        since = str(to_us(at("2026-11-02T00:00:00")))
        cursor.execute("UPDATE meta SET value = ? WHERE key = 'refused_since_us'", [since])


@pytest.fixture
def store(tmp_path):
    made = make_store(tmp_path)
    put(made)
    yield made
    made.close()


@pytest.fixture
def source(request, store):
    if request.param == "embedded":
        yield EmbeddedUsage(store, now=lambda: NOW)
        return
    live = LiveUsageApi(store, lambda: NOW)
    remote = RemoteUsage(live.url, KEY, now=lambda: NOW)
    yield remote
    remote.close()
    live.close()


def ready(result):
    assert isinstance(result, Ready), result
    return result.value


@BOTH
def test_sources_stand_with_what_became_of_their_events_and_their_last_one(source):
    found = ready(source.intake(WEEK))
    assert [(one.source, one.taken) for one in found.sources] == [
        ("api", Taken(6, 1, 3, 1)),
        ("litellm", Taken(9, 0, 0, 0)),
        (None, Taken(1, 0, 1, 0)),
    ]
    assert found.sources[0].last_received_at == at("2026-11-22T10:01:00")
    assert found.counted_since == at("2026-11-01T10:00:00")
    assert found.coverage.collected_s == 4 * 3600


@BOTH
def test_hours_are_those_of_the_zone_and_add_up_to_the_sources(source):
    found = ready(source.intake(UsageQuery(range="7d", tz="Asia/Kathmandu")))
    hours = [(one.start.strftime("%H:%M"), one.source, one.taken.received) for one in found.buckets]
    assert hours == [("10:15", "litellm", 9), ("10:15", None, 2), ("09:15", "api", 10)]
    assert {one.end - one.start for one in found.buckets} == {timedelta(hours=1)}
    assert sum(one.taken.received for one in found.buckets) == sum(one.taken.received for one in found.sources)


TODAY = UsageQuery(start=at("2026-11-22T06:00:00"), end=at("2026-11-23T00:00:00"), range="custom")


@BOTH
def test_hours_of_the_window_tell_a_zero_from_a_time_in_which_nobody_listened(source):
    found = ready(source.intake(TODAY)).series
    assert found.granularity == "hour"
    told = {step.start.hour: (step.state, step.taken) for step in found.steps}
    assert [told[hour] for hour in (6, 7)] == [("not_collected", None)] * 2
    assert told[8] == told[11] == ("complete", Taken(0, 0, 0, 0))
    assert told[9] == ("complete", Taken(2, 1, 0, 1))
    assert told[10] == ("complete", Taken(14, 0, 4, 0))
    assert told[12] == ("not_collected", None)
    assert max(told) == 14


@BOTH
def test_what_came_over_time_adds_up_to_the_sources_in_any_zone_across_a_change_of_the_clocks(source):
    for tz in ("UTC", "Asia/Kathmandu", "Europe/Berlin", "America/New_York"):
        for asked in (
            UsageQuery(range="7d", tz=tz),
            UsageQuery(range="quarter", tz=tz),
            UsageQuery(range="30d", tz=tz),
        ):
            found = ready(source.intake(asked))
            steps = found.series.steps
            assert all(one.end == after.start for one, after in pairwise(steps))
            whole = sum((one.taken for one in steps if one.taken is not None), Taken(0, 0, 0, 0))
            assert whole == sum((one.taken for one in found.sources), Taken(0, 0, 0, 0))


@BOTH
def test_before_anything_was_counted_nothing_is_said_to_be_zero(source, store):
    with store.cursor() as cursor:
        listened = [to_us(at("2026-10-30T00:00:00")), to_us(at("2026-11-03T00:00:00"))]
        cursor.execute("INSERT INTO collection VALUES ('listening', ?, ?, NULL, NULL)", listened)
        imported = [to_us(at("2026-11-04T00:00:00")), to_us(at("2026-11-05T00:00:00"))]
        cursor.execute("INSERT INTO collection VALUES ('import', ?, ?, NULL, NULL)", imported)
    asked = UsageQuery(start=at("2026-10-29T00:00:00"), end=at("2026-11-12T00:00:00"), range="custom")
    days = ready(source.intake(asked)).series
    assert days.granularity == "day"
    told = {step.start.strftime("%m-%d"): (step.state, step.taken) for step in days.steps}
    assert told["10-29"] == ("not_collected", None)
    assert told["10-31"] == ("complete", None)  # it listened, but did not count yet
    assert told["11-01"] == ("complete", Taken(5, 0, 0, 0))
    assert told["11-02"] == ("complete", Taken(0, 0, 0, 0))
    assert told["11-04"] == ("not_collected", None)  # covered by an import, but nobody was there to receive


@BOTH
def test_a_long_window_is_told_by_day(source):
    found = ready(source.intake(UsageQuery(range="quarter")))
    assert found.granularity == "day"
    assert {one.end - one.start for one in found.buckets} == {timedelta(days=1)}
    assert [one.source for one in found.buckets] == ["api", "litellm", None, "old"]


@BOTH
def test_reasons_stand_most_first_with_the_newest_of_each_and_what_has_no_name_last(source):
    found = ready(source.intake(WEEK))
    assert [(one.reason, one.events, one.batch_id, one.index, one.fields) for one in found.rejections] == [
        ("bad", 2, "b7", 3, ("event_id", "model")),
        ("worse", 1, None, None, ()),
        (None, 1, None, None, ()),
    ]


@BOTH
def test_imports_are_told_whatever_the_window_and_say_when_they_were_taken_out(source):
    found = ready(source.intake(WEEK))
    assert [(one.name, one.undone_at, one.taken.accepted) for one in found.imports] == [
        ("=cmd().csv", NOW, 3),
        ("a.csv", None, 7),
    ]


@BOTH
def test_refused_requests_are_told_by_reason_whatever_the_filter_and_since_when(source):
    found = ready(source.intake(UsageQuery(range="7d", source=("litellm",))))
    assert [(one.door, one.status, one.reason, one.requests, one.last_received_at) for one in found.refused] == [
        (DOOR, 503, "The disk was nearly full", 9, at("2026-11-22T10:17:00")),
        (DOOR, 413, "Too large", 3, at("2026-11-22T10:16:00")),
    ]
    assert found.refused_since == at("2026-11-02T00:00:00")


@BOTH
def test_a_filter_on_sources_applies(source):
    found = ready(source.intake(UsageQuery(range="7d", source=("litellm", None))))
    assert [one.source for one in found.sources] == ["litellm", None]
    assert [one.reason for one in found.rejections] == [None]


def test_a_usage_api_that_does_not_count_this_is_said_not_to():
    api = OriginalUsageApi()
    remote = RemoteUsage(api.url, KEY)
    missing = remote.intake(WEEK)
    api.bodies["/api/v1/llm/usage/coverage"] = {"window_seconds": 1, "collected_seconds": 1, "gaps": []}
    silent = remote.intake(WEEK)
    remote.close()
    api.close()
    for found in (missing, silent):
        assert isinstance(found, Failed)
        assert found.problem.kind is Kind.NOT_FOUND


def test_an_older_console_that_tells_neither_hours_nor_refused_requests_leaves_both_unknown():
    api = OriginalUsageApi()
    counted = {"granularity": "hour", "sources": [], "buckets": [], "rejections": [], "imports": []}
    times = {"window_seconds": 1, "collected_seconds": 1, "gaps": []}
    api.bodies["/api/v1/llm/usage/coverage"] = {**times, "intake": counted}
    remote = RemoteUsage(api.url, KEY)
    found = ready(remote.intake(WEEK))
    remote.close()
    api.close()
    assert (found.series, found.refused, found.refused_since) == (None, None, None)
    for told in (coverage_panels.no_series(found), coverage_panels.refused_not_counted(found)):
        assert told[0] == "Not told"
