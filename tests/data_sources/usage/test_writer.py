import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage import columns, rollup
from data_sources.usage.calls import JOIN_US
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.intake import Refusal
from data_sources.usage.store import StoreError
from data_sources.usage.types import UsageQuery
from data_sources.usage.windows import from_us
from data_sources.usage.writer import BatchRefusedError, UnknownBatchError, Writer
from tests.data_sources.usage.ingest_rows import (
    NOON_US,
    ask,
    attempts,
    differences,
    event,
    figures,
    litellm_events,
    open_store,
    writing,
)
from tests.data_sources.usage.random_events import EVENTS, HOUR_US


def wait_until(condition, what, deadline_s=15):
    end = time.monotonic() + deadline_s
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < end, what
        tick.wait(0.01)


def test_a_receipt_counts_what_is_new_and_what_was_there(tmp_path):
    with writing(tmp_path) as (store, writer):
        first = writer.submit(attempts(event(1), event(2), event(2)), batch_id="a")
        again = writer.submit(attempts(event(2), event(3)), batch_id="b")
        assert (first.accepted, first.duplicates) == (2, 1)
        assert (again.accepted, again.duplicates) == (1, 1)
        assert ask(store, "SELECT count(*) FROM attempts") == [(3,)]
        assert store.data_version == 2


def test_one_id_at_another_time_or_of_another_source_is_another_event(tmp_path):
    with writing(tmp_path) as (store, writer):
        made = [
            *attempts(event(1)),
            *attempts(event(1) | {"started_at_us": NOON_US + 99}),
            *attempts(event(1), source="other"),
        ]
        assert writer.submit(made, batch_id="a").accepted == 3
        assert differences(store) == []


def test_litellms_ten_events_are_nine_calls_and_a_fallback_waited_for_both_attempts(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*litellm_events()), batch_id="a")
        assert ask(store, "SELECT sum(attempts), sum(calls) FROM rollup") == [(10, 9)]
        fallback = ask(
            store,
            "SELECT status, counts_call, call_duration_ms FROM attempts WHERE call_id LIKE '99ed176d%' ORDER BY 1",
        )
        assert fallback == [("failure", 0, None), ("success", 1, 4970)]
        assert ask(store, "SELECT sum(calls) FROM rollup WHERE status = 'failure'") == [(2,)]


def test_a_late_success_takes_the_call_over(tmp_path):
    failed = event(2, call_id="c", status="failure", provider="b", duration_ms=5)
    answered = event(1, call_id="c", status="success", provider="a", duration_ms=7)
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(failed), batch_id="a")
        assert ask(store, "SELECT provider, sum(calls) FROM rollup GROUP BY 1") == [("b", 1)]
        writer.submit(attempts(answered), batch_id="b")
        calls = ask(store, "SELECT provider, sum(calls) FROM rollup GROUP BY 1 ORDER BY 1")
        assert calls == [("a", 1), ("b", 0)]
        assert differences(store) == []


def test_a_call_id_used_again_a_week_later_is_another_call(tmp_path):
    week = event(2, call_id="c") | {"started_at_us": NOON_US + 7 * JOIN_US}
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(event(1, call_id="c"), week), batch_id="a")
        assert ask(store, "SELECT sum(calls) FROM rollup") == [(2,)]


def test_equal_call_ids_of_two_sources_are_two_calls(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit([*attempts(event(1), source="x"), *attempts(event(1), source="y")], batch_id="a")
        assert ask(store, "SELECT sum(calls) FROM rollup") == [(2,)]


def _deliver(store, writer, parts):
    for number, part in enumerate(parts):
        writer.submit(attempts(*part), batch_id=f"{number}-{time.monotonic_ns()}")
    return figures(store)


@settings(max_examples=20)
@given(EVENTS, st.randoms(use_true_random=False))
def test_sending_three_times_in_any_order_and_any_parts_changes_no_figure(tmp_path_factory, events, random):
    with writing(tmp_path_factory.mktemp("once")) as (store, writer):
        once = _deliver(store, writer, [events])
        assert differences(store) == []
    shuffled = events * 3
    random.shuffle(shuffled)
    cuts = sorted(random.sample(range(len(shuffled) + 1), min(4, len(shuffled))))
    parts = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True) if a < b]
    with writing(tmp_path_factory.mktemp("thrice")) as (store, writer):
        assert _deliver(store, writer, parts) == once
        assert differences(store) == []


