"""The list of calls proves the figures: as many rows as the card says, to the call, whatever the filters."""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.result import Failed, Kind, Ready
from data_sources.usage.calls import JOIN_US
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.normalise import parse
from data_sources.usage.types import FILTERS, PRICINGS, UsageQuery
from data_sources.usage.windows import from_us, to_us
from pages.usage_panels import no_requests
from tests.data_sources.usage.ingest_rows import writing
from tests.fakes.usage_rows import at, attempt, fill, make_store

NOW = at("2026-11-22T14:02:10")
START_US = to_us(at("2026-11-16T00:00:00"))
WEEK = UsageQuery(range="7d")


def ready(result):
    assert isinstance(result, Ready), result
    return result.value


def paged(source, query, limit):
    """Every page of the list, from the newest to the end."""
    pages, cursor = [], None
    while True:
        page = ready(source.recent(query, limit=limit, cursor=cursor))
        pages.append(page)
        cursor = page.next_cursor
        if cursor is None:
            return pages


def keys(pages):
    return [
        (row.decided_by.started_at, row.decided_by.source, row.decided_by.event_id) for p in pages for row in p.requests
    ]


names = {
    "provider": st.sampled_from([None, "openai", "anthropic"]),
    "model": st.sampled_from([None, "gpt-5-mini", "unheard-of"]),
    "power_level": st.sampled_from([None, "eco", "balanced"]),
    "user_id": st.sampled_from([None, "ann", "bob"]),
    "team_id": st.sampled_from([None, "red"]),
}
events = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.integers(0, 40).map("e{}".format),
            "call_id": st.integers(0, 12).map("c{}".format),  # several attempts of a call, days apart too
            "started_at_us": st.integers(0, 13).map(lambda n: START_US + n * JOIN_US // 2 + n),  # many at one instant
            "status": st.sampled_from(["success", "failure", "unknown"]),
            "source": st.sampled_from(["api", "litellm"]),
            "input_tokens": st.sampled_from([None, 10]),
            "cost_reported_usd": st.sampled_from([None, 0.5]),
            **names,
        }
    ),
    max_size=20,
)
filters = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(
            st.sampled_from(
                {
                    "status": ["success", "failure"],
                    "source": ["api", "litellm"],
                    "pricing": list(PRICINGS),
                    "user": [None, "ann"],
                    "team": [None, "red"],
                    "power_level": [None, "eco"],
                    "provider": [None, "openai"],
                    "model": ["gpt-5-mini", "unheard-of"],
                }[name]
            ),
            min_size=1,
            unique=True,
        ).map(tuple)
        for name in FILTERS
    },
)


# how fast a busy machine draws examples is no promise
@settings(max_examples=10)
@given(st.lists(events, min_size=1, max_size=3), filters, st.integers(1, 7))
def test_the_card_the_list_its_rows_and_the_export_count_the_same_calls(batches, chosen, limit):
    query = UsageQuery(range="7d", **chosen)
    with tempfile.TemporaryDirectory() as folder, writing(Path(folder)) as (store, writer):
        for number, batch in enumerate(batches):
            taken = parse(json.dumps(batch).encode(), source=None, now_us=to_us(NOW)).attempts if batch else []
            writer.submit(taken, batch_id=str(number))
        source = EmbeddedUsage(store, now=lambda: NOW)
        card = ready(source.summary(query)).figures
        pages = paged(source, query, limit)
        listed = keys(pages)
        assert [page.total_calls for page in pages] == [card.total_calls] * len(pages)
        calls = card.total_calls or 0  # where nothing was collected there is no figure, and no row
        assert len(listed) == len(set(listed)) == calls
        assert listed == sorted(listed, reverse=True)
        file = ready(source.export(query, grain="calls"))
        assert file.total_rows == file.total_calls == len(list(file.rows)) == calls
        assert sum(group.sums.calls for group in ready(source.breakdown(query, "model")).groups) == calls
        assert ready(source.timeseries(query)).total.calls == calls
        assert [page.newer_calls for page in pages] == [
            sum(len(p.requests) for p in pages[:n]) for n in range(len(pages))
        ]
        if query.pricing == ("unpriced",):
            assert card.unpriced_calls == card.total_calls


