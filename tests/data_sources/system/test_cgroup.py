"""A container's limits are read from either kind of control group; the tightest above the process counts."""

import pytest

from data_sources.system.cgroup import ControlGroup, LimitUnreadError, MemoryLimit
from data_sources.system.proc_host import ProcHost

MACHINE = 8 * 10**9


@pytest.fixture
def write(tmp_path):
    """Write files of a fake control group tree: `write("memory.max", "512000000")`."""

    def put(place, text):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    return put


def group(tmp_path):
    return ControlGroup(str(tmp_path / "cgroup"), str(tmp_path / "self"))


def test_a_containers_memory_limit_is_read_without_its_droppable_cache(tmp_path, write):
    write("cgroup/cgroup.controllers", "cpu memory")
    write("self", "0::/")
    write("cgroup/memory.max", 512_000_000)
    write("cgroup/memory.current", 300_000_000)
    write("cgroup/memory.stat", "anon 200000000\ninactive_file 90000000")
    assert group(tmp_path).memory(MACHINE) == MemoryLimit(512_000_000, 210_000_000)


def test_the_tightest_limit_above_the_process_counts(tmp_path, write):
    write("cgroup/cgroup.controllers", "cpu memory")
    write("self", "0::/system.slice/ops.service")
    for place, limit, cpu in (("", "max", "max 100000"), ("system.slice/", 10**9, "50000 100000")):
        write(f"cgroup/{place}memory.max", limit)
        write(f"cgroup/{place}memory.current", 7 * 10**8)
        write(f"cgroup/{place}memory.stat", "anon 1")
        write(f"cgroup/{place}cpu.max", cpu)
    write("cgroup/system.slice/ops.service/memory.max", 2 * 10**9)
    write("cgroup/system.slice/ops.service/memory.current", 1)
    write("cgroup/system.slice/ops.service/cpu.max", "150000 100000")
    assert group(tmp_path).memory(MACHINE) == MemoryLimit(10**9, 7 * 10**8)
    assert group(tmp_path).cpu() == 0.5


def test_a_use_that_cannot_be_read_any_more_is_an_error_and_not_zero(tmp_path, write):
    write("cgroup/cgroup.controllers", "")
    write("self", "0::/")
    write("cgroup/memory.max", 10**9)
    write("cgroup/memory.current", 5)
    with pytest.raises(FileNotFoundError):  # there is no memory.stat
        group(tmp_path).memory(MACHINE)


def test_the_first_kind_of_control_groups_is_read_too(tmp_path, write):
    write("self", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/")
    write("cgroup/memory/memory.limit_in_bytes", 9_223_372_036_854_771_712)  # no limit
    write("cgroup/memory/docker/abc/memory.limit_in_bytes", 512_000_000)
    write("cgroup/memory/docker/abc/memory.usage_in_bytes", 300_000_000)
    write("cgroup/memory/docker/abc/memory.stat", "cache 5\ntotal_inactive_file 100000000")
    write("cgroup/cpu/docker/abc/cpu.cfs_quota_us", 150_000)
    write("cgroup/cpu/docker/abc/cpu.cfs_period_us", 100_000)
    assert group(tmp_path).memory(MACHINE) == MemoryLimit(512_000_000, 200_000_000)
    assert group(tmp_path).cpu() == 1.5


def test_inside_a_container_the_path_is_the_hosts_and_the_base_is_its_own(tmp_path, write):
    write("self", "4:memory:/docker/abc\n3:cpu:/docker/abc")
    write("cgroup/memory/memory.limit_in_bytes", 512_000_000)
    write("cgroup/memory/memory.usage_in_bytes", 1000)
    write("cgroup/memory/memory.stat", "cache 5")
    write("cgroup/cpu/cpu.cfs_quota_us", -1)
    write("cgroup/cpu/cpu.cfs_period_us", 100_000)
    assert group(tmp_path).memory(MACHINE) == MemoryLimit(512_000_000, 1000)
    assert group(tmp_path).cpu() is None


@pytest.mark.parametrize("text", ["max", str(2**62), str(MACHINE)])
def test_no_limit_is_none_and_not_the_machines_memory(tmp_path, write, text):
    write("cgroup/cgroup.controllers", "")
    write("self", "0::/")
    write("cgroup/memory.max", text)
    write("cgroup/memory.current", 1)
    assert group(tmp_path).memory(MACHINE) is None


@pytest.mark.parametrize("own", [None, "nonsense"])
def test_without_control_groups_there_is_no_limit(tmp_path, write, own):
    if own:
        write("self", own)
    assert group(tmp_path).memory(MACHINE) is None
    assert group(tmp_path).cpu() is None


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("0::/", ["cgroup.controllers", "cgroup.procs"]),
        ("0::/a", ["cgroup.controllers", "cgroup.procs", "a/cgroup.procs"]),
        ("4:memory:/\n3:cpu,cpuacct:/", ["memory/cgroup.procs", "cpu/cgroup.procs"]),
        ("0::/", ["unified/cgroup.controllers"]),
    ],
    ids=["the root", "a group whose controllers are off", "the first kind", "controllers that are switched off"],
)
def test_a_group_without_a_file_for_a_limit_has_none(tmp_path, write, own, files):
    write("self", own)
    for file in files:
        write(f"cgroup/{file}", "")
    assert group(tmp_path).memory(MACHINE) is None
    assert group(tmp_path).cpu() is None


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("0::/system.slice/ops.service", {}),
        ("0::/", {}),
        ("0::/../../etc", {}),
        ("4:memory:/docker/abc\n3:cpu:/docker/abc", {}),
        ("0::/a", {"cgroup.controllers": "", "cgroup.procs": ""}),
        ("0::/", {"cgroup.controllers": "", "memory.max": "nonsense", "cpu.max": "nonsense"}),
        ("0::/", {"cgroup.controllers": "", "memory.max/is": "a folder", "cpu.max/is": "a folder"}),
        ("0::/", {"cgroup.controllers": "", "memory.max": "1000", "cpu.max": "1 0"}),
    ],
    ids=["hidden", "hidden root", "outside", "first kind", "own group hidden", "nonsense", "unreadable", "no use"],
)
def test_a_limit_that_cannot_be_read_is_not_called_none(tmp_path, write, own, files):
    write("self", own)
    for file, text in files.items():
        write(f"cgroup/{file}", text)
    made = group(tmp_path)
    for _ in range(2):
        with pytest.raises(LimitUnreadError):
            made.memory(MACHINE)
        with pytest.raises(LimitUnreadError):
            made.cpu()


def test_a_limit_that_is_known_counts_beside_one_that_cannot_be_read(tmp_path, write):
    write("self", "0::/a")
    write("cgroup/cgroup.controllers", "")
    write("cgroup/a/cpu.max", "50000 100000")
    write("cgroup/cpu.max/is", "a folder")
    assert group(tmp_path).cpu() == 0.5


def test_the_machines_memory_is_told_though_the_limit_cannot_be_read(tmp_path, write):
    write("self", "0::/")
    write("meminfo", "MemTotal: 8 kB\nMemAvailable: 6 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB")
    memory = ProcHost(group(tmp_path), proc=str(tmp_path)).memory()
    assert (memory.total, memory.limit, memory.limit_unread) == (8192, None, True)
