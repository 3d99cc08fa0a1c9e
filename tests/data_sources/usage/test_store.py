import subprocess
import sys
import threading
from datetime import UTC, datetime

import duckdb
import pytest

from data_sources.result import Kind
from data_sources.usage import integrity, schema
from data_sources.usage.store import StoreError
from tests.data_sources.usage.ingest_rows import NOON_US, ask, attempts, event, open_store, writing


def test_nothing_is_opened_before_the_first_question(tmp_path):
    store = open_store(tmp_path)
    assert not store.path.exists()
    assert store.data_version == 0
    assert ask(store, "SELECT count(*) FROM attempts") == [(0,)]
    assert store.path.exists()
    store.close()


def test_a_new_file_has_every_table(tmp_path):
    store = open_store(tmp_path)
    assert {row[0] for row in ask(store, "SELECT table_name FROM duckdb_tables()")} == set(schema.TABLES)
    store.close()


def test_memory_and_threads_are_bounded(tmp_path):
    store = open_store(tmp_path, memory_bytes=100 * 2**20, threads=1)
    assert ask(store, "SELECT current_setting('memory_limit'), current_setting('threads')") == [("100.0 MiB", 1)]
    store.close()


def test_a_wrong_statement_is_a_bug_and_raises_as_it_is(tmp_path):
    store = open_store(tmp_path)
    with pytest.raises(duckdb.BinderException):
        ask(store, "SELECT no_such_column FROM attempts")
    assert ask(store, "SELECT 1") == [(1,)]
    store.close()


def test_many_threads_ask_at_once(tmp_path):
    store = open_store(tmp_path)
    store.open()
    answers = []

    def work():
        answers.extend(ask(store, "SELECT sum(range) FROM range(1000)")[0][0] for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [499500] * 160
    store.close()


def test_a_failed_disk_is_told_and_the_store_opens_anew(tmp_path):
    store = open_store(tmp_path)
    with pytest.raises(StoreError) as caught, store.cursor():
        raise duckdb.IOException("Could not write file: No space left on device")
    assert caught.value.problem.kind is Kind.STORE
    assert caught.value.problem.status == 503
    assert ask(store, "SELECT 1") == [(1,)]
    store.close()


_HOLD = """
import sys, duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
held.close()
print("freed", flush=True)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the store's file open until `stdin` gets a line."""
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "usage.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.communicate("\n", timeout=10)


def test_a_held_file_is_told_after_the_wait(tmp_path, holder):
    store = open_store(tmp_path, lock_wait_s=0.0)
    with pytest.raises(StoreError) as caught:
        store.open()
    assert caught.value.problem.code == "locked"
    store.close()


def test_a_file_that_becomes_free_is_opened(tmp_path, holder):
    store = open_store(tmp_path, lock_wait_s=20.0)
    opened = threading.Thread(target=store.open)
    opened.start()
    holder.stdin.write("\n")
    holder.stdin.flush()
    opened.join(timeout=20)
    assert not opened.is_alive()
    assert ask(store, "SELECT 1") == [(1,)]
    store.close()


def test_a_file_that_is_no_store_is_told(tmp_path):
    (tmp_path / "usage.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path).open()
    assert caught.value.problem.status == 503


def test_a_nearly_full_disk_takes_nothing_more(tmp_path):
    store = open_store(tmp_path, min_free_bytes=2**60)
    with pytest.raises(StoreError) as caught:
        store.check_space()
    assert caught.value.problem.code == "disk-full"


def test_a_closed_store_stays_closed(tmp_path):
    store = open_store(tmp_path)
    store.open()
    store.close()
    store.close()
    with pytest.raises(StoreError):
        ask(store, "SELECT 1")


def test_version_and_newest_event_outlive_a_restart(tmp_path):
    with writing(tmp_path, clock_us=lambda: NOON_US) as (store, writer):
        writer.submit(attempts(event(1)), batch_id="a")
        writer.submit(attempts(event(1)), batch_id="b")
        assert store.data_version == 1
        assert store.last_event_at == datetime(2026, 11, 22, 12, tzinfo=UTC)
    store = open_store(tmp_path)
    store.open()
    assert (store.data_version, store.last_event_at) == (1, datetime(2026, 11, 22, 12, tzinfo=UTC))
    store.close()


def _write(tmp_path, *batches):
    with writing(tmp_path) as (_, writer):
        for number, batch in enumerate(batches):
            writer.submit(attempts(*batch), batch_id=f"b{number}")


def test_an_undamaged_store_has_no_finding(tmp_path):
    _write(tmp_path, [event(1), event(2)], [event(3)])
    store = open_store(tmp_path)
    with store.cursor() as cursor:
        assert integrity.damage(cursor) == ()
    store.close()


def test_lost_attempts_are_noticed_and_told_once(tmp_path):
    _write(tmp_path, [event(1), event(2)])
    with duckdb.connect(str(tmp_path / "usage.duckdb")) as connection:
        connection.execute("DELETE FROM attempts WHERE event_id = 'e2'")
    for _ in range(2):
        store = open_store(tmp_path)
        with store.cursor() as cursor:
            assert integrity.damage(cursor) == ("2 attempts were committed, 1 are in the store",)
        store.close()


def test_a_log_that_lost_its_last_commits_is_noticed(tmp_path):
    _write(tmp_path, [event(1)])
    older = (tmp_path / "usage.duckdb").read_bytes()
    _write(tmp_path, [event(2), event(3)])
    (tmp_path / "usage.duckdb").write_bytes(older)
    store = open_store(tmp_path)
    with store.cursor() as cursor:
        assert integrity.damage(cursor) == ("the last commit is gone: 2 attempts",)
    assert store.data_version == 2
    store.close()


def test_a_ledger_that_is_no_ledger_stops_nothing(tmp_path):
    _write(tmp_path, [event(1)])
    (tmp_path / "usage.duckdb.commits").write_text("scribble", encoding="ascii")
    store = open_store(tmp_path)
    assert ask(store, "SELECT count(*) FROM attempts") == [(1,)]
    store.close()
