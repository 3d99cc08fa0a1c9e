"""CPU, memory, disks, the machine and its processes: null with a reason, no zero for an unknown, no arguments."""

import dataclasses
import os
import sys
import threading

import pytest

from data_sources.system.cgroup import ControlGroup
from data_sources.system.proc_host import ProcHost
from data_sources.system.processes import ProcessReading, ProcessWatch, read_processes, with_shares
from data_sources.system.types import CpuTimes
from tests.data_sources.system.test_sampler import wait_until
from tests.fakes.machine import GB, FakeMachine

KEY = "reader-key-of-the-tests"
SYSTEM = "/api/v1/system"


@pytest.fixture
def machine():
    return FakeMachine()


@pytest.fixture
def source(machine):
    return machine.held_source()


@pytest.fixture
def app(make_app, source):
    made = make_app(read_token=KEY)
    ops = made.server.extensions["ops"]
    ops.system.close()  # the real one
    ops.system = source
    return made


@pytest.fixture
def get(app):
    client = app.server.test_client()
    return lambda path: client.get(f"{SYSTEM}/{path}", headers={"Authorization": f"Bearer {KEY}"})


def tick(machine, source, seconds=2.0):
    machine.wait(seconds)
    return source.sampler.tick()


def test_before_the_first_sample_every_figure_is_null_and_says_measuring(get):
    cpu, memory, disk, host = (get(name).json for name in ("cpu", "memory", "disk", "host"))
    assert (cpu["percent"], cpu["cores"], cpu["load"], cpu["reasons"]["all"]) == (None, [], None, "measuring")
    assert (memory["used"], memory["total"], memory["sampled_at"]) == (None, None, None)
    assert (disk["bytes_read_per_sec"], disk["reason"], disk["disks"]) == (None, "measuring", [])
    assert (host["memory_total"], host["temperatures"], host["gpus"]) == (None, [], [])


def test_each_address_tells_its_figures_and_how_they_were_taken(get, machine, source):
    source.sampler.tick()
    machine.waited["io"] += 1_000_000
    tick(machine, source)
    cpu, memory, disk, host = (get(name).json for name in ("cpu", "memory", "disk", "host"))
    assert cpu["percent"] == pytest.approx(25.0)
    assert cpu["modes"] == pytest.approx({"user": 12.5, "system": 12.5, "iowait": 50.0})
    assert (cpu["load"], cpu["pressure_percent"]) == ([0.5, 0.25, 0.125], 0.0)
    assert (cpu["limit_cores"], cpu["reasons"]) == (None, {"limit_cores": "no limit"})
    assert memory["reasons"] == {"limit": "no limit", "limit_used": "no limit"}
    assert (memory["total"], memory["used"], memory["swap_used"], memory["limit"]) == (8 * GB, 2 * GB, 0, None)
    assert (disk["bytes_read_per_sec"], disk["pressure_percent"]) == (0.0, 50.0)
    assert [each["name"] for each in disk["disks"]] == ["vda"]
    assert [(each["label"], each["used"]) for each in disk["mounts"]] in ([("root", 40 * GB)], [("root", None)])
    assert (host["name"], host["memory_total"]) == (os.uname().nodename, 8 * GB)
    assert host["uptime_s"] > 0
    assert {each["interval_s"] for each in (cpu, memory, disk, host)} == {2.0}


def test_a_limit_that_could_not_be_read_is_not_called_no_limit(get, machine, source, tmp_path):
    (tmp_path / "self").write_text("0::/system.slice/ops.service\n")
    group = ControlGroup(str(tmp_path / "hidden"), str(tmp_path / "self"))
    source._cpu_limit = group.cpu
    machine.memory = ProcHost(group).memory
    source.sampler.tick()
    cpu, memory, host = (get(name).json for name in ("cpu", "memory", "host"))
    unread = "the limit could not be read"
    assert (cpu["limit_cores"], cpu["reasons"]["limit_cores"]) == (None, unread)
    assert (memory["limit"], memory["reasons"]["limit"], memory["reasons"]["limit_used"]) == (None, unread, unread)
    assert memory["total"] > 0
    assert (host["reasons"]["cpu_limit_cores"], host["reasons"]["memory_limit"]) == (unread, unread)


def test_what_cannot_be_read_is_null_with_its_reason(get, machine, source):
    machine.host_error = OSError("no permission")
    source.sampler.tick()
    assert get("memory").json["reasons"]["used"] == "read error"
    assert get("memory").json["used"] is None
    assert get("disk").json["reason"] == "read error"


