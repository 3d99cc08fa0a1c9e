"""The sampler keeps its schedule, survives what it reads, and says why whenever it has no figure."""

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.system.sampler import Sampler, next_slot_ns
from data_sources.system.types import Counters, Faults, Gap
from tests.fakes.machine import FakeMachine


@pytest.fixture
def machine():
    return FakeMachine()


def tick_after(machine, sampler, seconds=2.0, received=0, sent=0, name="eth0"):
    machine.wait(seconds)
    if name in machine.counters:
        machine.receive(name, received, sent)
    return sampler.tick()


def test_the_first_sample_says_measuring_everywhere(machine):
    sample = machine.sampler().tick()
    assert (sample.total.first, sample.total.reason, sample.interval_s) == (None, Gap.MEASURING, None)
    assert sample.host.cpu_percent is None
    assert sample.host.reasons == {"cpu": "measuring", "psi": "measuring"}
    assert sample.host.disk_io.reason is Gap.MEASURING
    assert sample.host.memory.used == 2 * 10**9


def test_the_second_sample_is_the_rate_of_the_default_route_and_never_loopback(machine):
    sampler = machine.sampler()
    sampler.tick()
    machine.receive("lo", 5000, 5000)
    machine.disk["vda"] = Counters(9000, 7000)
    sample = tick_after(machine, sampler, received=2000, sent=1000)
    assert (sample.total.first, sample.total.second) == (1000.0, 500.0)
    assert sample.rates["lo"].first == 2500.0
    assert sample.host.cpu_percent == pytest.approx(25.0)
    assert sample.host.core_percents == pytest.approx((25.0, 25.0))
    assert sample.host.disk_io.first == 2000.0
    assert sample.interval_s == 2.0


def test_modes_disks_and_pressure_are_rates_of_the_same_step(machine):
    machine.disk["vdb"] = Counters(0, 0)
    sampler = machine.sampler()
    assert sampler.tick().host.pressure == {"cpu": None, "mem": None, "io": None}
    machine.disk |= {"vda": Counters(9000, 7000), "vdb": Counters(0, 2000)}
    machine.waited |= {"cpu": 500_000, "io": 3_000_000}
    host = tick_after(machine, sampler).host
    assert host.cpu_modes == pytest.approx({"user": 12.5, "system": 12.5, "iowait": 50.0})
    assert {name: (rate.first, rate.second) for name, rate in host.disks.items()} == {
        "vda": (2000.0, 0.0),
        "vdb": (0.0, 1000.0),
    }
    assert (host.disk_io.first, host.disk_io.second) == (2000.0, 1000.0)
    assert host.pressure == {"cpu": 25.0, "mem": 0.0, "io": 100.0}


def test_errors_and_drops_are_rates_and_unknown_wherever_the_bytes_are(machine):
    sampler = machine.sampler()
    assert (sampler.tick().faults, sampler.newest().total_faults) == ({}, None)
    machine.faults["eth0"] = Faults(2, 0, 10, 4)
    sample = tick_after(machine, sampler, received=100)
    assert sample.faults["eth0"] == sample.total_faults == Faults(1.0, 0.0, 5.0, 2.0)
    assert sample.faults["lo"] == Faults(0, 0, 0, 0)
    machine.faults["eth0"] = Faults(0, 0, 0, 0)  # a driver that was loaded anew
    sample = tick_after(machine, sampler, received=100)
    assert (sample.total.first, sample.total_faults) == (50.0, None)
    sample = tick_after(machine, sampler, seconds=9)
    assert (sample.faults, sample.total_faults) == ({}, None)


def test_a_late_sample_is_a_gap_in_every_series_and_not_an_average(machine):
    sampler = machine.sampler()
    sampler.tick()
    sample = tick_after(machine, sampler, seconds=18, received=10**9)
    assert sample.total.reason is Gap.LATE
    assert sample.host.reasons["cpu"] == "late sample"
    assert sample.host.disk_io.reason is Gap.LATE
    assert sample.interval_s == 18.0


