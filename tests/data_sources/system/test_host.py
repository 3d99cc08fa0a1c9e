"""The machine's own figures agree with the system's files, and say whose machine it is."""

import os

import psutil
import pytest

from data_sources.system.cgroup import ControlGroup
from data_sources.system.host import PsutilHost, find_scope
from data_sources.system.types import InterfaceInfo


def test_memory_cores_and_modes_are_the_systems_own():
    host = PsutilHost(group=ControlGroup("/nowhere"))
    memory = host.memory()
    assert memory.total == psutil.virtual_memory().total
    assert 0 < memory.used < memory.total
    assert (memory.limit, memory.limit_used) == (None, None)
    assert len(host.cpu()) == psutil.cpu_count()
    assert all(core.busy_s > 0 and core.idle_s > 0 for core in host.cpu())
    for core in host.cpu():
        assert core.modes["user"] + core.modes["system"] <= core.busy_s + 0.01
        assert core.modes.get("iowait", 0.0) <= core.idle_s


PRESSURE = "some avg10=1.50 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


def test_pressure_is_the_counter_of_some_task_waiting_and_absent_where_not_counted(tmp_path):
    (tmp_path / "cpu").write_text(PRESSURE.format(123))
    (tmp_path / "memory").write_text(PRESSURE.format(456))
    assert PsutilHost(proc_pressure=str(tmp_path)).pressure() == {"cpu": 123, "mem": 456}
    assert PsutilHost(proc_pressure="/nowhere").pressure() == {}
    (tmp_path / "io").write_text("nonsense")
    with pytest.raises(ValueError, match="no total"):
        PsutilHost(proc_pressure=str(tmp_path)).pressure()


def test_only_whole_disks_count(tmp_path):
    names = list(psutil.disk_io_counters(perdisk=True, nowrap=False))
    (tmp_path / names[0] / "device").mkdir(parents=True)
    assert list(PsutilHost(sys_block=str(tmp_path)).disks()) == [names[0]]


@pytest.mark.parametrize(
    ("pid", "own", "first", "kinds", "scope"),
    [
        ("pid:[4026531836]", "net:[1]", "net:[1]", (), "host"),
        ("pid:[4026531836]", "net:[2]", "net:[1]", (), "container"),
        ("pid:[4026531836]", "net:[2]", None, (), "unknown"),
        ("pid:[4026531836]", "net:[2]", None, ("physical",), "host"),
        ("pid:[4026532999]", "net:[2]", "net:[2]", ("virtual",), "container"),
        ("pid:[4026532999]", "net:[2]", "net:[2]", ("physical",), "host"),
        (None, None, None, (), "unknown"),
    ],
)
def test_whose_network_it_is_comes_from_the_namespaces(tmp_path, pid, own, first, kinds, scope):
    for place, target in (("self/ns/pid", pid), ("self/ns/net", own), ("1/ns/net", first)):
        if target:
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(target, tmp_path / place)
    infos = {kind: InterfaceInfo(kind, kind) for kind in kinds}
    found, rule = find_scope(infos, proc=str(tmp_path))
    assert found == scope
    assert rule
