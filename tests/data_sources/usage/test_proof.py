"""The promise: whatever comes, in whatever order, every figure of every answer is the one counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.result import Ready
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.figures import total
from tests.data_sources.usage.ingest_rows import differences, writing
from tests.data_sources.usage.oracle import DIMENSIONS, EVENTS, NOW, QUERIES, deliver, truth, value_of


def ready(result):
    assert isinstance(result, Ready), result
    return result.value


def figures(sums):
    return {
        "attempts": sums.attempts,
        "calls": sums.calls,
        "failed": sums.failed_calls,
        "cost": sums.cost,
        "input": sums.tokens.input,
        "output": sums.tokens.output,
        "cache_read": sums.tokens.cache_read,
    }


def listed(answer):
    return [group.sums for group in answer.groups] + ([answer.other.sums] if answer.other else [])


def exported(source, query, grain):
    export = ready(source.export(query, grain=grain))
    found = [dict(zip(export.columns, row, strict=True)) for row in export.rows]
    assert len(found) == export.total_rows
    return found


def paged(source, query):
    found, cursor = [], None
    while True:
        page = ready(source.recent(query, limit=7, cursor=cursor))
        found += page.requests
        cursor = page.next_cursor
        if cursor is None:
            return found


@settings(max_examples=25)
@given(
    EVENTS,
    st.integers(0, 2**32),
    QUERIES,
    st.sampled_from(DIMENSIONS),
    st.sampled_from(["hour", "day", "week", "month"]),
    st.none() | st.integers(1, 3),
)
def test_every_answer_tells_what_is_counted_by_hand(tmp_path_factory, events, seed, query, dimension, grain, limit):
    with writing(tmp_path_factory.mktemp("proof")) as (store, writer):
        deliver(writer, events, seed)
        assert differences(store) == []
        source = EmbeddedUsage(store, now=lambda: NOW)
        expected = truth(events, query)

        card = ready(source.summary(query)).figures
        if expected["attempts"]:
            assert (card.total_calls, card.total_attempts, card.total_cost, card.tokens.input) == (
                expected["calls"],
                expected["attempts"],
                expected["cost"],
                expected["input"],
            )

        chart = ready(source.timeseries(query, granularity=grain, group_by=dimension, limit=limit))
        assert figures(chart.total) == expected
        drawn = [bucket for bucket in chart.buckets if bucket.sums]
        assert figures(total(bucket.sums for bucket in drawn)) == expected
        cells = [cell for bucket in drawn for cell in (*bucket.groups, bucket.other) if cell]
        assert figures(total(cells)) == expected

        table = ready(source.breakdown(query, dimension, limit=limit))
        assert figures(table.total) == figures(total(listed(table))) == expected
        whole = ready(source.breakdown(query, dimension))
        inside = {value_of(event, dimension) for event in events if truth([event], query)["attempts"]}
        assert {group.name for group in whole.groups} == inside

        rows = exported(source, query, "attempts")
        assert len(rows) == expected["attempts"]
        costs = [row["cost_usd"] for row in rows if row["cost_usd"] is not None]
        assert (sum(costs, Decimal(0)) if costs else None) == expected["cost"]
        assert len(exported(source, query, "calls")) == len(paged(source, query)) == expected["calls"]


@settings(max_examples=10)
@given(EVENTS, QUERIES, st.integers(1, 96 * 24))
def test_two_windows_side_by_side_are_the_window_over_both(tmp_path_factory, events, query, cut):
    slots = (query.end - query.start) // timedelta(minutes=15)
    middle = query.start + timedelta(minutes=15) * (cut % slots)
    if middle == query.start:  # nothing lies before it
        return
    with writing(tmp_path_factory.mktemp("parts")) as (store, writer):
        deliver(writer, events, cut)
        source = EmbeddedUsage(store, now=lambda: NOW)
        parts = [
            ready(source.breakdown(replace(query, start=start, end=end), "model")).total
            for start, end in ((query.start, middle), (middle, query.end))
        ]
        assert figures(total(parts)) == truth(events, query)
