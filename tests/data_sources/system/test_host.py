"""The machine's own figures agree with the system's files, and say whose machine it is."""

import os

import psutil
import pytest

from data_sources.system.cgroup import ControlGroup
from data_sources.system.host import PsutilHost, find_scope
from data_sources.system.proc_host import ProcHost
from data_sources.system.types import Counters, InterfaceInfo


def test_memory_cores_modes_and_disks_agree_with_psutil_over_the_real_machine():
    host = ProcHost(ControlGroup("/nowhere"))
    memory, theirs = host.memory(), psutil.virtual_memory()
    assert (memory.total, memory.swap_total) == (theirs.total, psutil.swap_memory().total)
    assert 0 < memory.used < memory.total
    assert (memory.limit, memory.limit_used) == (None, None)
    before = psutil.cpu_times(percpu=True)
    cores, after = host.cpu(), psutil.cpu_times(percpu=True)
    assert len(cores) == len(before)
    for low, core, high in zip(before, cores, after, strict=True):
        # the kernel's own guess of waiting may fall a little, and sums of hundredths differ in their last digit
        assert low.user + low.nice - 0.02 <= core.modes["user"] <= high.user + high.nice + 0.02
        assert low.idle + low.iowait - 1 <= core.idle_s <= high.idle + high.iowait + 1
        assert core.busy_s == pytest.approx(core.modes["user"] + core.modes["system"] + core.modes["steal"])
    rows = psutil.disk_io_counters(perdisk=True, nowrap=False)
    for name, disk in host.disks().items():
        assert 0 <= disk.first - rows[name].read_bytes < 10**9  # ours were asked a moment later
    assert all(value >= 0 for value in host.load())
    assert host.load()[2] == pytest.approx(os.getloadavg()[2], abs=1)


def test_psutil_stands_in_where_there_is_no_proc():
    host = PsutilHost()
    assert len(host.cpu()) == psutil.cpu_count()
    assert host.memory().total == psutil.virtual_memory().total
    assert host.pressure() == {}


@pytest.fixture
def proc(tmp_path):
    """A machine's files that a test writes: `proc.write("stat", …)`, `proc.host()`."""

    class Proc:
        def write(self, place, text):
            path = tmp_path / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

        def host(self):
            return ProcHost(ControlGroup("/nowhere"), proc=str(tmp_path), sys_block=str(tmp_path / "block"))

    return Proc()


def test_guest_time_counts_once_and_waiting_for_a_disk_is_idle(proc):
    proc.write("stat", "cpu 9 9 9 9 9 9 9 9 9 9\ncpu0 1000 100 300 5000 200 10 20 30 400 50\nintr 5\n")
    (core,) = proc.host().cpu()
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert core.modes == pytest.approx(
        {"user": 1100 * tick, "system": 330 * tick, "iowait": 200 * tick, "steal": 30 * tick}
    )
    assert (core.busy_s, core.idle_s) == (pytest.approx(1460 * tick), pytest.approx(5200 * tick))


def test_a_file_that_is_not_the_kernels_is_an_error_and_no_zero(proc):
    proc.write("stat", "nothing\n")
    proc.write("meminfo", "MemTotal: 8 kB\n")
    proc.write("diskstats", "8 0 sda 1\n")
    proc.write("loadavg", "1.0\n")
    host = proc.host()
    for read in (host.cpu, host.memory, host.disks, host.load):
        with pytest.raises(ValueError, match=r"no core|MemAvailable|fields|unpack"):
            read()


def test_only_whole_disks_count_and_one_that_comes_back_is_looked_at_anew(proc, tmp_path):
    row = "8 0 {} 1 0 {} 0 1 0 {} 0 0 0 0\n"
    proc.write("block/sda/device/x", "")
    proc.write("block/loop0/x", "")
    proc.write("diskstats", row.format("sda", 10, 20) + row.format("sda1", 10, 20) + row.format("loop0", 1, 1))
    host = proc.host()
    assert host.disks() == {"sda": Counters(5120, 10240)}
    proc.write("diskstats", row.format("sda", 10, 20))
    host.disks()
    proc.write("block/loop0/device/x", "")
    proc.write("diskstats", row.format("sda", 10, 20) + row.format("loop0", 1, 1))
    assert set(host.disks()) == {"sda", "loop0"}


PRESSURE = "some avg10=1.50 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


def test_pressure_is_the_counter_of_some_task_waiting_and_absent_where_not_counted(proc):
    assert proc.host().pressure() == {}
    proc.write("pressure/cpu", PRESSURE.format(123))
    proc.write("pressure/memory", PRESSURE.format(456))
    assert proc.host().pressure() == {"cpu": 123, "mem": 456}
    proc.write("pressure/io", "nonsense")
    with pytest.raises(ValueError, match="no total"):
        proc.host().pressure()


@pytest.mark.parametrize(
    ("pid", "own", "first", "kinds", "scope"),
    [
        ("pid:[4026531836]", "net:[1]", "net:[1]", (), "host"),
        ("pid:[4026531836]", "net:[2]", "net:[1]", (), "container"),
        ("pid:[4026531836]", "net:[2]", None, (), "unknown"),
        ("pid:[4026531836]", "net:[2]", None, ("physical",), "host"),
        ("pid:[4026532999]", "net:[2]", "net:[2]", ("virtual",), "container"),
        ("pid:[4026532999]", "net:[2]", "net:[2]", ("physical",), "host"),
        ("pid:[4026532999]", "net:[2]", "net:[2]", ("unknown", "loopback"), "unknown"),
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
