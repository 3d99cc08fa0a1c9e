"""What became of everything that was received is counted in the commit that took it, and stays small."""

from __future__ import annotations

import json
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage import intake
from data_sources.usage.intake import LATE_US, MOST_REASONS, MOST_SOURCES, Refusal, plain_reason, refusals
from data_sources.usage.normalise import parse
from data_sources.usage.schema import SLOT_US
from tests.data_sources.usage.ingest_rows import NOON_US, ask, attempts, event, writing

COUNTS = "SELECT source, sum(accepted), sum(duplicates), sum(rejected), sum(late) FROM intake GROUP BY ALL ORDER BY ALL"
REASONS = "SELECT source, reason, sum(events) FROM rejections GROUP BY ALL ORDER BY ALL"


def at(now):
    """A clock that ticks by a microsecond."""
    return {"clock_us": count(now).__next__}


def gather(store, writer, *times_us):
    """Gather as the writer does, once it has stopped: nobody else may change the store meanwhile."""
    writer.close()
    for now_us in times_us:
        with store.cursor() as cursor:
            intake.merge(cursor, now_us)


def test_each_source_s_events_are_counted_as_new_sent_before_rejected_and_late(tmp_path):
    now = NOON_US + 10 * SLOT_US
    long_ago, just_over = now - LATE_US - 1, now - LATE_US - 5_000_000
    with writing(tmp_path, **at(now)) as (store, writer):
        sent = attempts(event(1, started_at_us=now), event(2, started_at_us=long_ago), event(2, started_at_us=long_ago))
        long_call = attempts(event(3, started_at_us=just_over, duration_ms=6000), source="litellm")
        writer.submit([*sent, *long_call], batch_id="a", refusals=[Refusal("litellm", "bad", 4)])
        writer.submit([*sent, *attempts(event(9), source="old")], batch_id="b", kind="import")
        assert ask(store, COUNTS) == [("api", 2, 4, 0, 1), ("litellm", 1, 0, 4, 0), ("old", 1, 0, 0, 0)]
        assert ask(store, REASONS) == [("litellm", "bad", 4)]


def test_what_is_refused_as_a_whole_is_not_counted(tmp_path):
    with writing(tmp_path, **at(NOON_US)) as (store, writer):
        writer.submit(attempts(event(1)), batch_id="gone", named=True)
        writer.undo("gone")
        with pytest.raises(Exception, match="undone"):
            writer.submit(attempts(event(2)), batch_id="gone", named=True)
        assert ask(store, COUNTS) == [("api", 1, 0, 0, 0)]


@settings(max_examples=8)
@given(st.lists(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["a", "b"])), max_size=6), max_size=5))
def test_what_was_received_adds_up_whatever_comes_twice(tmp_path_factory, batches):
    folder = tmp_path_factory.mktemp("intake")
    with writing(folder) as (store, writer):
        for number, batch in enumerate(batches):
            made = [one for n, source in batch for one in attempts(event(n), source=source)]
            writer.submit(made, batch_id=str(number))
        gather(store, writer, NOON_US)
        counted = {source: (new, again) for source, new, again, _, _ in ask(store, COUNTS)}
        stored = dict(ask(store, "SELECT source, count(*) FROM attempts GROUP BY ALL"))
        sent = [source for batch in batches for _, source in batch]
        assert counted == {s: (stored.get(s, 0), sent.count(s) - stored.get(s, 0)) for s in set(sent)}


def test_gathering_changes_no_sum_and_leaves_one_row_a_source_and_quarter_hour(tmp_path):
    with writing(tmp_path, **at(NOON_US)) as (store, writer):
        for number in range(6):
            writer.submit(
                attempts(event(number), event(0)), batch_id=str(number), refusals=[Refusal("api", f"r{number % 2}", 2)]
            )
        before = ask(store, COUNTS), ask(store, REASONS)
        gather(store, writer, NOON_US)
        assert (ask(store, COUNTS), ask(store, REASONS)) == before
        assert ask(store, "SELECT count(*) FROM intake") == [(1,)]
        assert ask(store, "SELECT count(*) FROM rejections") == [(2,)]
        [(sample,)] = ask(store, "SELECT sample FROM rejections WHERE reason = 'r1'")
        assert json.loads(sample)["batch"] == "5"