def test_a_read_error_is_a_gap_and_the_rest_of_the_machine_still_comes(machine):
    sampler = machine.sampler()
    sampler.tick()
    machine.network_error = OSError("gone for a moment")
    sample = tick_after(machine, sampler)
    assert sample.total.reason is Gap.READ_ERROR
    assert sample.rates["eth0"].reason is Gap.READ_ERROR
    assert sample.host.cpu_percent == pytest.approx(25.0)
    machine.network_error = None
    assert tick_after(machine, sampler, received=100).total.reason is Gap.MEASURING  # it came in time
    assert tick_after(machine, sampler, received=100).total.first == 50.0


def test_the_first_reading_after_some_that_failed_is_late_only_where_it_came_late(machine):
    sampler = machine.sampler()
    sampler.tick()
    for seconds, reason in ((2, Gap.MEASURING), (9, Gap.LATE)):
        machine.network_error = machine.host_error = OSError("gone for a moment")
        for _ in range(3):
            tick_after(machine, sampler)
        machine.network_error = machine.host_error = None
        sample = tick_after(machine, sampler, seconds=seconds, received=100)
        assert {sample.total.reason, sample.host.disk_io.reason} == {reason}
        assert {sample.host.reasons[name] for name in ("cpu", "psi")} == {reason}
        assert tick_after(machine, sampler, received=100).total.first == 50.0


def test_an_unreadable_host_names_each_missing_figure(machine):
    machine.host_error = OSError("no permission")
    sample = machine.sampler().tick()
    assert sample.host.cpu_percent is None
    assert sample.host.memory is None
    assert sample.host.load is None
    assert sample.host.disk_io.first is None
    assert set(sample.host.reasons) == {"cpu", "memory", "load", "disk_io", "psi"}


def test_an_interface_that_vanishes_stays_listed_as_gone_and_is_then_forgotten(machine):
    machine.counters["veth1"] = Counters(10, 10)
    sampler = machine.sampler()
    sampler.tick()
    del machine.counters["veth1"]
    assert tick_after(machine, sampler).rates["veth1"].reason is Gap.GONE
    assert "veth1" in sampler.infos
    for _ in range(150):
        sample = tick_after(machine, sampler)
    assert "veth1" not in sample.rates
    assert "veth1" not in sampler.infos


def test_a_default_route_that_vanishes_is_a_gap_and_not_the_rate_of_another_interface(machine):
    machine.counters["eth1"] = Counters(0, 0)
    sampler = machine.sampler()
    sampler.tick()
    del machine.counters["eth0"]
    sample = tick_after(machine, sampler, received=200, name="eth1")
    assert (sample.total.first, sample.total.reason) == (None, Gap.GONE)
    assert sample.choice.rule == "eth0 carried the default route until it went"
    machine.counters["eth0"] = Counters(0, 0)
    assert tick_after(machine, sampler).total.reason is Gap.MEASURING
    assert tick_after(machine, sampler, received=100).total.first == 50.0


def test_after_five_minutes_without_it_the_busiest_interface_stands_in_and_says_so(machine):
    machine.counters["eth1"] = Counters(0, 0)
    sampler = machine.sampler()
    sampler.tick()
    del machine.counters["eth0"]
    for _ in range(151):
        sample = tick_after(machine, sampler)
    assert sample.choice.rule == "No default route: eth1 is the busiest physical interface"
    assert sample.total.reason is Gap.MOVED
    assert tick_after(machine, sampler, received=200, name="eth1").total.first == 100.0


def test_a_default_route_that_moves_is_a_gap_at_that_tick(machine):
    machine.counters["wlan0"] = Counters(0, 0)
    sampler = machine.sampler()
    sampler.tick()
    assert tick_after(machine, sampler, received=100).total.first == 50.0
    machine.route = ("wlan0",)
    sample = tick_after(machine, sampler, received=100, name="wlan0")
    assert (sample.total.reason, sample.rates["wlan0"].first) == (Gap.MOVED, 50.0)
    assert sampler.changed_at_seq == sample.seq
    assert tick_after(machine, sampler, received=100, name="wlan0").total.first == 50.0


