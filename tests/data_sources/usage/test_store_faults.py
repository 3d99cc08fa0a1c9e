"""What disks do: full, read-only, damaged. Nothing acknowledged is lost, and the store says what is wrong."""

import json
import subprocess
import sys

import pytest

from data_sources.usage import integrity
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.provenance import damage_words
from data_sources.usage.store import StoreError
from data_sources.usage.types import UsageQuery
from tests.data_sources.usage.ingest_rows import REPO, ask, attempts, event, open_store, writing


def happened(fault, folder):
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.store_faults", fault, str(folder)],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


def test_on_a_full_disk_nothing_more_is_taken_all_receipts_hold_and_it_goes_on_by_itself(tmp_path):
    told = happened("full_disk", tmp_path)
    assert set(told["refusals"]) <= {"io", "reopening"}
    assert told["read_meanwhile"] == told["stored"]
    assert told["rows"] == [told["stored"] + 200] * 2
    assert told["wrong"] == 0


def test_a_folder_that_cannot_be_written_is_told_and_ends_nothing(tmp_path):
    assert happened("read_only", tmp_path) == {"read": "io", "write": "io"}


@pytest.mark.parametrize("lost_bytes", [1, 1000])
def test_a_log_that_lost_its_end_opens_short_and_is_noticed_and_filled_by_sending_again(tmp_path, lost_bytes):
    happened("died", tmp_path)
    log = tmp_path / "usage.duckdb.wal"
    log.write_bytes(log.read_bytes()[:-lost_bytes])
    with writing(tmp_path) as (store, writer):
        with store.cursor() as cursor:
            [finding] = integrity.damage(cursor)
        source = EmbeddedUsage(store)
        [words] = damage_words([finding])
        for told in (source.summary(UsageQuery()), source.timeseries(UsageQuery()), source.recent(UsageQuery())):
            assert words in told.provenance.notes
        assert source.summary(UsageQuery()).provenance.caveats == (words,), "beside the figures, not only behind them"
        of_one = source.summary(UsageQuery(organization_id="acme"))
        assert words not in of_one.provenance.notes, "how much is lost is of all organizations together"
        assert finding == "the last commit is gone: 200 attempts"
        again = attempts(*(event(400 + step, user_id=f"2-{step}" * 9) for step in range(200)))
        assert writer.submit(again, batch_id="again").accepted == 200
        assert ask(store, "SELECT count(*) FROM attempts") == [(600,)]


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_a_log_with_a_wrong_byte_is_left_alone_and_told(tmp_path, share):
    happened("died", tmp_path)
    log = tmp_path / "usage.duckdb.wal"
    found = bytearray(log.read_bytes())
    found[int(len(found) * share)] ^= 0xFF
    log.write_bytes(found)
    store = open_store(tmp_path)
    with pytest.raises(StoreError) as caught:
        store.open()
    assert caught.value.problem.status == 503
    assert caught.value.problem.code == "damaged"
    assert "restore" in caught.value.problem.detail
    assert log.read_bytes() == bytes(found)
    store.close()
