"""A person who is forgotten is in no table, and every figure is as if they had never called."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import main
from data_sources.usage import backup, forget, integrity
from data_sources.usage.intake import Refusal
from data_sources.usage.store import StoreError
from tests.data_sources.usage.ingest_rows import ask, attempts, differences, event, figures, writing
from tests.data_sources.usage.random_events import EVENTS
from tests.data_sources.usage.test_verify import check


def forgotten(writer, user, **given):
    given = {"keep_figures": False, "actor": "test", "now_us": 1, **given}
    return writer.change(lambda cursor: forget.forget(cursor, user, **given))


@settings(max_examples=15)
@given(EVENTS, st.lists(st.sampled_from(["ann", "bob", None]), min_size=14, max_size=14))
def test_what_is_left_is_what_would_be_there_without_them(tmp_path_factory, events, users):
    made = [one | {"user_id": user} for one, user in zip(events, users, strict=False)]
    others = [one for one in made if one["user_id"] != "ann"]
    with writing(tmp_path_factory.mktemp("without")) as (store, writer):
        if others:
            writer.submit(attempts(*others), batch_id="a")
        without = figures(store)
    with writing(tmp_path_factory.mktemp("forgotten")) as (store, writer):
        writer.submit(attempts(*made), batch_id="a")
        assert forgotten(writer, "ann").attempts == len(made) - len(others)
        assert figures(store) == without
        assert check(store, 1000) == []


THEIRS = [
    event(1, user_id="ann", api_key_id="k", session_id="s", trace_id="t", tags=["ann's"], cost_reported_usd="0.5"),
    event(2, end_user_id="ann", user_id="shop"),
    event(3, user_id="bob"),
]


def everything(store):
    tables = [row[0] for row in ask(store, "SELECT table_name FROM duckdb_tables()")]
    return "\n".join(str(ask(store, f"FROM {table}")) for table in tables)


def test_kept_figures_belong_to_nobody_and_no_table_names_the_person(tmp_path):
    for keep in (True, False):
        with writing(tmp_path / str(keep)) as (store, writer):
            writer.submit(attempts(*THEIRS), batch_id="a")
            before, version = figures(store), store.data_version
            was = forgotten(writer, "ann", keep_figures=keep)
            assert (was.attempts, was.calls, str(was.cost_usd)) == (2, 2, "0.500000000000")
            assert "ann" not in everything(store)
            assert ask(store, "SELECT actor, action FROM audit") == [("test", "forget")]
            assert store.data_version == version + 1
            assert (figures(store) == before) is keep
            assert differences(store) == []
            assert forgotten(writer, "ann").attempts == 0
        with writing(tmp_path / str(keep)) as (store, writer), store.cursor() as cursor:
            assert integrity.damage(cursor) == ()


def test_what_only_they_had_and_what_was_refused_of_them_names_nobody(tmp_path):
    alone = event(4, user_id="ann-the-only", team_id="ann's team", power_level="odd")
    shared = [
        event(5, user_id="ann-the-only", team_id="all", power_level="eco"),
        event(6, team_id="all", power_level="eco"),
    ]
    with writing(tmp_path) as (store, writer):
        told = Refusal("api", "no field ann-the-only", 2, 0, ("event_id", "ann-the-only"))
        writer.submit(attempts(alone, *shared), batch_id="a", refusals=[told])
        assert "ann-the-only" in str(ask(store, "FROM rejections"))
        forgotten(writer, "ann-the-only")
        assert "ann" not in everything(store)
        assert ask(store, "SELECT sum(events) FROM rejections") == [(2,)]
        left = ask(
            store, "SELECT dimension, name FROM dimension_values WHERE dimension IN ('team', 'power_level') ORDER BY 1"
        )
        assert left == [("power_level", "eco"), ("team", "all")]


@pytest.mark.parametrize("keep", [True, False])
def test_no_byte_of_the_person_stays_in_a_file_or_a_later_backup(tmp_path, keep):
    ids = {name: f"{name}-of-ann-{'x' * 40}" for name in ("user_id", "session_id", "trace_id", "api_key_id")}
    theirs = [event(n, **ids, tags=["tag-of-ann"], cost_reported_usd="0.5") for n in range(300)]
    others = [event(n, user_id=f"someone-else-{n}") for n in range(300, 600)]
    with writing(tmp_path) as (store, writer):
        for number in range(0, 300, 100):  # several commits, some of them folded in before
            writer.submit(
                attempts(*theirs[number : number + 100], *others[number : number + 100]), batch_id=f"b{number}"
            )
            with store.cursor() as cursor:
                cursor.execute("CHECKPOINT")
        forgotten(writer, "user_id-of-ann-" + "x" * 40, keep_figures=keep)
        before, held = figures(store), everything(store)
        assert b"of-ann" in bytes_of(tmp_path), "the test would prove nothing"
        store.rewrite()
        assert b"of-ann" not in bytes_of(tmp_path)
        assert (figures(store), everything(store)) == (before, held)
        copy = backup.make(store, writer)
        with copy.file:
            assert b"of-ann" not in copy.file.read()
        writer.submit(attempts(event(900, user_id="someone-new")), batch_id="c")
        assert differences(store) == []
    with writing(tmp_path) as (store, _), store.cursor() as cursor:
        assert integrity.damage(cursor) == ()
        assert cursor.execute("SELECT count(*) FROM attempts").fetchall() == [(601 if keep else 301,)]


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_events_and_questions_wait_while_the_file_is_written_anew(tmp_path):
    with writing(tmp_path) as (store, writer), ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(writer.submit, attempts(event(n)), batch_id=f"b{n}") for n in range(40)]
        seen = [pool.submit(ask, store, "SELECT count(*) FROM attempts") for _ in range(40)]
        for _ in range(5):
            store.rewrite()
        assert sum(one.result().accepted for one in sent) == 40
        assert max(one.result()[0][0] for one in seen) <= 40
        store.rewrite()
        assert ask(store, "SELECT count(*) FROM attempts") == [(40,)]
        assert differences(store) == []


def test_a_file_that_cannot_be_written_anew_stays_as_it_is(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*THEIRS), batch_id="a")
        store.min_free_bytes = 10**18
        with pytest.raises(StoreError, match="free disk"):
            store.rewrite()
        store.min_free_bytes = 0
        (tmp_path / f"{store.path.name}.rewriting").mkdir()  # nothing can be written there
        with pytest.raises(StoreError, match="did not suffice"):
            store.rewrite()
        assert ask(store, "SELECT count(*) FROM attempts") == [(3,)]
        writer.submit(attempts(event(4)), batch_id="b")
        assert differences(store) == []


def test_sent_again_kept_figures_stay_and_do_not_name_the_person(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*THEIRS), batch_id="a")
        forgotten(writer, "ann", keep_figures=True)
        assert writer.submit(attempts(*THEIRS), batch_id="b").duplicates == 3
        assert "ann" not in str(ask(store, "FROM attempts"))


def test_the_command_tells_first_and_acts_only_when_told(app, serve, monkeypatch, sign_in):
    served, ops = serve(app), app.server.extensions["ops"]
    monkeypatch.setenv("OPS_DATA_DIR", str(ops.settings.data_dir))
    ops.writer.submit(attempts(*THEIRS), batch_id="a")

    def run(*words):
        return CliRunner().invoke(main, ["forget", "--user", "ann", *words, "--url", served.url]).output

    told = "2 attempts of 'ann' were found, 2 calls with a known cost of 0.5"
    assert run().startswith(told)
    assert "Nothing was changed" in run("--keep-figures")
    assert ask(ops.usage_store, "SELECT count(*) FROM attempts") == [(3,)]
    assert "Done: their calls leave every figure." in run("--apply")
    assert ask(ops.usage_store, "SELECT event_id FROM attempts") == [("e3",)]
    admin = sign_in(app)
    [change] = admin.get("/api/v1/llm/usage/audit").get_json()["changes"]
    assert (change["actor"], change["action"], change["detail"]["attempts"]) == ("key:cli", "forget", 2)
    assert admin.post("/api/v1/llm/usage/forget", json={"user": "ann", "aply": True}).status_code == 400
    analyst = sign_in(app, role="analyst")
    assert analyst.post("/api/v1/llm/usage/forget", json={"user": "bob"}).status_code == 403
    assert analyst.get("/api/v1/llm/usage/audit").status_code == 403