def test_where_no_route_is_told_the_busiest_that_vanishes_is_a_gap_and_another_no_route_that_moved(machine):
    machine.route = ()
    machine.counters["docker0"] = Counters(10**11, 0)
    sampler = machine.sampler()
    sampler.tick()
    assert tick_after(machine, sampler, received=100).total.first == 50.0
    away = machine.counters.pop("eth0")
    sample = tick_after(machine, sampler, received=20, name="docker0")
    assert (sample.total.first, sample.total.reason) == (None, Gap.GONE)
    assert (sample.choice.rule, sample.choice.routed) == ("eth0 was the busiest interface until it went", False)
    machine.counters["eth0"] = away
    assert tick_after(machine, sampler).choice.rule == "No default route: eth0 is the busiest physical interface"
    sample = tick_after(machine, sampler, received=10**13, name="docker0")
    assert (sample.choice.names, sample.total.reason) == (("docker0",), Gap.BUSIER)


def test_with_nothing_but_loopback_there_is_no_total(machine):
    del machine.counters["eth0"]
    sampler = machine.sampler()
    sampler.tick()
    assert tick_after(machine, sampler).total.reason is Gap.NO_ROUTE


def test_the_ring_keeps_its_size_and_a_cursor_gets_exactly_what_is_new(machine):
    sampler = machine.sampler(keep=5)
    start = sampler.seq
    assert sampler.since(start) == ((), False)
    seqs = [tick_after(machine, sampler).seq for _ in range(8)]
    assert seqs == [start + n for n in range(1, 9)]
    assert [s.seq for s in sampler.since(seqs[-3])[0]] == seqs[-2:]
    assert sampler.since(seqs[-1]) == ((), False)
    assert [s.seq for s in sampler.since(seqs[2])[0]] == seqs[3:]
    points, reset = sampler.since(seqs[1])
    assert (reset, [s.seq for s in points]) == (True, seqs[-5:])


def test_a_cursor_of_an_earlier_run_starts_anew(machine):
    first = machine.sampler()
    for _ in range(3):
        tick_after(machine, first)
    second = machine.sampler()
    tick_after(machine, second)
    assert second.since(first.seq)[1] is True
    assert first.since(second.seq + 1000)[1] is True


def test_age_is_by_the_clock_that_never_jumps(machine):
    sampler = machine.sampler()
    assert sampler.age_s() is None
    sampler.tick()
    machine.wait(26)
    assert sampler.age_s() == 26.0


@given(st.integers(0, 10**18), st.integers(1, 10**10), st.integers(0, 10**12))
def test_the_schedule_never_drifts_and_steps_stay_between_half_and_one_and_a_half_periods(origin, period, later):
    period *= 2
    slot = next_slot_ns(origin, period, origin + later)
    assert (slot - origin) % period == 0
    assert period / 2 <= slot - (origin + later) <= period * 1.5


def test_the_thread_starts_once_samples_by_itself_and_stops(machine):
    sampler = Sampler(machine, machine, machine, period_s=0.01)
    assert not machine.reads.is_set()
    for _ in range(3):
        sampler.start()
    assert [thread.name for thread in threading.enumerate()].count("ops-sampler") == 1
    wait_until(lambda: len(sampler.since(-1)[0]) >= 3)
    sampler.stop()
    assert not sampler.running
    assert machine.closed


def test_a_bug_in_a_reader_is_logged_and_the_thread_lives_on(machine, caplog):
    machine.network_error = KeyError("a bug")
    sampler = Sampler(machine, machine, machine, period_s=0.01)
    sampler.start()
    wait_until(lambda: "A sample could not be taken" in caplog.text)
    machine.network_error = None
    wait_until(lambda: sampler.newest() is not None)
    sampler.stop()


def test_a_forked_process_gets_a_thread_of_its_own(machine, monkeypatch):
    sampler = Sampler(machine, machine, machine, period_s=0.01)
    sampler.start()
    first = sampler._thread
    monkeypatch.setattr(os, "getpid", lambda: -1)
    sampler.start()
    assert sampler._thread is not first
    sampler.stop()
    monkeypatch.undo()
    first.join(0)


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.005)
