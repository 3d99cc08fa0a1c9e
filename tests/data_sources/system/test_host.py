"""The machine's own figures agree with the system's files, and say whose machine it is."""

import os

import psutil
import pytest

from data_sources.system.host import PsutilHost, cpu_limit, find_scope
from data_sources.system.mounts import MountWatch, Usage
from data_sources.system.types import InterfaceInfo


def test_memory_and_cores_are_the_systems_own():
    host = PsutilHost(cgroup="/nowhere")
    memory = host.memory()
    assert memory.total == psutil.virtual_memory().total
    assert 0 < memory.used < memory.total
    assert (memory.limit, memory.limit_used) == (None, None)
    assert len(host.cpu()) == psutil.cpu_count()
    assert all(core.busy_s > 0 and core.idle_s > 0 for core in host.cpu())


def test_a_containers_memory_limit_is_read_without_its_droppable_cache(tmp_path):
    (tmp_path / "memory.max").write_text("512000000\n")
    (tmp_path / "memory.current").write_text("300000000\n")
    (tmp_path / "memory.stat").write_text("anon 200000000\ninactive_file 90000000\n")
    memory = PsutilHost(cgroup=str(tmp_path)).memory()
    assert (memory.limit, memory.limit_used) == (512_000_000, 210_000_000)


@pytest.mark.parametrize("text", ["max\n", str(2**62)])
def test_no_limit_is_none_and_not_the_machines_memory(tmp_path, text):
    (tmp_path / "memory.max").write_text(text)
    (tmp_path / "memory.current").write_text("1\n")
    assert PsutilHost(cgroup=str(tmp_path)).memory().limit is None


@pytest.mark.parametrize(("text", "cores"), [("150000 100000\n", 1.5), ("max 100000\n", None), (None, None)])
def test_the_cpu_limit_is_in_cores(tmp_path, text, cores):
    if text:
        (tmp_path / "cpu.max").write_text(text)
    assert cpu_limit(str(tmp_path)) == cores


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


def test_a_file_system_answers_with_bytes_or_with_why_not():
    watch = MountWatch("/data", "data folder", ask=lambda _: Usage(100, 40, 55))
    assert watch.now().reason == "measuring"
    watch.ask()
    assert (watch.now().total, watch.now().used, watch.now().free) == (100, 40, 55)

    def broken(path):
        raise FileNotFoundError(2, "No such file or directory")

    watch = MountWatch("/data", "data folder", ask=broken)
    watch.ask()
    assert (watch.now().free, watch.now().reason) == (None, "No such file or directory")


def test_a_file_system_that_hangs_loses_its_figures():
    clock = {"now": 0.0}
    seen = []

    def hanging(path):
        clock["now"] = 31.0
        seen.append(watch.now())  # what a viewer gets while the question hangs
        return Usage(100, 40, 55)

    watch = MountWatch("/data", "data folder", ask=hanging, clock_s=lambda: clock["now"])
    watch.ask()
    assert (seen[0].free, seen[0].reason) == (None, "No answer from this file system")
    assert watch.now().free == 55
