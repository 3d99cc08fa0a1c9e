"""One question, two engines, one answer: what the console asks DuckDB is asked of ClickHouse too, and of the events."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage import sql
from data_sources.usage.figures import sums_of, total
from data_sources.usage.windows import Span, to_us
from tests.data_sources.usage.ingest_rows import differences, writing
from tests.data_sources.usage.oracle import DIMENSIONS, EVENTS, QUERIES, deliver, truth
from tests.data_sources.usage.test_proof import figures

pytestmark = pytest.mark.peers


def answers(store, clickhouse, query, span, **shape):
    """The rows of a question from both engines, as one multiset each."""
    found = []
    with store.cursor() as cursor:
        for text, values in sql.sums(query, span, **shape):
            found += cursor.execute(text, values).fetchall()
    theirs = []
    for text, values in sql.sums(query, span, dialect="clickhouse", **shape):
        theirs += clickhouse.rows(text, values)
    return found, theirs


@settings(max_examples=60)
@given(
    EVENTS,
    st.integers(0, 2**32),
    QUERIES,
    st.sampled_from(DIMENSIONS),
    st.sampled_from([None, "hour", "day"]),
    st.integers(0, 900_000_000),
)
def test_both_engines_tell_what_is_counted_by_hand(
    tmp_path_factory, clickhouse, events, seed, query, dimension, step, beyond_us
):
    with writing(tmp_path_factory.mktemp("engines")) as (store, writer):
        deliver(writer, events, seed)
        assert differences(store) == []
        clickhouse.copy(store, "attempts", "rollup")
        span = Span(to_us(query.start), to_us(query.end))

        ours, theirs = answers(store, clickhouse, query, span)
        assert figures(total(map(sums_of, ours))) == figures(total(map(sums_of, theirs))) == truth(events, query)

        # an edge inside a quarter-hour is read from the attempts, on both
        ragged = Span(span.start_us, span.end_us + beyond_us)
        ours, theirs = answers(store, clickhouse, query, ragged, by=(dimension,), step=step)
        assert Counter(ours) == Counter(theirs)


def test_an_engine_of_zeros_is_noticed(tmp_path, clickhouse):
    """The settings matter: over nothing, a sum is unknown on both engines."""
    with writing(tmp_path) as (store, _writer):
        clickhouse.copy(store, "attempts", "rollup")
        with store.cursor() as cursor:
            statement = "SELECT sum(input_tokens) FROM attempts"
            assert clickhouse.rows(statement, {}) == cursor.execute(statement).fetchall() == [(None,)]
