import subprocess
import sys

from data_sources.usage import integrity
from tests.data_sources.usage.ingest_rows import REPO, ask, attempts, open_store, writing
from tests.data_sources.usage.test_verify import check
from tests.fakes.dying_writer import batch, last_receipts

DEATHS = 50


def test_killed_fifty_times_anywhere_nothing_acknowledged_is_lost_and_nothing_counts_twice(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "tests.fakes.dying_writer", str(tmp_path), str(DEATHS)],
        cwd=REPO,
        timeout=300,
        check=True,
    )
    receipts = last_receipts(tmp_path / "receipts")
    promised = {
        made["event_id"] for sender in receipts for number in range(receipts[sender]) for made in batch(sender, number)
    }
    # four lives of five end after a receipt
    assert len((tmp_path / "receipts").read_text().splitlines()) >= DEATHS * 4 // 5
    store = open_store(tmp_path)
    stored = [row[0] for row in ask(store, "SELECT event_id FROM attempts")]
    assert len(stored) == len(set(stored))
    assert promised <= set(stored)
    assert check(store, 10_000) == []
    with store.cursor() as cursor:
        assert integrity.damage(cursor) == ()
    store.close()
    with writing(tmp_path) as (store, writer):
        for sender, number in receipts.items():
            for again in range(number):
                writer.submit(attempts(*batch(sender, again)), batch_id=f"again-{sender}-{again}")
        assert sorted(row[0] for row in ask(store, "SELECT event_id FROM attempts")) == sorted(stored)
        assert check(store, 10_000) == []
