"""Requests that were refused whole are counted once, stay in a bounded place while the store fails, and are stored."""

import threading

from data_sources.usage import refused
from data_sources.usage.refused import RefusedRequests
from data_sources.usage.schema import SLOT_US
from tests.data_sources.usage.ingest_rows import NOON_US, ask, attempts, event, open_store, writing
from tests.data_sources.usage.test_intake import gather

COUNTS = "SELECT door, status, reason, sum(requests), max(last_received_us) FROM refused GROUP BY ALL ORDER BY ALL"


def test_they_are_stored_with_the_next_commit_or_by_themselves_and_outlive_a_restart(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(event(1)), batch_id="a")
        store.refused.note("/d", 413, "large", NOON_US)
        store.refused.note("/d", 413, "large", NOON_US + 5)
        writer.submit(attempts(event(2)), batch_id="b")
        assert ask(store, COUNTS) == [("/d", 413, "large", 2, NOON_US + 5)]
        store.refused.note("/d", 503, "full", NOON_US)
        store.refused.note("/d", 413, "large", NOON_US + SLOT_US)
    store = open_store(tmp_path)
    told = [("/d", 413, "large", 3, NOON_US + SLOT_US), ("/d", 503, "full", 1, NOON_US)]
    assert ask(store, COUNTS) == told
    store.close()
    with writing(tmp_path) as (store, writer):
        gather(store, writer, NOON_US + SLOT_US)
        assert ask(store, COUNTS) == told


def test_a_page_learns_of_them_without_an_event(tmp_path):
    with writing(tmp_path, heartbeat_s=0.02) as (store, writer):
        writer.submit(attempts(event(1)), batch_id="a")
        before, seen = store.notices, threading.Event()
        store.refused.note("/d", 413, "large", NOON_US)
        for _ in range(500):
            if store.notices > before or seen.wait(0.02):
                break
        assert store.notices > before
        assert ask(store, COUNTS) == [("/d", 413, "large", 1, NOON_US)]


class Rows:
    """In place of a cursor: what would be stored."""

    def __init__(self):
        self.rows = []

    def executemany(self, _statement, rows):
        self.rows += rows


def test_what_a_failed_commit_did_not_store_waits_for_the_next():
    made, lost, stored = RefusedRequests(), Rows(), Rows()
    made.note("/d", 503, "io", NOON_US)
    assert made.write(lost)  # and the disk refuses the end of the commit
    made.note("/d", 503, "io", NOON_US + 1)
    assert made.write(stored)
    made.written()
    assert [row[4] for row in stored.rows] == [2]
    assert not made.write(stored)


def test_what_comes_while_others_are_stored_is_not_lost():
    made, stored = RefusedRequests(), Rows()
    made.note("/d", 503, "io", NOON_US)
    assert made.write(stored)
    made.note("/d", 503, "io", NOON_US + 1)
    made.written()
    assert made.write(stored)
    made.written()
    assert not made.write(stored)
    assert [row[4] for row in stored.rows] == [1, 1]


def test_a_store_that_fails_for_weeks_does_not_fill_the_memory_and_the_count_stays_right(monkeypatch):
    monkeypatch.setattr(refused, "MOST", 10)
    made, stored = RefusedRequests(), Rows()
    for slot in range(100):
        made.note("/d", 503, "io", slot * SLOT_US)
    made.note("/d", 413, "large", 5)
    assert made.write(stored)
    assert len(stored.rows) == 11
    assert sum(row[4] for row in stored.rows) == 101