def test_very_many_sources_and_reasons_keep_their_sums_and_lose_their_names(tmp_path):
    with writing(tmp_path, **at(NOON_US)) as (store, writer):
        many = [one for n in range(MOST_SOURCES + 30) for one in attempts(event(n), source=f"s{n:04}")]
        said = [Refusal("api", f"reason {n}", 1) for n in range(intake.MOST_IN_A_COMMIT + 7)]
        writer.submit(many, batch_id="a", refusals=said)
        gather(store, writer, NOON_US, NOON_US)
        assert ask(store, "SELECT count(*), sum(accepted), sum(rejected) FROM intake") == [
            (MOST_SOURCES + 1, MOST_SOURCES + 30, len(said))
        ]
        [(rows, events, nameless)] = ask(
            store, "SELECT count(*), sum(events), sum(events) FILTER (reason IS NULL) FROM rejections"
        )
        assert (rows, events, nameless) == (MOST_REASONS + 1, len(said), len(said) - MOST_REASONS)


def test_what_is_very_old_is_forgotten(tmp_path):
    with writing(tmp_path, **at(NOON_US)) as (store, writer):
        writer.submit(attempts(event(1)), batch_id="a", refusals=[Refusal("api", "bad", 1)])
        day_us = 86_400_000_000
        gather(store, writer, NOON_US + (intake.KEEP_REASONS_DAYS + 1) * day_us)
        assert ask(store, "SELECT count(*) FROM rejections") == [(0,)]
        assert ask(store, "SELECT count(*) FROM intake") == [(1,)]
        gather(store, writer, NOON_US + (intake.KEEP_DAYS + 1) * day_us)
        assert ask(store, "SELECT count(*) FROM intake") == [(0,)]


SECRET = "my prompt, private"


@pytest.mark.parametrize(
    "sent",
    [
        {"started_at": SECRET},
        {"status": SECRET},
        {"input_tokens": SECRET},
        {"http_status": 7},
        {"input_tokens": -123456789},
        {"input_tokens": 3, "cache_read_tokens": 123456789},
        {"messages": SECRET, "duration_ms": "x"},
        {"tags": [SECRET, 5]},
    ],
)
def test_no_value_that_was_sent_stays_in_a_reason_or_a_sample(tmp_path, sent):
    body = json.dumps([event(1) | {"started_at_us": None} | {"started_at": "2026-11-22T09:00:00Z"} | sent]).encode()
    parsed = parse(body, source=None, now_us=NOON_US)
    [bad] = parsed.rejected
    told = refusals([(bad.source, bad.reason, bad.index, bad.fields)])
    with writing(tmp_path) as (store, writer):
        writer.submit([], batch_id="a", refusals=told)
        kept = str(ask(store, "SELECT * FROM rejections"))
    assert SECRET not in kept
    assert "123456789" not in kept
    assert set(sent) <= set(bad.fields)


def test_one_reason_is_one_whatever_was_sent():
    first, second = (plain_reason(f"parts of input_tokens add up to {n}, more than its {n - 1}") for n in (5, 123))
    assert first == second == "parts of input_tokens add up to …, more than its …"
    assert plain_reason("input_tokens -3 is not between 0 and 10^12") == "input_tokens … is not between 0 and 10^12"


def test_a_source_is_the_event_s_own_then_the_request_s_then_the_format_s():
    body = json.dumps([{"source": "mine"}, {"source": 5}, {"call_type": 1, "startTime": 2}, "no object"]).encode()
    assert [bad.source for bad in parse(body, source=None, now_us=0).rejected] == ["mine", "api", "litellm", "api"]
    assert [bad.source for bad in parse(body, source="x", now_us=0).rejected] == ["mine", "x", "x", "x"]
