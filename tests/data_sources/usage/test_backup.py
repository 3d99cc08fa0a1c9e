"""A backup is what was committed when it was made; a restore puts exactly that back, or changes nothing."""

import os
import threading

import duckdb
import pytest
from click.testing import CliRunner

from cli import main
from data_sources.state.folder_lock import lock_folder
from data_sources.usage import integrity
from tests.data_sources.usage.ingest_rows import ask, attempts, event, figures, litellm_events, open_store, writing


@pytest.fixture
def house(app, serve, monkeypatch, tmp_path):
    """A served console with ten events, and the command line beside it."""
    served, ops = serve(app), app.server.extensions["ops"]
    ops.writer.submit(attempts(*litellm_events()), batch_id="a")

    def run(*words, folder=ops.settings.data_dir):
        monkeypatch.setenv("OPS_DATA_DIR", str(folder))
        return CliRunner().invoke(main, words)

    run.url, run.ops, run.folder = served.url, ops, tmp_path
    return run


def backed_up(house):
    path = house.folder / "copy.duckdb"
    done = house("backup", str(path), "--url", house.url)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"10 attempts are in {path}.\n"
    return path


def test_a_backup_is_restored_elsewhere_whole(house):
    path = backed_up(house)
    house.ops.writer.submit(attempts(event(1)), batch_id="later")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(house.ops.settings.data_dir.glob(".backup-*"))
    wanted = [row for row in figures(house.ops.usage_store)[0] if row[1] != "e1"]
    elsewhere = house.folder / "elsewhere"
    done = house("restore", str(path), folder=elsewhere)
    assert (done.exit_code, done.stdout) == (0, "10 attempts restored, every figure adds up.\n"), done.output
    with writing(elsewhere) as (store, writer):
        assert figures(store)[0] == wanted
        assert writer.submit(attempts(*litellm_events()), batch_id="again").duplicates == 10


def test_a_restore_goes_back_keeps_the_store_before_and_finds_no_damage(house, tmp_path):
    path = backed_up(house)
    folder = tmp_path / "grown"
    house("restore", str(path), folder=folder)
    with writing(folder) as (_, writer):
        writer.submit(attempts(event(1)), batch_id="later")
    done = house("restore", str(path), folder=folder)
    assert done.exit_code == 0, done.output
    store = open_store(folder)
    with store.cursor() as cursor:
        assert integrity.damage(cursor) == ()
    assert len(ask(store, "FROM attempts")) == 10
    store.close()
    [kept] = folder.glob("usage.before-*.duckdb")
    assert str(kept) in done.stdout
    with duckdb.connect(str(kept)) as before:
        assert before.execute("SELECT count(*) FROM attempts").fetchall() == [(11,)]


def _flip(path):
    path.write_bytes(path.read_bytes()[:5000] + b"\0" * 50_000)


def _block(path, table="attempts"):
    """A few bytes of a table's block: the file opens, and the damage is met when its rows are read."""
    with duckdb.connect(str(path), read_only=True) as connection:
        storage = f"SELECT min(block_id) FROM pragma_storage_info('{table}') WHERE block_id >= 0"
        [(block,)] = connection.execute(storage).fetchall()
    spoilt, at = bytearray(path.read_bytes()), 3 * 4096 + block * 262_144 + 2000
    spoilt[at : at + 20] = bytes(255 - byte for byte in spoilt[at : at + 20])
    path.write_bytes(spoilt)


def _unread_block(path):
    """Damage in a table that no figure is made of."""
    _block(path, "collection")


def _short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _wrong(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE rollup SET calls = calls + 1")


def _lost(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM attempts WHERE rowid = 3")


@pytest.mark.parametrize("spoil", [_flip, _block, _unread_block, _short, _wrong, _lost])
def test_a_backup_that_is_not_right_changes_nothing(house, spoil):
    path = backed_up(house)
    spoil(path)
    folder = house.folder / "target"
    with writing(folder) as (store, writer):
        writer.submit(attempts(event(1)), batch_id="mine")
        mine = figures(store)
    done = house("restore", str(path), folder=folder)
    assert done.exit_code == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith(f"ops-center: {path} was not restored")
    store = open_store(folder)
    assert figures(store) == mine
    store.close()
    assert sorted(os.listdir(folder)) == ["serving.lock", "usage.duckdb", "usage.duckdb.commits"]


def test_a_folder_that_is_served_is_not_restored_into(house):
    path = backed_up(house)
    held = lock_folder(house.ops.settings.data_dir)
    done = house("restore", str(path))
    os.close(held)
    assert done.exit_code == 2
    assert str(os.getpid()) in done.stderr


def test_what_is_committed_while_a_backup_is_made_is_in_it_whole_or_not_at_all(house):
    stop, sent = threading.Event(), []

    def send():
        while not stop.is_set():
            number = 3 * len(sent)
            made = [event(number + step, call_id=f"together-{number}") for step in (1, 2, 3)]
            house.ops.writer.submit(attempts(*made), batch_id=f"s{number}")
            sent.append(number)

    sender = threading.Thread(target=send)
    sender.start()
    path = house.folder / "copy.duckdb"
    done = house("backup", str(path), "--url", house.url)
    stop.set()
    sender.join(timeout=20)
    assert done.exit_code == 0, done.output
    done = house("restore", str(path), folder=house.folder / "elsewhere")
    assert done.exit_code == 0, done.output
    with duckdb.connect(str(house.folder / "elsewhere" / "usage.duckdb")) as connection:
        [(rows,)] = connection.execute("SELECT count(*) FROM attempts WHERE call_id LIKE 'together-%'").fetchall()
        assert rows % 3 == 0


def test_a_backup_that_breaks_off_leaves_the_file_that_was_there(house, monkeypatch):
    path = backed_up(house)
    before = path.read_bytes()
    house.ops.writer.close()
    done = house("backup", str(path), "--url", house.url)
    assert done.exit_code == 2
    assert "was not backed up" in done.stderr
    assert path.read_bytes() == before
    assert not path.with_name("copy.duckdb.part").exists()