@settings(max_examples=15)
@given(EVENTS, st.integers(0, 14))
def test_undoing_a_batch_leaves_what_was_there_without_it(tmp_path_factory, events, cut):
    kept, taken_out = events[:cut], events[cut:]
    with writing(tmp_path_factory.mktemp("without")) as (store, writer):
        without = _deliver(store, writer, [kept] if kept else [])
    with writing(tmp_path_factory.mktemp("undone")) as (store, writer):
        writer.submit(attempts(*taken_out), batch_id="gone", named=True) if taken_out else None
        _deliver(store, writer, [kept] if kept else [])
        if taken_out:
            assert writer.undo("gone").removed == len(taken_out)
        assert figures(store) == without
        assert differences(store) == []


def test_a_recount_finds_a_rollup_that_is_wrong(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(event(1, input_tokens=5)), batch_id="a")
        with store.cursor() as cursor:
            cursor.execute("UPDATE rollup SET input_tokens = 6")
        assert [row[0] for row in differences(store)] == ["rollup", "attempts"]


def test_merging_the_rollup_changes_no_figure_and_leaves_one_row_a_key(tmp_path):
    with writing(tmp_path) as (store, writer):
        for number in range(6):
            writer.submit(attempts(event(number, provider="a", input_tokens=number)), batch_id=f"b{number}")
        writer.submit(attempts(event(9, provider="b")), batch_id="gone", named=True)
        writer.undo("gone")
        before = figures(store)
        with store.cursor() as cursor:
            assert rollup.merge(cursor) == 7
        assert figures(store) == before
        assert ask(store, "SELECT provider, attempts, input_tokens FROM rollup") == [("a", 6, 15)]


def test_each_closed_day_is_folded_to_one_row_a_key_however_little_came(tmp_path):
    now = [NOON_US]
    with writing(tmp_path, heartbeat_s=0.01, clock_us=lambda: now[0]) as (store, writer):
        wait_until(lambda: writer._unmerged == 0, "the earlier run's fragments were never folded")
        for number in range(3):
            writer.submit(attempts(event(number, provider="a", input_tokens=number)), batch_id=f"b{number}")
        beats = writer._beats
        wait_until(lambda: writer._beats > beats + 2, "no heartbeats")
        assert len(ask(store, "FROM rollup")) == 3
        before = figures(store)
        now[0] += 24 * HOUR_US
        wait_until(lambda: len(ask(store, "FROM rollup")) == 1, "the closed day was never folded")
        assert figures(store) == before


def test_undo_takes_the_span_and_is_refused_a_second_time(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(event(1)), batch_id="i", named=True, kind="import", span_us=(NOON_US, NOON_US + 1))
        assert len(ask(store, "FROM collection WHERE kind = 'import'")) == 1
        writer.undo("i")
        assert ask(store, "FROM collection WHERE kind = 'import'") == []
        with pytest.raises(UnknownBatchError):
            writer.undo("i")
        with pytest.raises(UnknownBatchError):
            writer.undo("never")
        with pytest.raises(BatchRefusedError):
            writer.submit(attempts(event(2)), batch_id="i", named=True)
        assert writer.submit(attempts(event(1)), batch_id="j").accepted == 1


