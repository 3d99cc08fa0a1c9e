"""A person who is forgotten is in no table, and every figure is as if they had never called."""

from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import main
from data_sources.usage import forget, integrity
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
