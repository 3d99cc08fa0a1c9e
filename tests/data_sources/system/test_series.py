"""Series have one name each everywhere, one that this machine lacks is absent, and unknown is no number."""

import math

import pytest

from data_sources.system.series import figures, group, is_series, shown_name, stored_name, unit
from data_sources.system.types import Gpu, Levels, Mount, Temperature
from tests.fakes.machine import FakeMachine

LEVELS = Levels(
    (Mount("/", "root", 100, 40, 55), Mount("/srv", "/srv", reason="No answer")),
    (Temperature("coretemp Package, 0", 45.0),),
    (Gpu(0, "H100", 0.0, 8, 80, celsius=61.0),),
)


def test_every_reading_has_its_series_and_what_is_not_there_has_none():
    machine = FakeMachine()
    sampler = machine.sampler()
    sampler.tick()
    machine.wait(2)
    machine.receive("eth0", 100)
    found = figures(sampler.tick(), LEVELS)
    assert {name: found.values[name] for name in ("net_in", "net_in@eth0", "net_in@lo", "net_err_in", "load5")} == {
        "net_in": 50.0,
        "net_in@eth0": 50.0,
        "net_in@lo": 0.0,
        "net_err_in": 0.0,
        "load5": 0.25,
    }
    assert set(found.values) >= {"cpu_user", "cpu_core_1", "disk_read_vda", "psi_io", "mount_used_root"}
    assert found.values["temp_coretemp_Package__0"] == 45.0
    assert {name: value for name, value in found.values.items() if name.startswith("gpu")} == {
        "gpu_0": 0.0,
        "gpu_mem_0": 8,
        "gpu_temp_0": 61.0,
    }
    assert math.isnan(found.values["mount_used_/srv"])
    assert found.reasons == {"mount": "No answer"}
    assert not {"swap_used", "mem_limit_used", "gpu_power_0"} & set(found.values)
    shown = [shown_name(name, None) for name in found.values]
    assert all(is_series(name) and unit(name) for name in shown if name)


def test_before_there_are_two_readings_no_rate_is_a_number():
    found = figures(FakeMachine().sampler().tick())
    rates = [value for name, value in found.values.items() if name.startswith(("net", "cpu", "disk", "psi"))]
    assert rates
    assert all(math.isnan(value) for value in rates)
    assert found.reasons["network"] == found.reasons["network@eth0"] == found.reasons["psi"] == "measuring"


def test_hundreds_of_interfaces_keep_the_totals_own_and_a_bounded_rest():
    machine = FakeMachine()
    machine.counters |= {f"a{n:03}": machine.counters["lo"] for n in range(300)}
    found = figures(machine.sampler().tick())
    kept = [name for name in found.values if name.startswith("net_in@")]
    assert (len(kept), kept[0]) == (64, "net_in@eth0")


@pytest.mark.parametrize("name", ["", "net", "net_in@eth0", "cpu_core_x", "nonsense", "load2", "mount_used_"])
def test_what_is_no_series_is_refused(name):
    assert not is_series(name)


@pytest.mark.parametrize(
    ("name", "reading", "counted_in"),
    [
        ("net_in", "network", "B/s"),
        ("net_drop_out", "network", "packets/s"),
        ("cpu_core_3", "cpu", "%"),
        ("mem_used", "memory", "B"),
        ("swap_used", "memory", "B"),
        ("load15", "load", "tasks"),
        ("disk_read_vda", "disk_io", "B/s"),
        ("mount_used_root", "mount", "B"),
        ("psi_mem", "psi", "%"),
        ("temp_x", "temp", "°C"),
        ("gpu_0", "gpu", "%"),
        ("gpu_power_0", "gpu", "W"),
    ],
)
def test_each_series_has_its_unit_and_the_reading_that_its_gaps_come_from(name, reading, counted_in):
    assert (group(name), unit(name)) == (reading, counted_in)
    assert shown_name(stored_name(name, "eth0"), "eth0") == name