def test_after_an_undo_no_import_that_found_its_events_there_vouches_for_their_time(tmp_path):
    span, hour = (NOON_US, NOON_US + 2 * HOUR_US), HOUR_US
    with writing(tmp_path) as (store, writer):
        first = attempts(event(1), event(2, started_at_us=NOON_US + hour + 1))
        for name in ("i", "again"):
            writer.submit(first, batch_id=name, named=True, kind="import", span_us=span)
        wider = (NOON_US - hour, NOON_US + 3 * hour)
        writer.submit(
            [*first, *attempts(event(3, started_at_us=NOON_US - 1))],
            batch_id="wider",
            named=True,
            kind="import",
            span_us=wider,
        )
        writer.submit(attempts(event(4)), batch_id="other", named=True, kind="import", span_us=span)
        writer.undo("i")
        left = ask(store, "SELECT batch_id, start_us, end_us FROM collection WHERE kind = 'import' ORDER BY ALL")
        assert left == [("other", *span), ("wider", wider[0], span[0]), ("wider", span[1], wider[1])]
        writer.undo("other")
        window = UsageQuery(range="custom", start=from_us(span[0]), end=from_us(span[1]))
        summary = EmbeddedUsage(store, now=lambda: from_us(NOON_US + 9 * hour)).summary(window)
        assert summary.value.figures.total_calls is None, "nobody knows whether there were calls"


def test_a_named_batch_gathers_its_requests(tmp_path):
    with writing(tmp_path) as (_, writer):
        writer.submit(
            attempts(event(1)),
            batch_id="i",
            named=True,
            kind="import",
            name="f.csv",
            refusals=[Refusal("api", "bad", 2)],
        )
        writer.submit(attempts(event(1), event(2)), batch_id="i", named=True, kind="import", name="f.csv")
        [batch] = writer.batches()
        assert (batch["accepted"], batch["duplicates"], batch["rejected"]) == (2, 1, 2)
        assert (batch["name"], batch["kind"], batch["undone_at"]) == ("f.csv", "import", None)


def test_colour_follows_the_order_of_arrival_and_outlives_a_restart(tmp_path):
    with writing(tmp_path) as (_, writer):
        writer.submit(attempts(event(1, provider="zeta"), event(2, provider="alpha"), event(3)), batch_id="a")
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(event(4, provider="beta"), event(5, provider="zeta")), batch_id="b")
        hues = ask(store, "SELECT name, hue FROM dimension_values WHERE dimension = 'provider' ORDER BY hue")
        assert hues == [("zeta", 0), ("alpha", 1), ("beta", 2)]


def test_listening_is_noted_while_nothing_comes_and_a_restart_begins_anew(tmp_path):
    now = [NOON_US]
    for _ in range(2):
        with writing(tmp_path, heartbeat_s=0.01, clock_us=lambda: now[0]) as (store, _):
            begun = now[0]
            wait_until(
                lambda begun=begun: ask(store, f"FROM collection WHERE start_us = {begun}"), "listening was never noted"
            )
            now[0] += 60_000_000
            wait_until(
                lambda begun=begun: (
                    (begun, now[0]) in ask(store, "SELECT start_us, end_us FROM collection WHERE kind = 'listening'")
                ),
                "the span never grew",
            )
        now[0] += HOUR_US
    store = open_store(tmp_path)
    spans = ask(store, "SELECT start_us, end_us FROM collection ORDER BY 1")
    assert len(spans) == 2
    assert spans[1][0] - spans[0][1] >= HOUR_US
    assert store.data_version == 0
    store.close()


def test_an_idle_log_does_not_grow_without_bound(tmp_path):
    with writing(tmp_path, heartbeat_s=0.0001) as (store, writer):
        log = store.path.with_name(store.path.name + ".wal")
        wait_until(lambda: writer._beats >= 1000, "no heartbeats", 60)
        sizes = [log.stat().st_size if log.exists() else 0, store.path.stat().st_size]
    assert max(sizes) < 2_000_000


