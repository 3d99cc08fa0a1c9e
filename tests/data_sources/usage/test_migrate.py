"""Stores of every version that was ever released open, keep their figures and go on."""

from decimal import Decimal

import duckdb
import pytest

from data_sources.usage import integrity, migrate, schema
from data_sources.usage.pricing import cost_source
from data_sources.usage.store import StoreError
from tests.data_sources.usage import old_stores
from tests.data_sources.usage.ingest_rows import (
    ask,
    attempts,
    differences,
    event,
    figures,
    litellm_events,
    open_store,
    writing,
)

SHAPE = "SELECT table_name, column_index, column_name, data_type, is_nullable FROM duckdb_columns() ORDER BY ALL"


def older(folder, version):
    """A store of an older version with LiteLLM's ten events in it, made by that version's own statements."""
    folder.mkdir()
    with writing(folder) as (_, writer):
        writer.submit(attempts(*litellm_events()), batch_id="kept", named=True)
    now, then = folder / "usage.duckdb", folder / "then.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{now}' AS now (READ_ONLY)")
        connection.execute(f"ATTACH '{then}' AS made")
        connection.execute("USE made")
        for name, statement in old_stores.TABLES[version].items():
            connection.execute(statement)
            names = [row[1] for row in connection.execute(f"PRAGMA table_info('{name}')").fetchall()]
            connection.execute(f"INSERT INTO {name} SELECT {', '.join(names)} FROM now.{name}")
        connection.execute("UPDATE meta SET value = ? WHERE key = 'store_version'", [str(version)])
        if version < 5:
            connection.execute("DELETE FROM meta WHERE key = 'refused_since_us'")
        connection.execute("USE memory")
    then.replace(now)
    return folder


@pytest.mark.parametrize("version", sorted(old_stores.TABLES))
def test_an_older_store_is_migrated_whole(tmp_path, version):
    with writing(tmp_path / "fresh") as (store, writer):
        writer.submit(attempts(*litellm_events()), batch_id="kept", named=True)
        shape, wanted = ask(store, SHAPE), figures(store)
    older(tmp_path / "old", version)
    with writing(tmp_path / "old") as (store, writer):
        assert ask(store, SHAPE) == shape
        assert figures(store) == wanted
        assert ask(store, "SELECT value FROM meta WHERE key = 'store_version'") == [(str(schema.STORE_VERSION),)]
        assert ask(store, "SELECT count(*) FROM meta WHERE key = 'refused_since_us'") == [(1,)]
        with store.cursor() as cursor:
            assert integrity.damage(cursor) == ()
        receipt = writer.submit(attempts(*litellm_events(), event(1)), batch_id="next")
        assert (receipt.accepted, receipt.duplicates) == (1, 10)
        assert writer.undo("kept").removed == 10
        assert differences(store) == []


def test_a_migrated_cost_is_disputed_as_a_new_one_is():
    amounts = [None, *map(Decimal, ("0", "0.000001", "0.000002", "1", "1.005", "1.005000000001", "200"))]
    rows = [(told, made, None if made is None else "v1") for told in amounts for made in amounts]
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE attempts (n INTEGER, cost_usd DECIMAL(18,12), cost_reported_usd DECIMAL(18,12), "
            "cost_computed_usd DECIMAL(18,12), price_version VARCHAR)"
        )
        for number, (told, made, version) in enumerate(rows):
            cost = made if told is None else told
            connection.execute("INSERT INTO attempts VALUES (?, ?, ?, ?, ?)", [number, cost, told, made, version])
        for statement in migrate.STEPS[3][:2]:
            connection.execute(statement)
        found = connection.execute("SELECT cost_source FROM attempts ORDER BY n").fetchall()
    assert found == [(cost_source(*row),) for row in rows]
    assert {source for (source,) in found} == {None, "v1", "reported", "disputed"}


def test_every_version_before_this_one_has_a_step_and_a_store_to_try_it_on():
    assert set(migrate.STEPS) == set(range(2, schema.STORE_VERSION + 1))
    assert set(old_stores.TABLES) == set(range(1, schema.STORE_VERSION))


def test_a_migration_that_fails_leaves_the_older_store_whole(tmp_path, monkeypatch):
    older(tmp_path / "old", 1)
    steps = {**migrate.STEPS, schema.STORE_VERSION: (*migrate.STEPS[schema.STORE_VERSION], "SELECT no_such_column")}
    monkeypatch.setattr(migrate, "STEPS", steps)
    with pytest.raises(StoreError):
        open_store(tmp_path / "old").open()
    with duckdb.connect(str(tmp_path / "old" / "usage.duckdb")) as connection:
        tables = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert tables == set(old_stores.TABLES[1])
        assert connection.execute("SELECT value FROM meta WHERE key = 'store_version'").fetchall() == [("1",)]
    monkeypatch.undo()
    store = open_store(tmp_path / "old")
    assert ask(store, "SELECT count(*) FROM attempts") == [(10,)]
    store.close()


def test_a_newer_store_is_left_alone_and_named_in_one_line(tmp_path):
    store = open_store(tmp_path)
    with store.cursor() as cursor:
        cursor.execute("UPDATE meta SET value = '99' WHERE key = 'store_version'")
    store.close()
    before = store.path.read_bytes()
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path).open()
    told = caught.value.problem
    assert told.code == "newer-version"
    assert "\n" not in told.detail
    for words in (str(store.path), "version 99", f"up to {schema.STORE_VERSION}", "newer Ops Center"):
        assert words in told.detail
    assert store.path.read_bytes() == before


def test_somebody_elses_database_is_left_alone(tmp_path):
    path = tmp_path / "usage.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS one")
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path).open()
    assert caught.value.problem.code == "no-store"
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("theirs",)]
