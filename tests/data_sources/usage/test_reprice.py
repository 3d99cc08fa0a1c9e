"""Priced anew, every figure is what it would be had the prices been there from the start."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import main
from data_sources.usage import integrity, reprice
from data_sources.usage.normalise import parse
from data_sources.usage.price_file import read_price_file
from data_sources.usage.price_table import TABLE_VERSION
from data_sources.usage.pricing import BUNDLED, PriceBook
from tests.data_sources.usage.ingest_rows import NOON_US, ask, attempts, differences, event, figures, writing
from tests.data_sources.usage.random_events import EVENTS
from tests.data_sources.usage.test_verify import check

REPO = Path(__file__).parents[3]
PRICES = '[[price]]\nmodel_prefix = "m"\ninput = 1\noutput = 2\n'
ALL = reprice.Asked(0, 2**60)
COSTS = (
    "SELECT source, event_id, started_at_us, cost_usd, cost_computed_usd, price_version, pricing, cost_source "
    "FROM attempts ORDER BY ALL"
)


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(PRICES, encoding="utf-8")
    return PriceBook(read_price_file(path))


def repriced(writer, book, asked=ALL, limit=7):
    """All slices of a run, written."""
    slices, after, run = [], None, None
    while True:
        done = writer.change(
            lambda cursor, after=after, run=run: reprice.write(
                cursor, book, asked, after, limit, run=run, actor="test", now_us=NOON_US
            )
        )
        slices.append(done)
        after, run = done.after, done.run
        if after is None:
            return slices


def changed(slices):
    return sum(line.changed for done in slices for line in done.lines)


def audited(store):
    return [json.loads(row[0]) for row in ask(store, "SELECT detail FROM audit WHERE action = 'reprice'")]


@settings(max_examples=10)
@given(EVENTS, st.lists(st.sampled_from(["m1", "gpt-5.4", None]), min_size=14, max_size=14), st.integers(1, 9))
def test_figures_are_those_of_a_store_that_always_had_the_prices(tmp_path_factory, events, models, limit):
    folder = tmp_path_factory.mktemp("prices")
    (folder / "prices.toml").write_text(PRICES, encoding="utf-8")
    book = PriceBook(read_price_file(folder / "prices.toml"))
    made = [
        one
        | {"model": model, "provider": "openai", "input_tokens": 10 * n, "output_tokens": n}
        | ({"region": "eu"} if n % 2 else {})  # of no known price
        for n, (one, model) in enumerate(zip(events, models, strict=False))
    ]
    with writing(folder / "always") as (store, writer):
        body = json.dumps(made).encode()
        writer.submit(parse(body, source=None, now_us=NOON_US + 10**12, prices=book).attempts, batch_id="a")
        wanted, costs = figures(store), ask(store, COSTS)
    with writing(folder / "later") as (store, writer):
        writer.submit(attempts(*made), batch_id="a")
        before = figures(store)
        with store.cursor() as cursor:
            promised = reprice.look(cursor, book, ALL, None, 1000)
        assert figures(store) == before
        slices = repriced(writer, book, limit=limit)
        assert changed(slices) == changed([promised])
        assert figures(store) == wanted
        assert ask(store, COSTS) == costs
        assert check(store, 1000) == []
        assert changed(repriced(writer, book, limit=limit)) == 0
        assert figures(store) == wanted
        assert changed(repriced(writer, BUNDLED, limit=limit)) == changed(slices)
        assert figures(store) == before


def test_a_reported_cost_stands_unless_it_is_overridden_and_is_never_lost(tmp_path, book):
    usage = {"model": "m1", "input_tokens": 10**6, "output_tokens": 0}
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(event(1, **usage, cost_reported_usd="3"), event(2, **usage)), batch_id="a")
        costs = "SELECT event_id, cost_usd, cost_reported_usd, cost_source FROM attempts ORDER BY 1"
        repriced(writer, book)
        assert ask(store, costs) == [("e1", 3, 3, "disputed"), ("e2", 1, None, book.file.version)]
        repriced(writer, book, reprice.Asked(0, 2**60, override=True))
        assert ask(store, costs) == [("e1", 1, 3, book.file.version), ("e2", 1, None, book.file.version)]
        assert changed(repriced(writer, book)) == 0
        repriced(writer, BUNDLED)  # without the price what was reported holds again
        assert ask(store, costs) == [("e1", 3, 3, "reported"), ("e2", None, None, None)]
        assert differences(store) == []
        assert [row["override"] for row in audited(store)] == [False]  # one run at one time: the last


def test_a_price_that_makes_an_impossible_cost_of_a_call_gives_it_none(tmp_path):
    path = tmp_path / "dear.toml"
    path.write_text('[[price]]\nmodel = "m1"\ninput = 999_999\noutput = 1', encoding="utf-8")
    usage = {"model": "m1", "output_tokens": 1}
    with writing(tmp_path) as (store, writer):
        made = attempts(event(1, **usage, input_tokens=10**6), event(2, **usage, input_tokens=2 * 10**6))
        writer.submit(made, batch_id="a")
        repriced(writer, PriceBook(read_price_file(path)))
        costs = ask(store, "SELECT event_id, pricing, cost_usd > 999_998 FROM attempts ORDER BY 1")
        assert costs == [("e1", "priced", True), ("e2", "unpriced", None)]
        assert differences(store) == []


def test_only_the_window_the_provider_and_the_model_asked_for_change(tmp_path, book):
    usage = {"input_tokens": 10**6, "output_tokens": 0}
    made = [
        event(n, **usage, provider=provider, model=model)
        for n, (provider, model) in enumerate([("a", "m1"), ("a", "m2"), ("b", "m1"), ("a", "m1"), (None, "m1")])
    ]
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*made), batch_id="a")
        repriced(writer, book, reprice.Asked(NOON_US, NOON_US + 3, provider="a", model="m1"))
        assert ask(store, "SELECT event_id FROM attempts WHERE cost_usd IS NOT NULL") == [("e0",)]
        repriced(writer, book, reprice.Asked(NOON_US, NOON_US + 3, model="m1"))
        assert ask(store, "SELECT event_id FROM attempts WHERE cost_usd IS NOT NULL ORDER BY 1") == [("e0",), ("e2",)]
        assert check(store, 1000) == []


def test_a_run_leaves_one_audit_row_that_says_who_what_and_before_and_after(tmp_path, book):
    usage = {"model": "m1", "output_tokens": 0}
    made = [event(n, **usage, input_tokens=10**6 * n) for n in range(1, 21)]
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*made), batch_id="a")
        version = store.data_version
        assert len(repriced(writer, book, limit=6)) == 4
        assert store.data_version == version + 4
        [row] = audited(store)
        assert ask(store, "SELECT at_us, actor FROM audit") == [(NOON_US, "test")]
        assert (row["attempts"], row["changed"], row["done"]) == (20, 20, True)
        assert (row["priced_before"], row["priced_after"]) == (0, 20)
        assert (Decimal(row["cost_before"]), Decimal(row["cost_after"])) == (0, 210)
        assert row["price_versions"] == [book.file.version]
        assert (row["start_us"], row["end_us"], row["override"]) == (0, 2**60, False)


@pytest.mark.parametrize("slices", [1, 4, 11])
def test_a_run_killed_in_the_middle_leaves_every_figure_right_and_can_be_run_again(tmp_path, book, slices):
    usage = {"model": "m1", "provider": "a", "output_tokens": 0}
    made = [event(n, **usage, input_tokens=n, status="failure" if n % 5 else "success") for n in range(600)]
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*made), batch_id="a")
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.repricing", str(tmp_path), "5"],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    told = [int(child.stdout.readline()) for _ in range(slices)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.communicate(timeout=20)[0].split()]
    with writing(tmp_path) as (store, writer):
        with store.cursor() as cursor:
            assert integrity.damage(cursor) == ()
        assert check(store, 1000) == []
        [(done,)] = ask(store, "SELECT count(*) FROM attempts WHERE price_version IS NOT NULL")
        assert sum(told) <= done < 600
        [row] = audited(store)
        assert (row["changed"], row["done"]) == (done, False)
        assert changed(repriced(writer, book, limit=100)) == 600 - done
        assert ask(store, "SELECT sum(cost_usd) FROM attempts") == [(Decimal(sum(range(600))) / 10**6,)]
        assert check(store, 1000) == []


def test_the_command_shows_before_and_after_and_acts_only_when_told(app, serve, monkeypatch, sign_in):
    served, ops = serve(app), app.server.extensions["ops"]
    monkeypatch.setenv("OPS_DATA_DIR", str(ops.settings.data_dir))
    usage = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 10**6, "output_tokens": 0}
    ops.writer.submit(attempts(event(1, **usage), event(2, **usage, cost_reported_usd="7")), batch_id="a")
    with ops.usage_store.cursor() as cursor:  # as an older table would have priced it
        cursor.execute("UPDATE attempts SET cost_usd = 9, cost_computed_usd = 9 WHERE event_id = 'e1'")
        cursor.execute("UPDATE rollup SET cost_usd = 9 WHERE cost_source <> 'disputed'")
    assert differences(ops.usage_store) == []

    def run(*words):
        return CliRunner().invoke(main, ["reprice", "--from", "2026-11-22", *words, "--url", served.url])

    costs = "SELECT cost_usd FROM attempts ORDER BY event_id"
    first = run()
    assert first.exit_code == 0, first.output
    assert "16" in first.output
    assert "7.25" in first.output
    assert f"1 of 2 attempts would change; with --apply they do. Prices: {TABLE_VERSION}." in first.output
    assert ask(ops.usage_store, costs) == [(9,), (7,)]
    assert "1 of 2 attempts were priced anew" in run("--apply").output
    assert ask(ops.usage_store, costs) == [(Decimal("0.25"),), (7,)]
    assert "1 of 2 attempts were priced anew" in run("--apply", "--override").output
    assert ask(ops.usage_store, costs) == [(Decimal("0.25"),), (Decimal("0.25"),)]
    assert "0 of 0 attempts" in run("--to", "2026-11-22T01:00:00Z").output
    assert "single calls are kept" not in first.output
    with ops.usage_store.cursor() as cursor:
        integrity.write_raw_from(cursor, NOON_US)
    assert "single calls are kept since 2026-11-22T12:00:00Z" in run().output
    assert differences(ops.usage_store) == []
    assert "--from lies before --to" in run("--to", "2026-11-21").stderr

    with monkeypatch.context() as stopped:  # after the first slice
        stopped.setattr("verbs.upkeep.Progress.update", Mock(side_effect=KeyboardInterrupt))
        assert run().stderr.strip().endswith("It was stopped. Nothing was changed.")
        assert "It was stopped. 0 attempts were priced anew by then" in run("--apply").stderr

    admin = sign_in(app)
    assert [row["actor"] for row in admin.get("/api/v1/llm/usage/audit").get_json()["changes"]] == ["key:cli"] * 3
    asked = {"from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z"}
    for wrong in ({"from": "2026-11-24T00:00:00Z"}, {"limit": 0}, {"limit": 10**6}, {"aply": True}, {"to": "x"}):
        assert admin.post("/api/v1/llm/usage/reprice", json=asked | wrong).status_code == 400
    assert sign_in(app, role="analyst").post("/api/v1/llm/usage/reprice", json=asked).status_code == 403
