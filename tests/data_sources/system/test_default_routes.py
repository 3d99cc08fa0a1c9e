"""Every hop of the IPv4 default route counts, as the kernel's netlink tells; without it the first hops stand."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from data_sources.system.default_routes import AGAIN_S, MOST_BYTES, DefaultRoutes, default_hops
from data_sources.system.kernel_file import KernelFile, pread_holding_lock

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
LINKS = {2: "br0", 3: "mv0"}

# Answers of Linux 6.18, as they were received. The table: 0.0.0.0/1 over br0, the default route over br0 and mv0, one
# of metric 5 over a group of nexthop objects, and the two networks.
BEGIN = (
    "3c0000001800220001000000f838000002010000fe0300010000000008000f00fe0000000800010000000000080005000a4d0003"
    "0800040002000000"
)
MULTIPATH = (
    "480000001800220001000000f838000002000000fe0300010000000008000f00fe000000240009001000000002000000080005000a4d0002"
    "1000000003000000080005000a4e0002"
)
BY_OBJECT = "340000001800220001000000f838000002000000fe0300010000000008000f00fe000000080006000500000008001e000a000000"
NETWORKS = (
    "3c0000001800220001000000f838000002180000fe02fd010000000008000f00fe000000080001000a4d0000080007000a4d0001"
    "0800040002000000"
    "3c0000001800220001000000f838000002180000fe02fd010000000008000f00fe000000080001000a4e0000080007000a4e0001"
    "0800040003000000"
)
DONE = "140000000300220001000000f838000000000000"
OBJECTS = {
    10: (
        "44000000680000000a0000008f3b00000000000000000000080001000a0000000600030000000000"
        "140002000100000000000000020000000000000008000e0000000080"
    ),
    1: "3000000068000000010000008f3b000002fd00000000000008000100010000000800050002000000080006000a4d0002",
    2: "3000000068000000020000008f3b000002fd00000000000008000100020000000800050003000000080006000a4e0002",
    99: "3400000002000000630000008f3b0000feffffff200000006a000100630000000000000000000000000000000800010063000000",
}


class Kernel:
    """Answers with what was recorded, and counts how often it is asked for the table."""

    def __init__(self, *parts):
        self.parts, self.asked, self.read = parts, 0, 0

    def __call__(self, kind, flags, body):
        if kind == 106:
            yield bytes.fromhex(OBJECTS[struct.unpack_from("=I", body, 12)[0]])
            return
        self.asked += 1
        for part in self.parts:
            self.read += 1
            yield bytes.fromhex(part)


def silent(kind, flags, body):
    raise OSError(97, "Address family not supported by protocol")
    yield


def row(name, destination="00000000", metric=0, flags="0003", mask="00000000"):
    return f"{name}\t{destination}\t02004D0A\t{flags}\t0\t0\t{metric}\t{mask}\t0\t0\t0".ljust(127) + "\n"


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "route"
    file.write_text(HEAD.ljust(127) + "\n" + row("br0", mask="00000080") + row("br0"))
    return file


def routes(table, ask, now_s=lambda: 0.0):
    return DefaultRoutes(KernelFile(table), ask=ask, name_of=LINKS.__getitem__, clock_s=now_s)


def test_every_hop_of_a_shared_default_route_counts(table):
    kernel = Kernel(BEGIN + MULTIPATH + BY_OBJECT + NETWORKS, DONE)
    assert routes(table, kernel).names() == ["br0", "mv0"]


def test_a_route_over_nexthop_objects_leads_to_their_interfaces(table):
    assert default_hops(Kernel(BEGIN + BY_OBJECT + NETWORKS, DONE)) == [(5, 2), (5, 3)]


def test_a_hop_that_is_dead_and_a_route_that_carries_nothing_do_not_count(table):
    dead = MULTIPATH.replace("1000000003000000", "1000010003000000")
    assert default_hops(Kernel(dead + NETWORKS, DONE)) == [(0, 2)]
    blackhole = MULTIPATH.replace("fe03000100000000", "fe03000600000000")
    assert default_hops(Kernel(blackhole + NETWORKS, DONE)) == []


def test_another_table_that_comes_first_does_not_end_the_answer(table):
    local = NETWORKS.replace("08000f00fe000000", "08000f00ff000000")
    other = MULTIPATH.replace("08000f00fe000000", "08000f0007000000")
    assert default_hops(Kernel(local + other, MULTIPATH, DONE)) == [(0, 2), (0, 3)]


def test_of_a_router_with_a_million_routes_only_the_beginning_is_read(table):
    kernel = Kernel(MULTIPATH + NETWORKS, *[NETWORKS * 100] * 1000, DONE)
    assert routes(table, kernel).names() == ["br0", "mv0"]
    assert kernel.read == 1
    with table.open("a") as file:
        file.writelines(row("br0", f"{number:08X}", mask="00FFFFFF") for number in range(1, 100_000))
    read, whole = [], pread_holding_lock()

    def in_pages(fd, size, offset):  # as the kernel does
        read.append(offset)
        return whole(fd, 4096, offset)

    long = DefaultRoutes(KernelFile(table, pread=in_pages), ask=silent)
    assert (long.names(), read) == (["br0"], [0])


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [BEGIN],
        [OBJECTS[99]],
        [MULTIPATH[:40]],
        [MULTIPATH.replace("1000000003000000", "0000000003000000"), DONE],
        [MULTIPATH.replace("1000000003000000", "1000000009000000"), DONE],
        [NETWORKS.replace("08000f00fe000000", "08000f00ff000000") * (MOST_BYTES // 120 + 1), MULTIPATH, DONE],
    ],
    ids=["nothing", "no end", "an error", "half a message", "a hop without end", "an interface that went", "too long"],
)
def test_where_the_kernel_does_not_answer_well_the_first_hops_stand(table, parts):
    def name_of(link):
        if link not in LINKS:
            raise OSError(6, "No such device or address")
        return LINKS[link]

    assert DefaultRoutes(KernelFile(table), ask=Kernel(*parts), name_of=name_of).names() == ["br0"]
    assert routes(table, silent).names() == ["br0"]


def test_the_kernel_is_asked_when_the_first_hops_change_and_every_few_seconds(table):
    clock, kernel = {"now": 0.0}, Kernel(MULTIPATH, DONE)
    found = routes(table, kernel, lambda: clock["now"])
    for _ in range(3):
        assert found.names() == ["br0", "mv0"]
    assert kernel.asked == 1
    clock["now"] = AGAIN_S
    kernel.parts = (MULTIPATH.replace("1000000003000000", "1000010003000000"), DONE)
    assert (found.names(), kernel.asked) == (["br0"], 2)
    kernel.parts = (MULTIPATH, DONE)
    table.write_text(table.read_text().replace("02004D0A", "04004D0A"))
    assert (found.names(), kernel.asked) == (["br0", "mv0"], 3)
    table.write_text(HEAD + "\n")
    assert (found.names(), kernel.asked) == ([], 3)  # without a default route there is nothing to ask


MAKE = """
ip link add br0 type bridge && ip link add br1 type bridge && ip link set br0 up && ip link set br1 up &&
ip addr add 10.77.0.1/24 dev br0 && ip addr add 10.78.0.1/24 dev br1 &&
ip route add default nexthop via 10.77.0.2 dev br0 nexthop via 10.78.0.2 dev br1
"""
LOOK = """
import json
from data_sources.system.interfaces import LinuxInterfaces
from data_sources.system.network import ProcNetDev
counters, catalog = ProcNetDev().read().counters, LinuxInterfaces()
choice = catalog.choose(catalog.describe(counters), counters)
print(json.dumps([choice.names, choice.rule]))
"""


def test_the_kernel_of_this_machine_tells_both_hops_of_a_real_multipath_route():
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip make the network")
    network = [unshare, "--user", "--map-root-user", "--net", "sh", "-c"]
    made = subprocess.run([*network, MAKE], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no network of its own may be made here: {made.stderr.strip()}")
    look = [*network, f'{MAKE.strip()} && exec "$0" -c "$1"', sys.executable, LOOK]
    home = Path(__file__).parents[3]
    told = subprocess.run(look, capture_output=True, text=True, check=True, cwd=home, env={"PYTHONPATH": str(home)})
    assert json.loads(told.stdout) == [["br0", "br1"], "br0, br1 carry the IPv4 default route"]