def test_what_was_accepted_is_stored_before_the_writer_ends(tmp_path):
    store = open_store(tmp_path)
    writer = Writer(store, heartbeat_s=60.0)
    writer.start()
    receipts = []
    senders = [
        threading.Thread(target=lambda n=n: receipts.append(writer.submit(attempts(event(n)), batch_id=f"b{n}")))
        for n in range(20)
    ]
    for sender in senders:
        sender.start()
    wait_until(lambda: receipts, "nothing was stored")
    for sender in senders:
        sender.join(timeout=30)
    writer.close()
    assert ask(store, "SELECT count(*) FROM attempts") == [(20,)]
    with pytest.raises(StoreError) as caught:
        writer.submit(attempts(event(99)), batch_id="late")
    assert caught.value.problem.code == "stopping"
    store.close()


def test_senders_that_come_together_are_committed_together(tmp_path):
    store = open_store(tmp_path)
    writer = Writer(store, gather_s=10.0)

    def send(number):
        for round_ in range(3):
            writer.submit(attempts(event(10 * number + round_)), batch_id=f"{number}-{round_}")

    senders = [threading.Thread(target=send, args=(number,)) for number in range(3)]
    writer._handover.open()  # it takes requests before its own thread runs
    for sender in senders:
        sender.start()
    wait_until(lambda: writer._handover.waiting == (3, 3), "the first requests do not wait")
    writer.start()
    for sender in senders:
        sender.join(timeout=30)
    assert ask(store, "SELECT count(*) FROM attempts") == [(9,)]
    assert store.data_version == 3
    writer.close()
    store.close()


def test_more_than_can_wait_is_sent_away_with_a_time_to_come_back(tmp_path):
    store = open_store(tmp_path)
    held = threading.Event()
    entered = threading.Event()

    def slow_clock():
        if threading.current_thread().name == "usage-writer":
            entered.set()
            held.wait(20)
        return NOON_US

    writer = Writer(store, heartbeat_s=60.0, queue_rows=2, clock_us=slow_clock)
    writer.start()
    assert entered.wait(10)
    waiting = threading.Thread(target=lambda: writer.submit(attempts(event(1), event(2)), batch_id="a"))
    waiting.start()
    wait_until(lambda: writer._handover.waiting == (1, 2), "the first never waited")
    with pytest.raises(StoreError) as caught:
        writer.submit(attempts(event(3)), batch_id="b")
    assert caught.value.problem.code == "busy"
    assert caught.value.problem.retry_after_s
    held.set()
    waiting.join(timeout=20)
    writer.close()
    assert ask(store, "SELECT count(*) FROM attempts") == [(2,)]
    store.close()


def test_one_requests_trouble_stays_its_own(tmp_path, monkeypatch):
    real = columns.transpose

    def fails_for_bad(fresh):
        if any(made.event_id == "e13" for made in fresh):
            raise ValueError("poison")
        return real(fresh)

    monkeypatch.setattr(columns, "transpose", fails_for_bad)
    with writing(tmp_path) as (store, writer):
        failures = []

        def send(number):
            try:
                writer.submit(attempts(event(number)), batch_id=f"b{number}")
            except StoreError as error:
                failures.append((number, error.problem.status))

        senders = [threading.Thread(target=send, args=(number,)) for number in range(10, 16)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(timeout=30)
        assert failures == [(13, 503)]
        assert ask(store, "SELECT count(*) FROM attempts") == [(5,)]
        assert differences(store) == []


def test_a_call_that_stretches_over_days_is_decided_with_its_earliest_attempt(tmp_path):
    """The third attempt sees the second within 24 hours, and only through it the first, which succeeded."""
    first = event(1, call_id="c", status="success")
    second = event(2, call_id="c", status="failure") | {"started_at_us": NOON_US + 20 * HOUR_US}
    third = event(3, call_id="c", status="failure") | {"started_at_us": NOON_US + 40 * HOUR_US}
    with writing(tmp_path) as (store, writer):
        for number, made in enumerate((first, second, third)):
            writer.submit(attempts(made), batch_id=f"b{number}")
        counted = ask(store, "SELECT event_id, counts_call FROM attempts ORDER BY 1")
        assert counted == [("e1", 1), ("e2", 0), ("e3", 0)]
        assert ask(store, "SELECT sum(calls) FROM rollup") == [(1,)]