def test_one_core_or_mode_that_goes_back_and_pressure_that_is_not_counted_have_their_reasons(get, machine, source):
    del machine.waited["mem"]
    source.sampler.tick()
    tick(machine, source)
    machine.wait(2)
    first, other = machine.cores
    back = CpuTimes(first.busy_s, first.idle_s - 2, {**first.modes, "iowait": first.modes["iowait"] - 9})
    machine.cores = [back, dataclasses.replace(other, idle_s=other.idle_s + 4)]
    machine.waited["cpu"] -= 5
    source.sampler.tick()
    cpu, memory = get("cpu").json, get("memory").json
    assert (cpu["cores"][0], cpu["modes"]["iowait"], cpu["pressure_percent"]) == (None, None, None)
    assert cpu["percent"] is not None
    assert memory["pressure_percent"] is None
    reset = dict.fromkeys(("cpu_core_0", "cpu_iowait", "pressure_percent"), "counter reset")
    assert cpu["reasons"] == {**reset, "limit_cores": "no limit"}
    assert memory["reasons"]["pressure_percent"] == "not offered here"
    live = get("live?series=cpu,cpu_core_0,cpu_core_1").json
    assert (live["series"]["cpu_core_0"][-1], live["gaps"]["cpu_core_0"]["2"]) == (None, "counter reset")
    machine.waited.clear()
    tick(machine, source)
    disk = get("disk").json
    assert (disk["pressure_percent"], disk["reasons"]) == (None, {"pressure_percent": "not offered here"})


def test_every_field_without_a_figure_has_its_reason_by_its_own_name(get, machine, source):
    def check():
        for name in ("cpu", "memory", "disk", "host"):
            told = get(name).json
            bare = {field for field, value in told.items() if value in (None, [], {}) and field != "reason"}
            bare -= {"sampled_at", "age_s", "interval_s", "seq", "disks", "mounts", "reasons"}
            assert bare - set(told["reasons"]) == set(), name
            assert {each for each in told["reasons"] if each in told} <= bare, "a figure that is there needs no reason"

    check()  # nothing was sampled yet
    source.sampler.tick()
    check()  # one sample gives no rate
    tick(machine, source)
    check()
    machine.host_error = OSError("no permission")
    tick(machine, source)
    check()
    machine.wait(9)
    check()  # nobody samples


def test_once_nobody_samples_every_figure_is_null(get, machine, source):
    source.sampler.tick()
    tick(machine, source)
    machine.wait(6.1)
    for name, field in (("cpu", "percent"), ("memory", "used"), ("disk", "bytes_read_per_sec")):
        answer = get(name)
        assert (answer.json[field], answer.json["reasons"]["all"]) == (None, "no newer sample")
        assert "No sample for 6 s" in answer.headers["Warning"]


def test_processes_are_for_admins_and_hold_no_arguments(app, sign_in, get):
    assert get("processes").status_code == 403  # the reader's key
    assert sign_in(app, "analyst").get(f"{SYSTEM}/processes").status_code == 403
    answer = sign_in(app).get(f"{SYSTEM}/processes?sort=memory&limit=500")
    assert answer.status_code == 200
    (own,) = [row for row in answer.json["processes"] if row["pid"] == os.getpid()]
    assert own["rss_bytes"] > 10**6
    assert own["cpu_percent"] is None  # one list gives no share
    assert (answer.json["reason"], answer.json["interval_s"]) == ("measuring", None)
    assert answer.json["total"] >= len(answer.json["processes"])
    assert all(argument not in answer.text for argument in sys.argv[1:] if len(argument) > 3)
    assert set(own) == {"pid", "name", "user", "cpu_percent", "rss_bytes", "threads", "state", "started_at"}


def test_a_wrong_or_unknown_parameter_is_400(app, sign_in, get):
    for path in ("cpu?x=1", "memory?x=1", "disk?x=1", "host?x=1", "live?series=nonsense", "live?series="):
        assert (path, get(path).status_code) == (path, 400)
    admin = sign_in(app)
    for query in ("sort=name", "limit=0", "limit=501", "page=2"):
        assert (query, admin.get(f"{SYSTEM}/processes?{query}").status_code) == (query, 400)


