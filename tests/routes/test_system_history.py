"""The history API: a window with reasons for what is missing, bounded, as JSON and as CSV."""

import csv
import io
from datetime import timedelta

import pytest

from tests.fakes.machine import FakeMachine

KEY = "reader-key-of-the-tests"
HISTORY = "/api/v1/system/history"


@pytest.fixture
def machine():
    return FakeMachine()


@pytest.fixture
def get(make_app, machine):
    app = make_app(read_token=KEY)
    ops = app.server.extensions["ops"]
    ops.system.close()  # the real one
    ops.system = machine.held_source()
    client = app.server.test_client()
    return lambda query="": client.get(f"{HISTORY}?{query}", headers={"Authorization": f"Bearer {KEY}"})


def run(get, machine, ticks=40):
    source = get.__closure__[0].cell_contents.application.extensions["ops"].system
    for _ in range(ticks):
        machine.wait(2)
        machine.receive("eth0", 2000, 500)
        source.sampler.tick()


def test_before_the_first_sample_nothing_is_known_and_nothing_is_zero(get):
    body = get().json
    assert (body["series"], body["summary"], body["sampled_at"]) == ({}, {}, None)
    assert body["gaps"][0]["reason"] == "measuring"


def test_a_window_has_equal_steps_a_summary_and_why_something_is_missing(get, machine):
    run(get, machine)
    body = get("window_s=300&series=net_in,cpu").json
    assert (body["tier_s"], body["step_s"], body["n"], body["reason"]) == (2, 2, 150, None)
    series = body["series"]["net_in"]
    assert {len(series[part]) for part in ("mean", "min", "max", "gap")} == {150}
    assert series["mean"][:1] + series["mean"][-2:] == [None, 1000.0, 1000.0]
    assert series["gap"][:1] + series["gap"][-2:] == [1.0, 0.0, 0.0]
    assert body["summary"]["net_in"] == {
        "mean": 1000.0,
        "min": 1000.0,
        "max": 1000.0,
        "max_at": body["summary"]["net_in"]["max_at"],
        "p95": 1000.0,
        "of": "2 s rates",
        "max_of": "2 s rates",
        "known": pytest.approx(78 / 300, abs=0.01),
    }
    (gap,) = body["gaps"]
    assert (gap["start"], gap["reason"], gap["of"]) == (body["window"]["start"], "Ops Center was not running", None)
    assert body["sampled_at"] == machine.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_series_interface_and_points_are_what_is_asked_for(get, machine):
    run(get, machine)
    body = get("window_s=300&series=net_in,cpu,gpu_0&interface=lo&points=10").json
    assert set(body["series"]) == {"net_in", "cpu"}  # this machine has no GPU
    assert body["series"]["net_in"]["mean"][-1] == 0.0
    assert body["n"] <= 10


def test_an_interface_beyond_those_that_are_recorded_is_not_called_gone_and_a_new_one_takes_no_place(get, machine):
    machine.counters |= {f"m{n:03}": machine.counters["lo"] for n in range(80)}
    run(get, machine, 10)
    machine.counters |= {f"a{n:03}": machine.counters["lo"] for n in range(80)}
    run(get, machine, 10)
    body = get("window_s=300&series=net_in&interface=m000").json
    assert body["series"]["net_in"]["mean"][-15:] == [0.0] * 15, "recorded before the new ones came"
    assert {gap["reason"] for gap in body["gaps"]} == {"Ops Center was not running"}
    for name in ("m079", "a000"):
        body = get(f"window_s=300&series=net_in&interface={name}").json
        reasons = {gap["reason"] for gap in body["gaps"] if gap["of"] == "network"}
        assert (body["series"], reasons) == ({}, {"not recorded (more than 64 interfaces), or gone"})
    assert "not recorded" in get("window_s=300&series=net_in&interface=a000&format=csv").text
    assert {gap["of"] for gap in get("window_s=300&series=net_in").json["gaps"]} == {None}
    live = get.__closure__[0].cell_contents.get(
        "/api/v1/system/live?series=net_in&interface=a000", headers={"Authorization": f"Bearer {KEY}"}
    )
    assert live.json["series"]["net_in"][-1] == 0.0  # what is not recorded is measured all the same


def test_csv_has_an_empty_cell_and_a_reason_for_what_is_not_known(get, machine):
    run(get, machine)
    answer = get("window_s=300&series=net_in&format=csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == [
        "time",
        "step [s]",
        *(f"net_in_{part} [B/s]" for part in ("mean", "min", "max")),
        "reason",
    ]
    assert rows[1][2:] == ["", "", "", "Ops Center was not running"]
    assert rows[-1][1:] == ["2", "1000.0", "1000.0", "1000.0", ""]
    assert len(rows) == 151


def test_a_window_may_be_given_by_start_and_end(get, machine):
    run(get, machine, 60)
    start = (machine.now() - timedelta(seconds=60)).isoformat().replace("+00:00", "Z")
    end = (machine.now() - timedelta(seconds=20)).isoformat().replace("+00:00", "Z")
    body = get(f"start={start}&end={end}&series=net_in").json
    assert body["n"] in (20, 21)
    assert set(body["series"]["net_in"]["mean"]) == {1000.0}


WRONG = (
    "window_s=299",
    "window_s=7776001",
    "window_s=x",
    "points=1001",
    "points=9",
    "series=nonsense",
    "series=",
    "format=xml",
    "page=2",
    "start=2026-03-01T00:00:00",
    "start=yesterday",
    "end=2026-03-01T00:00:00Z",
    "start=2026-03-01T00:00:00Z&window_s=300",
    "start=2026-03-01T00:00:00Z&end=2026-02-01T00:00:00Z",
    "start=2026-01-01T00:00:00Z&end=2026-10-01T00:00:00Z",
    "start=2999-01-01T00:00:00Z",
)


def test_a_wrong_or_unknown_parameter_is_400(get):
    for query in WRONG:
        answer = get(query)
        assert (query, answer.status_code, answer.json["type"]) == (query, 400, "bad-query")


def test_only_who_may_read_the_system_gets_it(app, sign_in):
    assert app.server.test_client().get(HISTORY).status_code == 401
    assert sign_in(app, "analyst").get(HISTORY).status_code == 403
    assert sign_in(app).get(HISTORY).status_code == 200
