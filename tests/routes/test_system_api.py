"""The system API: measured rates or null with a reason, never a zero for an unknown, and only for who may read it."""

import pytest

from data_sources.system.types import Faults
from tests.fakes.machine import FakeMachine

KEY = "reader-key-of-the-tests"
NETWORK, LIVE = "/api/v1/system/network", "/api/v1/system/live"


@pytest.fixture
def machine():
    return FakeMachine()


@pytest.fixture
def source(machine):
    return machine.held_source()


@pytest.fixture
def get(make_app, source):
    app = make_app(read_token=KEY)
    ops = app.server.extensions["ops"]
    ops.system.close()  # the real one
    ops.system = source
    client = app.server.test_client()
    return lambda path: client.get(path, headers={"Authorization": f"Bearer {KEY}"})


def tick(machine, source, received=0, sent=0, seconds=2.0):
    machine.wait(seconds)
    if "eth0" in machine.counters:
        machine.receive("eth0", received, sent)
    return source.sampler.tick()


def test_before_the_first_sample_rates_are_null_and_say_measuring(get):
    body = get(NETWORK).json
    assert (body["bytes_recv_per_sec"], body["bytes_sent_per_sec"], body["reason"]) == (None, None, "measuring")
    assert (body["sampled_at"], body["interval_s"], body["age_s"], body["interfaces"]) == (None, None, None, [])


def test_the_total_is_the_default_route_and_loopback_is_listed_beside_it(get, machine, source):
    source.sampler.tick()
    machine.receive("lo", 10**6, 10**6)
    tick(machine, source, received=3000, sent=500)
    body = get(NETWORK).json
    assert (body["bytes_recv_per_sec"], body["bytes_sent_per_sec"], body["reason"]) == (1500.0, 250.0, None)
    assert (body["interval_s"], body["period_s"], body["total_of"]) == (2.0, 2.0, ["eth0"])
    assert body["sampled_at"] == "2026-03-01T12:00:07.000Z"
    assert {row["name"]: (row["kind"], row["in_total"], row["bytes_recv_per_sec"]) for row in body["interfaces"]} == {
        "eth0": ("physical", True, 1500.0),
        "lo": ("loopback", False, 500000.0),
    }


def test_a_counter_reset_is_null_with_its_reason(get, machine, source):
    source.sampler.tick()
    tick(machine, source, received=-(10**11))
    assert (get(NETWORK).json["bytes_recv_per_sec"], get(NETWORK).json["reason"]) == (None, "counter reset")


def test_a_stopped_sampler_answers_null_and_the_age(get, machine, source):
    source.sampler.tick()
    tick(machine, source, received=1000)
    machine.wait(6.1)
    answer = get(NETWORK)
    assert answer.status_code == 200
    assert (answer.json["bytes_recv_per_sec"], answer.json["reason"]) == (None, "no newer sample")
    assert answer.json["interfaces"][0]["reason"] == "no newer sample"
    assert answer.json["age_s"] == 6.1
    assert "No sample for 6 s" in answer.headers["Warning"]


def test_a_viewer_gets_the_window_first_and_then_one_point_a_tick(get, machine, source):
    source.sampler.tick()
    for _ in range(20):
        tick(machine, source, received=200)
    whole = get(f"{LIVE}?window=20").json
    assert whole["reset"] is True
    assert whole["recv"] == [100.0] * 11
    assert {len(whole[name]) for name in ("t", "sent", "cpu", "cores", "memory", "read", "written")} == {11}
    assert whole["about"]["total_rule"] == "eth0 carries the IPv4 default route"
    tick(machine, source, received=600)
    new = get(f"{LIVE}?window=20&since={whole['seq']}").json
    assert (new["reset"], new["recv"], new["seq"]) == (False, [300.0], whole["seq"] + 1)
    assert "about" not in new
    nothing = get(f"{LIVE}?since={new['seq']}").json
    assert (nothing["t"], nothing["reset"], "now" in nothing) == ([], False, False)


def test_a_window_of_the_past_and_the_processes_ride_on_a_tick(get, machine, source):
    for _ in range(3):
        tick(machine, source, received=200)
    seq = source.sampler.seq
    asked = f"{LIVE}?since={seq - 1}&past=window_s%3D300%26points%3D50&processes=5"
    body = get(asked).json
    alone = get("/api/v1/system/history?window_s=300&points=50").json
    assert body["recv"] == [100.0]
    assert (body["past"]["n"], body["past"]["series"]) == (alone["n"], alone["series"])
    assert body["processes"] == {"problem": {"title": "Processes are for admins", "detail": ""}}
    assert "past" not in get(f"{LIVE}?since={seq - 1}").json, "what one asks for comes to nobody else"
    machine.wait(60)
    assert None in get(asked).json["past"]["series"]["net_in"]["mean"], "unknown is null, also beside stale figures"
    for wrong in ("past=window_s%3D1", "past=series%3Dcpu", "past=zzz", "processes=0"):
        assert get(f"{LIVE}?{wrong}").status_code == 400


