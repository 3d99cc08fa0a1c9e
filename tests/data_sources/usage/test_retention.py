"""Attempts that are too old go, their sums stay, nothing that has gone is counted again, and gaps are said."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.result import Failed, Ready
from data_sources.usage import retention
from data_sources.usage.commit import ChangeRefusedError
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.store import StoreError
from data_sources.usage.types import UsageQuery
from data_sources.usage.writer import now_us
from pages import usage_panels
from routes import usage_json
from tests.data_sources.usage.ingest_rows import NOON_US, TOTALS, ask, attempts, event, open_store, writing
from tests.data_sources.usage.otlp_rows import CAPTURED
from tests.data_sources.usage.random_events import EVENTS, HOUR_US
from tests.data_sources.usage.test_verify import check
from tests.data_sources.usage.test_writer import wait_until

DAY_US = 24 * HOUR_US


def expired(writer, until_us):
    while writer.change(lambda cursor: retention.expire(cursor, until_us)):
        pass


@settings(max_examples=25)
@given(EVENTS, st.integers(0, 90), st.randoms(use_true_random=False))
def test_no_figure_of_the_rollup_changes_when_attempts_go_or_are_sent_again(tmp_path_factory, events, hours, random):
    edge = (NOON_US - hours * HOUR_US) // 900_000_000 * 900_000_000
    with writing(tmp_path_factory.mktemp("kept")) as (store, writer):
        writer.submit(attempts(*events), batch_id="a")
        before = ask(store, TOTALS)
        expired(writer, edge)
        assert ask(store, TOTALS) == before
        assert check(store, 3) == []
        left = ask(store, f"SELECT count(*) FROM attempts WHERE started_at_us >= {edge}")
        assert left == [(sum(one["started_at_us"] >= edge for one in events),)]
        again = attempts(*events)
        old = set(retention.too_old(again, store.raw_from_us))
        random.shuffle(young := [made for place, made in enumerate(again) if place not in old])
        if young:
            assert writer.submit(young, batch_id="b").duplicates == len(young)
        assert ask(store, TOTALS) == before


def test_a_late_attempt_of_a_call_over_the_edge_moves_the_call_and_counts_it_once(tmp_path):
    edge = NOON_US // 900_000_000 * 900_000_000
    first = event(1, call_id="c", status="success") | {"started_at_us": edge - HOUR_US}
    second = event(2, call_id="c", status="failure") | {"started_at_us": edge + 12 * HOUR_US}
    third = event(3, call_id="c", status="success") | {"started_at_us": edge + 30 * HOUR_US}
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(first, second, event(9) | {"started_at_us": edge - HOUR_US}), batch_id="a")
        expired(writer, edge)
        assert ask(store, "SELECT event_id FROM attempts ORDER BY 1") == [("e1",), ("e2",)]
        writer.submit(attempts(third), batch_id="b")
        assert ask(store, "SELECT sum(calls), sum(attempts) FROM rollup") == [(2, 4)]
        assert ask(store, "SELECT event_id FROM attempts WHERE counts_call = 1") == [("e3",)]


def test_what_became_too_old_at_the_door_is_refused_and_not_counted(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(event(1)), batch_id="a")
        expired(writer, (NOON_US + 3 * DAY_US) // 900_000_000 * 900_000_000)
        with pytest.raises(StoreError) as caught:
            writer.submit(attempts(event(1)), batch_id="b")
        assert caught.value.problem.retry_after_s
        assert ask(store, "SELECT sum(attempts) FROM rollup") == [(1,)]


def test_a_batch_that_is_partly_gone_cannot_be_undone(tmp_path):
    with writing(tmp_path, clock_us=lambda: NOON_US) as (store, writer):
        late = event(2) | {"started_at_us": NOON_US + 3 * DAY_US}
        writer.submit(attempts(event(1), late), batch_id="i", named=True, kind="import")
        writer.submit(attempts(event(5)), batch_id="request")
        expired(writer, (NOON_US + DAY_US) // 900_000_000 * 900_000_000)
        with pytest.raises(ChangeRefusedError, match="1 of its attempts are older than is kept"):
            writer.undo("i")
        assert [batch["batch_id"] for batch in writer.batches()] == ["i"]  # nothing is left of the request
        assert ask(store, "SELECT sum(attempts) FROM rollup") == [(3,)]


def test_the_writer_deletes_by_itself_week_by_week_and_a_restart_remembers(tmp_path):
    now = NOON_US
    with writing(tmp_path, clock_us=lambda: now) as (store, writer):
        made = [event(day) | {"started_at_us": now - day * DAY_US} for day in range(0, 60, 2)]
        writer.submit(attempts(*made), batch_id="a", named=True)
    with writing(tmp_path, clock_us=lambda: now, keep_days=10, heartbeat_s=0.01) as (store, writer):
        wait_until(lambda: ask(store, "SELECT count(*) FROM attempts") == [(6,)], "old attempts never went")
        edge = retention.edge_for(now, 10)
        wait_until(lambda: store.raw_from_us == edge, "the edge was never reached")
        assert ask(store, "SELECT sum(attempts) FROM rollup") == [(30,)]
        assert ask(store, "SELECT expired FROM batches WHERE batch_id = 'a'") == [(24,)]
    store = open_store(tmp_path)
    store.open()
    assert store.raw_from_us == edge
    assert check(store, 1000) == []
    store.close()


@pytest.fixture
def reader(tmp_path):
    """A reader of a store in which a year of days has 25 calls each, single calls of the last month alone kept."""
    now = NOON_US
    with writing(tmp_path) as (store, writer):
        made = [
            event(day * 100 + place, user_id=f"u{place % 2}", provider="p", duration_ms=place, status="success")
            | {"started_at_us": now - day * DAY_US - place}
            | ({"model": "m", "input_tokens": 1} if day == 41 else {})
            for day in (1, 2, 40, 41)
            for place in range(25)
        ]
        writer.submit(attempts(*made), batch_id="a", span_us=(now - 300 * DAY_US, now), named=True, kind="import")
        expired(writer, retention.edge_for(now, 29))
        yield EmbeddedUsage(store, now=lambda: datetime.fromtimestamp(now / 1e6, UTC))


def test_sums_stay_and_percentiles_say_why_they_are_gone(reader):
    summary = reader.summary(UsageQuery(range="year")).value
    assert summary.figures.total_calls == 100
    assert (summary.figures.latency.p50, summary.figures.latency.calls) == (None, None)
    assert "kept since" in summary.figures.reasons["latency_ms.p50"]
    recent = reader.summary(UsageQuery(range="7d")).value
    assert (recent.figures.total_calls, recent.figures.latency.p50) == (50, 12)
    assert sum(group.sums.calls for group in reader.breakdown(UsageQuery(range="year"), "provider").value.groups) == 100
    series = reader.timeseries(UsageQuery(range="year"), granularity="day").value
    assert sum(bucket.sums.calls for bucket in series.buckets if bucket.sums) == 100
    [unpriced] = reader.unpriced(UsageQuery(range="year")).value.models
    assert (unpriced.calls, unpriced.why) == (
        25,
        "Its calls are no longer kept one by one, so the reason is not known.",
    )


def test_what_needs_single_calls_beyond_the_edge_is_refused_with_the_reason(reader):
    year = UsageQuery(range="year")
    refused = [
        reader.breakdown(year, "user"),
        reader.timeseries(year, group_by="team"),
        reader.summary(UsageQuery(range="year", user=("u1",))),
        reader.export(year),
    ]
    for result in refused:
        assert isinstance(result, Failed)
        assert result.problem.status == 400
        assert "OPS_USAGE_KEEP_DAYS" in result.problem.detail
    assert reader.breakdown(UsageQuery(range="7d"), "user").value.total.calls == 50


def test_a_period_before_that_is_gone_is_not_known_instead_of_zero(reader):
    found = reader.summary(UsageQuery(range="30d", user=("u1",))).value
    assert found.figures.total_calls == 24
    assert found.previous.total_calls is None
    assert "kept since" in found.previous.reasons["total_calls"]
    assert found.growth.calls is None


def test_the_list_of_calls_ends_at_the_edge_and_says_so(reader):
    result = reader.recent(UsageQuery(range="year"), limit=500)
    assert isinstance(result, Ready)
    assert len(result.value.requests) == 50
    assert result.value.total_calls == 100
    assert any("kept since" in note for note in result.provenance.notes)
    sent = usage_json.requests(result.value)
    assert (sent["next_cursor"], sent["kept_since"]) == (None, "2026-10-19T11:45:00Z")
    assert sent["reason"].startswith("Single calls are kept since 19 Oct 2026 11:45 (OPS_USAGE_KEEP_DAYS)")
    foot = usage_panels.requests_foot(result.value, [], filtered=False)
    assert foot == "100 calls are in this window. Single calls are kept since 19 Oct 2026 11:45; the list ends there."
    month = reader.recent(UsageQuery(range="7d")).value
    assert (month.kept_since, month.reason) == (None, None)


@pytest.mark.parametrize(
    ("filters", "calls", "words"),
    [
        ({}, 50, "50 calls are in this window. Single calls are kept since 19 Oct 2026 11:45 "),
        ({"user": ("u1",)}, None, "Single calls are kept since 19 Oct 2026 11:45 "),
        ({"model": ("nope",)}, 0, "No call in this window matches the filters."),
    ],
)
def test_a_list_of_a_time_beyond_the_edge_is_empty_because_calls_are_not_kept(reader, filters, calls, words):
    start, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC)
    query = UsageQuery(range="custom", start=start, end=end, **filters)
    result = reader.recent(query)
    assert (result.value.requests, result.value.total_calls) == ((), calls)
    assert usage_panels.no_requests(result, query).detail.startswith(words)


def test_too_old_events_are_refused_each_in_its_place_through_both_doors(make_app):
    app = make_app()
    ops, client = app.server.extensions["ops"], app.server.test_client()
    key = {"Authorization": f"Bearer {ops.ingest_token}"}
    ops.writer.submit(attempts(event(1) | {"started_at_us": NOON_US - 9 * DAY_US}), batch_id="a")
    expired(ops.writer, (NOON_US - 5 * DAY_US) // 900_000_000 * 900_000_000)
    old = event(1) | {"started_at_us": NOON_US - 9 * DAY_US}
    young = event(2) | {"started_at_us": NOON_US - 2 * DAY_US}
    told = client.post("/api/v1/llm/usage/events", headers=key, json=[{"event_id": "x"}, old, young, old]).get_json()
    assert told["accepted"] == 1
    assert [(bad["index"], "OPS_USAGE_KEEP_DAYS" in bad["reason"]) for bad in told["rejected"]] == [
        (0, False),
        (1, True),
        (3, True),
    ]
    export = {"headers": key, "json": CAPTURED}
    assert client.post("/v1/traces", **export).get_json() == {}
    expired(ops.writer, retention.edge_for(now_us() + 9 * DAY_US, 1))
    told = client.post("/v1/traces", **export).get_json()["partialSuccess"]
    assert told["rejectedSpans"] == "2"
    assert "OPS_USAGE_KEEP_DAYS" in told["errorMessage"]