@pytest.fixture
def store(tmp_path):
    made = make_store(tmp_path)
    yield made
    made.close()


def calls(first, count, **fields):
    return [attempt(n, from_us(START_US) + timedelta(minutes=n), **fields) for n in range(first, first + count)]


def test_an_attempt_whose_call_was_decided_elsewhere_is_named_where_the_list_is_empty(store):
    fill(
        store,
        [
            attempt(1, at("2026-11-22T10:00:00"), model="first-try", call_id="c", counts_call=0, status="failure"),
            attempt(2, at("2026-11-22T10:00:01"), model="fallback", call_id="c"),
        ],
    )
    source = EmbeddedUsage(store, now=lambda: NOW)
    query = UsageQuery(range="7d", model=("first-try",))
    page = ready(source.recent(query))
    assert (page.requests, page.total_calls) == ((), 0)
    assert ready(source.summary(query)).figures.total_calls == 0
    assert page.reason == "1 attempt is there; the attempt that decided its call is not. The export has every attempt."
    empty = no_requests(source.recent(query), query)
    assert empty.detail.startswith(f"No call in this window matches the filters. {page.reason}")


def test_pages_hold_their_calls_while_newer_and_older_ones_arrive(store):
    fill(store, calls(100, 30))
    source = EmbeddedUsage(store, now=lambda: NOW)
    before = paged(source, WEEK, 10)
    first = ready(source.recent(WEEK, limit=10))
    fill(store, [*calls(200, 7), *calls(0, 5)])
    second = ready(source.recent(WEEK, limit=10, cursor=first.next_cursor))
    assert second.requests == before[1].requests
    assert (second.newer_calls, second.total_calls) == (17, 42)
    third = ready(source.recent(WEEK, limit=10, cursor=second.next_cursor))
    assert third.requests == before[2].requests


def test_the_way_back_gives_the_pages_in_reverse(store):
    fill(store, calls(0, 25))
    source = EmbeddedUsage(store, now=lambda: NOW)
    pages = paged(source, WEEK, 10)
    assert [page.previous_cursor is None for page in pages] == [True, False, False]
    back = ready(source.recent(WEEK, limit=10, cursor=pages[2].previous_cursor))
    assert (back.requests, back.newer_calls) == (pages[1].requests, 10)
    assert ready(source.recent(WEEK, limit=10, cursor=back.next_cursor)).requests == pages[2].requests
    top = ready(source.recent(WEEK, limit=10, cursor=back.previous_cursor))
    assert (top.requests, top.previous_cursor, top.newer_calls) == (pages[0].requests, None, 0)


def test_a_page_after_the_last_call_is_empty_and_knows_no_place(store):
    fill(store, calls(10, 3))
    source = EmbeddedUsage(store, now=lambda: NOW)
    cursor = ready(source.recent(WEEK, limit=2)).next_cursor
    other = UsageQuery(range="7d", model=("another",))
    page = ready(source.recent(other, limit=2, cursor=cursor))
    assert (page.requests, page.next_cursor, page.previous_cursor, page.total_calls) == ((), None, None, None)
    assert page.newer_calls is None


def test_a_filter_on_pricing_finds_the_calls_that_the_cards_count(store):
    rows = [*calls(0, 3, cost_usd="1"), *calls(10, 4, input_tokens=5), *calls(20, 2)]
    fill(store, rows)
    source = EmbeddedUsage(store, now=lambda: NOW)
    whole = ready(source.summary(WEEK)).figures
    for pricing, count in (("priced", 3), ("unpriced", 4), ("unmetered", 2)):
        found = ready(source.recent(UsageQuery(range="7d", pricing=(pricing,))))
        assert len(found.requests) == found.total_calls == getattr(whole, f"{pricing}_calls") == count
        assert {row.decided_by.pricing for row in found.requests} == {pricing}


@pytest.mark.parametrize("cursor", ["", "W10=", "WzEsImEiLCJiIiwib2xkZXIiXQ=="], ids=["empty", "no row", "no way"])
def test_a_cursor_of_our_own_making_is_refused_in_words(store, cursor):
    found = EmbeddedUsage(store, now=lambda: NOW).recent(WEEK, cursor=cursor)
    assert isinstance(found, Failed)
    assert found.problem.kind is Kind.BAD_QUERY