def test_a_cursor_of_another_run_is_told_to_start_anew(get, machine, source):
    tick(machine, source)
    assert get(f"{LIVE}?since=1").json["reset"] is True
    assert get(f"{LIVE}?since={2**52}").json["reset"] is True


def test_each_gap_comes_with_its_reason_and_its_place(get, machine, source):
    source.sampler.tick()
    tick(machine, source, received=10)
    tick(machine, source, received=10, seconds=9)
    machine.network_error = OSError("gone")
    tick(machine, source)
    body = get(LIVE).json
    assert body["gaps"]["network"] == {"0": "measuring", "2": "late sample", "3": "read error"}
    assert body["recv"] == [None, 5.0, None, None]
    assert body["gaps"]["cpu"] == {"0": "measuring", "2": "late sample"}
    assert body["now"]["reason"] == "read error"


def test_one_interface_can_be_chosen_and_one_that_is_not_there_is_a_gap(get, machine, source):
    source.sampler.tick()
    machine.receive("lo", 800, 400)
    tick(machine, source, received=5)
    assert get(f"{LIVE}?interface=lo").json["recv"] == [None, 400.0]
    body = get(f"{LIVE}?interface=wlan7").json
    assert body["recv"] == [None, None]
    assert set(body["gaps"]["network"].values()) == {"interface gone"}


def test_what_rarely_changes_is_sent_again_when_it_does(get, machine, source):
    tick(machine, source)
    seq = get(LIVE).json["seq"]
    machine.counters["veth1"] = machine.counters["lo"]
    tick(machine, source)
    about = get(f"{LIVE}?since={seq}").json["about"]
    assert [each["name"] for each in about["interfaces"]] == ["eth0", "lo", "veth1"]


@pytest.mark.parametrize(
    "query",
    [
        "since=x",
        "since=-1",
        "since=1.5",
        "since=²",
        "window=9",
        "window=3601",
        "window=",
        "page=2",
        "since=99999999999999999",
    ],
)
def test_a_wrong_or_unknown_parameter_is_400(get, query):
    answer = get(f"{LIVE}?{query}")
    assert answer.status_code == 400
    assert answer.json["type"] == "bad-query"


def test_no_parameter_is_taken_by_network(get):
    assert get(f"{NETWORK}?interface=lo").status_code == 400


@pytest.mark.parametrize("path", [NETWORK, LIVE])
def test_only_who_may_read_the_system_gets_it(app, sign_in, path):
    assert app.server.test_client().get(path).status_code == 401
    assert sign_in(app, "member", "ACME").get(path).status_code == 403
    assert sign_in(app, "analyst").get(path).status_code == 403
    assert sign_in(app).get(path).status_code == 200


def test_a_tick_encoded_when_it_was_sampled_is_the_one_that_is_asked_for(machine, source):
    from routes.system_api import SharedTick

    for _ in range(3):
        source.sampler.tick()
        machine.wait(2)
    watched, fresh = SharedTick(), SharedTick()
    seq = source.sampler.seq
    watched.body(source.live(seq - 1).value, seq - 1)
    source.sampler.tick()
    watched.warm(source)
    live = source.live(seq).value
    assert live.seq == seq + 1
    assert watched.body(live, seq) == fresh.body(live, seq)


def test_the_same_question_within_a_tick_has_the_age_of_its_own_moment_and_never_outlives_the_tick(
    get, machine, source
):
    source.sampler.tick()
    tick(machine, source, received=200)
    question = f"{LIVE}?since={source.sampler.seq - 1}&series=net_in"
    first = get(question).json
    machine.wait(1.5)
    again = get(question).json
    assert (first["age_s"], again["age_s"]) == (0.0, 1.5)
    assert {**first, "age_s": None} == {**again, "age_s": None}
    tick(machine, source, received=700, seconds=0.5)
    assert get(question).json["series"]["net_in"] == [100.0, 350.0]
    get(question)
    machine.wait(7)
    assert "No sample for 7 s" in get(question).headers["Warning"]


def test_more_series_come_beside_everything_of_the_page(get, machine, source):
    source.sampler.tick()
    machine.faults["eth0"] = Faults(6, 0, 2, 2)
    tick(machine, source)
    body = get(f"{LIVE}?also=cpu_user,net_err_in,gpu_percent_0").json
    assert body["recv"] == [None, 0.0]
    assert body["series"]["net_err_in"] == [None, 3.0]
    assert body["series"]["cpu_user"] == [None, 12.5]
    assert "gpu_percent_0" not in body["series"]  # not on this machine: absent, not 0
    assert body["now"]["faults"]["eth0"] == [3.0, 2.0]
    assert body["gaps"]["network"] == {"0": "measuring"}