def test_only_who_may_read_the_system_gets_it(app, sign_in):
    nobody, member, admin = app.server.test_client(), sign_in(app, "member", "ACME"), sign_in(app)
    for name in ("cpu", "memory", "disk", "host"):
        answers = [client.get(f"{SYSTEM}/{name}").status_code for client in (nobody, member, admin)]
        assert (name, answers) == (name, [401, 403, 200])


def test_a_tick_of_one_interface_is_small_and_tells_only_what_was_asked_for(get, machine, source):
    machine.counters |= {f"veth{n:02}": machine.counters["lo"] for n in range(79)}
    source.sampler.tick()
    tick(machine, source)
    cursor = get("live?series=net_in,net_out&interface=eth0").json["seq"]
    machine.receive("eth0", 23_456_789_012, 18_765_432_100)
    tick(machine, source)
    answer = get(f"live?series=net_in,net_out&interface=eth0&since={cursor}")
    assert answer.json["series"] == {"net_in": [11728394506.0], "net_out": [9382716050.0]}
    assert (answer.json["gaps"], answer.json["reset"]) == ({}, False)
    assert len(answer.data) <= 300


def test_series_say_their_gaps_by_reading_and_one_that_is_not_there_is_absent(get, machine, source):
    source.sampler.tick()
    tick(machine, source, seconds=9)
    body = get("live?series=net_in,cpu_user,gpu_0,mem_used").json
    assert body["series"] == {"net_in": [None, None], "cpu_user": [None, None], "mem_used": [2 * GB, 2 * GB]}
    assert body["gaps"] == {
        "network": {"0": "measuring", "1": "late sample"},
        "cpu": {"0": "measuring", "1": "late sample"},
    }
    gone = get("live?series=net_in&interface=wlan9").json
    assert (gone["series"], set(gone["gaps"]["network"].values())) == ({"net_in": [None, None]}, {"interface gone"})


def test_a_process_list_is_read_while_somebody_asks_and_then_no_more():
    clock, reads = {"now": 100.0}, threading.Semaphore(0)

    def read():
        reads.release()
        return [ProcessReading(7, 1.0, "x", "root", clock["now"] / 2, 10, 1, "running")]

    watch = ProcessWatch(read, period_s=0.01, clock_s=lambda: clock["now"])
    assert watch.now().rows[0].cpu_percent is None
    clock["now"] = 100.02
    seen = []
    wait_until(lambda: seen.append(watch.now()) or seen[-1].interval_s)
    assert seen[-1].rows[0].cpu_percent == pytest.approx(50.0)
    clock["now"] = 200.0
    wait_until(lambda: not watch.running)
    assert watch.now().reason == "measuring"  # who comes back gets no share over the time when nobody looked
    watch.stop()


def test_the_second_list_comes_soon_and_the_third_after_the_period_and_a_share_is_over_the_time_between():
    clock = {"now": 100.0}
    watch = ProcessWatch(
        lambda: [ProcessReading(7, 1.0, "x", "root", clock["now"] / 2, 10, 1, "running")],
        period_s=60.0,
        soon_s=30.0,
        clock_s=lambda: clock["now"],
    )
    assert watch.now().reason == "measuring"  # the thread has read once, and waits
    assert watch.next_in_s == 30.0
    clock["now"] += 0.75
    watch.read()
    assert watch.next_in_s == 60.0
    found = watch.now()
    watch.stop()
    assert (found.interval_s, found.reason) == (0.75, None)
    assert found.rows[0].cpu_percent == pytest.approx(50.0)


def test_a_process_whose_number_is_used_again_has_no_share_of_the_one_before():
    def reading(pid, started_s, cpu_s):
        return ProcessReading(pid, started_s, "x", None, cpu_s, None, None, None)

    rows = with_shares(
        [reading(1, 0.0, 10.0), reading(2, 0.0, 90.0), reading(3, 0.0, None)],
        [reading(1, 0.0, 11.0), reading(2, 50.0, 95.0), reading(3, 0.0, 4.0), reading(4, 60.0, 1.0)],
        5.0,
    )
    assert [row.cpu_percent for row in rows] == [20.0, None, None, None]


def test_the_real_list_has_this_process_and_a_list_that_cannot_be_read_says_so():
    own = next(each for each in read_processes() if each.pid == os.getpid())
    assert own.cpu_s > 0
    assert own.threads >= 1

    def broken():
        raise OSError("no /proc")

    watch = ProcessWatch(broken, period_s=0.01)
    found = watch.now()
    watch.stop()
    assert (found.rows, found.at, found.reason) == ((), None, "read error")
