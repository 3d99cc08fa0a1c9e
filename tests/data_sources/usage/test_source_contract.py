"""The promises of `UsageSource`, asked of the embedded store and, over live HTTP, of another console's API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from data_sources.result import Failed, Kind, Ready
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.figures import total
from data_sources.usage.remote import RemoteUsage
from data_sources.usage.types import DIMENSIONS, UsageQuery
from tests.fakes.usage_api import KEY, LiveUsageApi
from tests.fakes.usage_rows import at, attempt, fill, make_store

NOW = at("2026-11-22T14:02:10")
MODELS = ["gpt-5-mini", "claude-sonnet-4-5", "=cmd()", 'modèle "a"\n🙂', None]


def rows():
    found = []
    for number in range(120):
        start = at("2026-11-22T13:50:00") - timedelta(minutes=37 * number, microseconds=number * 7919)
        fields = {
            "provider": ["openai", "anthropic", None][number % 3],
            "model": MODELS[number % 5],
            "power_level": ["eco", "balanced", None, "precision"][number % 4],
            "user_id": [f"user{number % 7}", None][number % 2],
            "team_id": ["red", None, "blue"][number % 3],
            "organization_id": ["acme", "other"][number % 2],
            "stream": [True, False, None][number % 3],
            "tags": [["=a", "b;c"], [], None][number % 3],
            "web_searches": [None, 2][number % 2],
            "cost_reported_usd": [None, Decimal("0.000000000007")][number % 2],
        }
        if number % 11 == 0:
            fields |= {"status": "failure", "error_type": "Timeout", "http_status": 504}
        elif number % 13 == 0:
            fields |= {"status": "unknown", "input_tokens": 12}
        else:
            fields |= {"input_tokens": 100 + number, "output_tokens": number, "duration_ms": 300 + number * 3}
            if number % 4:
                fields |= {"cost_usd": f"0.{number:012}", "reasoning_tokens": 3, "time_to_first_token_ms": 40}
        found.append(attempt(number, start, **fields))
    start = at("2026-11-22T10:00:00")
    fallback = {"call_id": "fallback", "organization_id": "acme", "provider": "openai"}
    found.append(attempt(900, start, counts_call=0, status="failure", http_status=429, **fallback))
    found.append(attempt(901, start + timedelta(seconds=2), cost_usd="1.5", cache_read_tokens=7, **fallback))
    return found


@dataclass
class Both:
    """The same data behind both sources, and the store under them."""

    embedded: EmbeddedUsage
    remote: RemoteUsage
    store: object


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    store = make_store(tmp_path_factory.mktemp("contract"))
    listened = [
        (at("2026-11-01T00:00:00"), at("2026-11-20T08:30:00")),
        (at("2026-11-20T12:00:00.5"), NOW),
    ]
    fill(store, rows(), listened=listened)
    live = LiveUsageApi(store, lambda: NOW)
    remote = RemoteUsage(live.url, KEY, now=lambda: NOW)
    yield Both(EmbeddedUsage(store, now=lambda: NOW), remote, store)
    remote.close()
    live.close()
    store.close()


CUSTOM = {"range": "custom", "start": at("2026-11-20T06:00:00"), "end": at("2026-11-21T06:15:00")}
QUERIES = {
    "today": UsageQuery(range="today"),
    "30d": UsageQuery(),
    "quarter in Kathmandu": UsageQuery(range="quarter", tz="Asia/Kathmandu"),
    "custom over a gap": UsageQuery(**CUSTOM, tz="America/St_Johns"),
    "before collection": UsageQuery(range="custom", start=at("2026-10-01T00:00:00"), end=at("2026-10-08T00:00:00")),
    "into the future": UsageQuery(range="custom", start=at("2026-11-22T00:00:00"), end=at("2026-12-01T00:00:00")),
    "filters": UsageQuery(range="7d", provider=("openai", None), status=("success", "failure")),
    "hostile filter": UsageQuery(range="7d", model=(MODELS[3], "a&b=c#?+%")),
    "one organization": UsageQuery(range="7d", tz="Europe/Berlin", organization_id="acme"),
    "nobody's organization": UsageQuery(range="7d", organization_id="no & body"),
}
ALL = pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)


def ready(result):
    assert isinstance(result, Ready), result
    assert result.stale is None
    return result


def same(left, right):
    """Equal values, and the same words about them."""
    left, right = ready(left), ready(right)
    assert left.value == right.value
    assert left.provenance.window == right.provenance.window
    return left, right


@ALL
def test_both_sources_tell_the_same_summary(both, query):
    left, right = same(both.embedded.summary(query), both.remote.summary(query))
    assert (left.provenance.as_of, left.provenance.notes) == (right.provenance.as_of, right.provenance.notes)


@ALL
@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("limit", [None, 2])
def test_both_sources_tell_the_same_breakdown(both, query, dimension, limit):
    asked = (query, dimension)
    left, right = same(both.embedded.breakdown(*asked, limit=limit), both.remote.breakdown(*asked, limit=limit))
    assert left.provenance.notes == right.provenance.notes
    assert left.provenance.rows == right.provenance.rows


@ALL
def test_both_sources_tell_the_same_models_without_a_price(both, query):
    left, right = same(both.embedded.unpriced(query, limit=2), both.remote.unpriced(query, limit=2))
    assert left.provenance.notes == right.provenance.notes


@ALL
@pytest.mark.parametrize(
    ("granularity", "group_by", "limit"), [(None, None, None), ("day", "model", 2), ("hour", "team", 9)]
)
def test_both_sources_tell_the_same_series(both, query, granularity, group_by, limit):
    asked = {"granularity": granularity, "group_by": group_by, "limit": limit}
    left, right = same(both.embedded.timeseries(query, **asked), both.remote.timeseries(query, **asked))
    assert left.provenance.notes == right.provenance.notes


@ALL
def test_buckets_and_groups_of_a_source_add_up_to_its_total(both, query):
    for source in (both.embedded, both.remote):
        series = ready(source.timeseries(query, granularity="day", group_by="provider", limit=1)).value
        assert total(bucket.sums for bucket in series.buckets if bucket.sums is not None) == series.total
        by = ready(source.breakdown(query, "provider")).value
        assert total(group.sums for group in by.groups) == by.total == series.total


@ALL
def test_both_sources_list_the_same_calls_page_by_page(both, query):
    cursor, pages = None, 0
    while True:
        left, _ = same(
            both.embedded.recent(query, limit=17, cursor=cursor), both.remote.recent(query, limit=17, cursor=cursor)
        )
        cursor, pages = left.value.next_cursor, pages + 1
        if cursor is None:
            break
    assert pages >= 1


@ALL
@pytest.mark.parametrize("grain", ["calls", "attempts"])
def test_both_sources_export_the_same_rows(both, query, grain):
    left, right = ready(both.embedded.export(query, grain=grain)), ready(both.remote.export(query, grain=grain))
    for name in ("window", "grain", "columns", "total_rows", "total_calls"):
        assert getattr(left.value, name) == getattr(right.value, name)
    found = list(right.value.rows)
    assert found == list(left.value.rows)
    assert len(found) == right.value.total_rows


@ALL
def test_both_sources_were_listening_for_the_same_time(both, query):
    same_time = [ready(source.coverage(query)) for source in (both.embedded, both.remote)]
    assert same_time[0].value == same_time[1].value
    assert same_time[0].provenance.notes == same_time[1].provenance.notes


def test_both_sources_have_the_same_version(both):
    assert ready(both.embedded.version()).value == ready(both.remote.version()).value


def test_another_organization_s_usage_is_never_counted(both):
    for source in (both.embedded, both.remote):
        page = ready(source.recent(QUERIES["one organization"], limit=500)).value
        assert {row.call_id for row in page.requests} <= {
            row["call_id"] for row in rows() if row["organization_id"] == "acme"
        }
        assert ready(source.summary(QUERIES["nobody's organization"])).value.figures.total_calls == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda source: source.timeseries(UsageQuery(range="30d"), granularity="minute"),
        lambda source: source.recent(UsageQuery(), cursor="nonsense"),
        lambda source: source.recent(UsageQuery(), limit=501),
        lambda source: source.summary(UsageQuery(range="custom")),
    ],
    ids=["minutes of a month", "cursor", "limit", "no window"],
)
def test_both_sources_refuse_a_wrong_question(both, ask):
    for source in (both.embedded, both.remote):
        found = ask(source)
        assert isinstance(found, Failed), found
        assert found.problem.kind is Kind.BAD_QUERY
        assert found.problem.detail.endswith(".")


def test_the_zone_is_the_asked_one(both):
    for source in (both.embedded, both.remote):
        window = ready(source.summary(QUERIES["quarter in Kathmandu"])).value.window
        local = window.start.astimezone(ZoneInfo("Asia/Kathmandu"))
        assert (local.month, local.day, local.hour, local.minute) == (10, 1, 0, 0)
