"""`ops-center verify`: a right store has no difference, and each way to be wrong is named."""

import re

import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from cli import main
from data_sources.usage import verify
from tests.data_sources.usage.ingest_rows import NOON_US, attempts, event, writing
from tests.data_sources.usage.random_events import EVENTS, HOUR_US

DAY_US = 24 * HOUR_US


def check(store, size):
    """The whole check in parts of `size` attempts."""
    with store.cursor() as cursor:
        cursor.begin()
        whole = verify.overview(cursor)
        found, seen, slot = list(whole.differences), 0, whole.first_slot
        while slot is not None and slot < whole.end_slot:
            part = verify.part(cursor, slot, size=size)
            assert part.next_slot > slot
            found += part.differences
            seen, slot = seen + part.attempts, part.next_slot
    assert seen == whole.attempts
    return found


@settings(max_examples=15)
@given(EVENTS)
def test_what_the_writer_made_has_no_difference_however_it_is_parted(tmp_path_factory, events):
    with writing(tmp_path_factory.mktemp("right")) as (store, writer):
        for number, part in enumerate((events[::2], events[1::2])):
            if part:
                writer.submit(attempts(*part), batch_id=str(number))
        for size in (1, 5, 1000):
            assert check(store, size) == []


# Two calls: one of two attempts a day and a half apart joined by a third between, one of one attempt.
EVENTS_OF_TWO_CALLS = [
    event(1, call_id="long", status="failure", provider="a", input_tokens=5, duration_ms=10),
    event(2, call_id="long", status="failure", provider="a") | {"started_at_us": NOON_US + 18 * HOUR_US},
    event(3, call_id="long", status="success", provider="b", duration_ms=7) | {"started_at_us": NOON_US + 36 * HOUR_US},
    event(4, call_id="alone", status="success", provider="a", duration_ms=9, user_id="u"),
]
WRONG = {
    "a measure": ("UPDATE rollup SET input_tokens = 6 WHERE provider = 'a' AND input_known = 1", "rollup", 6, 5),
    "a row too many": (
        "INSERT INTO rollup SELECT * REPLACE ('ghost' AS provider, 1 AS attempts) FROM rollup LIMIT 1",
        "rollup",
        1,
        None,
    ),
    "a row missing": ("DELETE FROM rollup WHERE provider = 'b'", "rollup", None, 1),
    "a correction left over": (
        "INSERT INTO rollup SELECT * REPLACE (0 AS attempts, 1 AS calls) FROM rollup WHERE provider = 'b'",
        "rollup",
        2,
        1,
    ),
    "a call counted twice": (
        "UPDATE attempts SET counts_call = 1 WHERE event_id = 'e1'; UPDATE rollup SET calls = 1, unmetered_calls = "
        "unmetered_attempts, unpriced_calls = unpriced_attempts WHERE input_known = 1",
        "calls",
        1,
        0,
    ),
    "a call counted nowhere": ("UPDATE attempts SET counts_call = 0 WHERE event_id = 'e4'", "calls", 0, 1),
    "a wrong wait": ("UPDATE attempts SET call_duration_ms = 7 WHERE event_id = 'e3'", "calls", 7, 129600007),
    "a lost attempt": ("DELETE FROM attempts WHERE event_id = 'e2'", "commits", 4, 3),
}


@pytest.mark.parametrize("way", WRONG)
@pytest.mark.parametrize("size", [1, 1000])
def test_each_way_to_be_wrong_is_found(tmp_path, way, size):
    spoil, what, kept, counted = WRONG[way]
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*EVENTS_OF_TWO_CALLS), batch_id="a")
        assert check(store, size) == []
        with store.cursor() as cursor:
            cursor.execute(spoil)
        assert (what, kept, counted) in {(found.what, found.kept, found.counted) for found in check(store, size)}


def test_the_first_difference_names_quarter_hour_model_and_measure(tmp_path):
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*EVENTS_OF_TWO_CALLS), batch_id="a")
        with store.cursor() as cursor:
            cursor.execute("UPDATE attempts SET input_tokens = coalesce(input_tokens, 0) + 1 WHERE event_id = 'e4'")
            [(slot, provider)] = cursor.execute(
                "SELECT (started_at_us // 900000000)::INTEGER, provider FROM attempts WHERE event_id = 'e4'"
            ).fetchall()
        first, *others = check(store, 1000)
    assert (first.what, first.slot, first.key["provider"]) == ("rollup", slot, provider)
    assert any(one.what.startswith("sum by") and one.slot is None for one in others)


def test_sums_over_a_dimension_that_lose_a_row_are_found(tmp_path, monkeypatch):
    from data_sources.usage import sql

    real = sql.sums

    def without_unnamed(query, span, *, by=(), **more):
        return tuple(
            (text.replace("WHERE", "WHERE user_id IS NOT NULL AND") if by == ("user",) else text, values)
            for text, values in real(query, span, by=by, **more)
        )

    monkeypatch.setattr(sql, "sums", without_unnamed)
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*EVENTS_OF_TWO_CALLS), batch_id="a")
        found = check(store, 1000)
    assert {(one.what, one.measure, one.kept, one.counted) for one in found} >= {("sum by user", "attempts", 1, 4)}


@pytest.fixture
def command(app, serve, monkeypatch):
    served, ops = serve(app), app.server.extensions["ops"]
    monkeypatch.setenv("OPS_DATA_DIR", str(ops.settings.data_dir))

    def run(*words):
        return CliRunner().invoke(main, [*words, "--url", served.url])

    run.ops = ops
    return run


def test_the_command_counts_a_running_console_and_names_the_first_difference(command):
    ops = command.ops
    empty = command("verify")
    assert (empty.exit_code, empty.stdout) == (
        0,
        "0 attempts in 0 quarter-hours counted anew.\nEvery figure adds up.\n",
    )
    ops.writer.submit(attempts(*EVENTS_OF_TWO_CALLS), batch_id="a")
    right = command("verify")
    assert right.exit_code == 0, right.output
    assert right.stdout == "4 attempts in 3 quarter-hours counted anew.\nEvery figure adds up.\n"
    with ops.usage_store.cursor() as cursor:
        cursor.execute("UPDATE rollup SET input_tokens = 6 WHERE provider = 'a' AND input_known = 1")
    wrong = command("verify")
    assert wrong.exit_code == 1
    assert re.search(
        r"3 figures differ\. The first: rollup, 2026-11-22 12:00 UTC, cost_source not set, model not set, "
        r"power_level not set, provider a, source api, status failure: input_tokens is 6, counted anew it is 5\.",
        wrong.stderr,
    ), wrong.stderr


def test_the_check_is_for_administrators(app, sign_in):
    for role in ("analyst", "member"):
        reader = sign_in(app, role=role, org="ACME")
        assert reader.get("/api/v1/llm/usage/verify").status_code == 403
        assert reader.get("/api/v1/llm/usage/verify/part?from=1").status_code == 403
    assert sign_in(app).get("/api/v1/llm/usage/verify/part").status_code == 400
