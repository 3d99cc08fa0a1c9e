"""Kinds come from the device's own description, the total from the default route, and each says which rule chose it."""

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from data_sources.system.default_routes import DefaultRoutes
from data_sources.system.interfaces import LinuxInterfaces, PlainInterfaces, count_once
from data_sources.system.kernel_file import KernelFile
from data_sources.system.types import Counters, InterfaceInfo

ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
ZERO6 = "0" * 32


@pytest.fixture
def machine(tmp_path):
    """A system folder that a test fills: `add(name, …)`, `route(…)`."""

    class Machine:
        sys, proc = tmp_path / "class", tmp_path / "proc"

        def __init__(self):
            self.numbers = {}  # of this process's own network

        def add(self, name, *, number="1", place="pci0000:00", files=(), folders=(), master=None, lowers=()):
            home = tmp_path / "devices" / place / "net" / name
            home.mkdir(parents=True)
            self.sys.mkdir(exist_ok=True)
            (self.sys / name).symlink_to(home)
            (home / "type").write_text(number + "\n")
            self.numbers[name] = len(self.numbers) + 1
            (home / "ifindex").write_text(f"{self.numbers[name]}\n")
            for file, text in dict(files).items():
                (home / file).write_text(text)
            for folder in folders:
                (home / folder).mkdir()
            if master:
                (home / "master").symlink_to(self.sys / master)
            for lower in lowers:
                (home / f"lower_{lower}").symlink_to(self.sys / lower)

        def route(self, *lines, v6=()):
            self.proc.mkdir(exist_ok=True)
            (self.proc / "route").write_text(ROUTES + "".join(line + "\n" for line in lines))
            (self.proc / "ipv6_route").write_text("".join(line + "\n" for line in v6))

        def catalog(self):
            def silent(kind, flags, body):  # the kernel's own answer would be of the machine that the test runs on
                raise OSError
                yield

            routes = DefaultRoutes(KernelFile(self.proc / "route"), ask=silent)
            return LinuxInterfaces(str(self.sys), str(self.proc), routes4=routes, index=self.index)

        def index(self, name):
            if name not in self.numbers:
                raise OSError(f"no interface with the name {name}")
            return self.numbers[name]

        def choose(self, **counters):
            catalog = self.catalog()
            return catalog.choose(catalog.describe(counters), {n: Counters(c, 0) for n, c in counters.items()})

    return Machine()


def default_v4(name, metric=0, flags="0003"):
    return f"{name}\t00000000\t010200C0\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0"


def default_v6(name, metric="00000400", flags="00000003"):
    return f"{ZERO6} 00 {ZERO6} 00 fe800000000000000000000000000001 {metric} 1 0 {flags} {name}"


def test_each_kind_is_told_from_the_device_and_never_from_its_name(machine):
    machine.add("a", number="772", place="virtual")
    machine.add("b", place="pci0000:00")
    machine.add("c", place="virtual", folders=["bridge"])
    machine.add("d", place="virtual", folders=["bonding"])
    machine.add("e", number="65534", place="virtual", files={"tun_flags": "0x1"})
    machine.add("f", place="virtual", files={"uevent": "DEVTYPE=vxlan\nINTERFACE=f"})
    machine.add("g", place="virtual", master="c")
    infos = machine.catalog().describe("abcdefgx")
    assert {name: info.kind for name, info in infos.items()} == {
        "a": "loopback",
        "b": "physical",
        "c": "bridge",
        "d": "bond",
        "e": "tunnel",
        "f": "tunnel",
        "g": "virtual",
        "x": "unknown",
    }
    assert infos["g"].master == "c"


@pytest.mark.parametrize("number", [7, None], ids=["another number", "none of that name"])
def test_what_sysfs_tells_of_another_networks_interface_of_the_same_name_is_not_used(machine, number):
    machine.add("br0", place="virtual", folders=["bridge"])
    machine.add("eth0", master="br0", files={"speed": "1000\n"}, lowers=["br0"])
    machine.numbers["eth0"] = number
    if number is None:
        del machine.numbers["eth0"]
    infos = machine.catalog().describe(["eth0", "br0"])
    assert infos["eth0"] == InterfaceInfo("eth0", "unknown")
    assert infos["br0"].kind == "bridge"
    assert machine.choose(eth0=5).rule == "No default route: eth0 is the busiest interface"


def test_the_interfaces_of_this_machine_are_its_own():
    assert LinuxInterfaces().describe(["lo"])["lo"].kind == "loopback"


@pytest.mark.parametrize(("text", "speed"), [("1000\n", 125e6), ("-1\n", None), ("", None)])
def test_link_speed_is_known_only_when_the_system_tells(machine, text, speed):
    machine.add("eth0", files={"speed": text})
    assert machine.catalog().describe(["eth0"])["eth0"].speed_bytes_per_s == speed


def test_the_ipv4_default_route_chooses_the_total(machine):
    machine.add("eth0")
    machine.add("br0", place="virtual", folders=["bridge"])
    machine.route(default_v4("br0"), v6=[default_v6("eth0")])
    choice = machine.choose(eth0=10**9, br0=5)
    assert (choice.names, choice.rule) == (("br0",), "br0 carries the IPv4 default route")


def test_of_two_default_routes_the_preferred_one_counts_and_a_shared_one_adds_up(machine):
    machine.route(default_v4("wlan0", 600), default_v4("eth0", 100))
    assert machine.choose(wlan0=9, eth0=1).names == ("eth0",)
    machine.route(default_v4("eth1", 100), default_v4("eth0", 100))
    assert machine.choose(eth0=9, eth1=1).names == ("eth0", "eth1")


def test_interfaces_that_share_a_route_are_added_up_without_counting_a_frame_twice(machine):
    machine.add("eth0", master="bond0")
    machine.add("eth1")
    machine.add("bond0", place="virtual", folders=["bonding"], lowers=["eth0"])
    machine.add("eth1.7", place="virtual", lowers=["eth1"])
    machine.add("wg0", number="65534", place="virtual")
    machine.route(*(default_v4(name) for name in ("eth0", "bond0", "eth1.7", "eth1", "wg0")))
    choice = machine.choose(**{"eth0": 1, "bond0": 1, "eth1": 1, "eth1.7": 1, "wg0": 1})
    assert choice.names == ("bond0", "eth1")
    assert choice.rule == ("bond0, eth1 carry the IPv4 default route; eth0, eth1.7, wg0 too, already counted there")
    machine.route(default_v4("wg0"))
    assert machine.choose(eth1=9, wg0=1).names == ("wg0",)  # a tunnel alone stands for itself


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from([None, *"abcdef"]),
            st.lists(st.sampled_from("abcdef"), max_size=2),
            st.sampled_from(["physical", "tunnel", "bridge"]),
        ),
        unique_by=lambda row: row[0],
        min_size=1,
    )
)
@examples(max_examples=60)
def test_however_interfaces_are_stacked_no_two_of_the_sum_share_frames(rows):
    infos = {name: InterfaceInfo(name, kind, master, lowers=tuple(lowers)) for name, master, lowers, kind in rows}
    kept = count_once(tuple(infos), infos)
    assert set(kept) <= set(infos)
    for name in kept:
        assert not {infos[name].master, *infos[name].lowers} & (set(kept) - {name})


def test_without_an_ipv4_route_the_ipv6_one_chooses_and_a_rejecting_one_does_not(machine):
    machine.route(v6=[default_v6("lo", "ffffffff", "00200200"), default_v6("eth0")])
    choice = machine.choose(lo=10**9, eth0=1)
    assert (choice.names, choice.rule) == (("eth0",), "eth0 carries the IPv6 default route")


def test_without_a_route_the_busiest_physical_interface_stands_in_and_says_so(machine):
    machine.add("eth0")
    machine.add("eth1")
    machine.add("docker0", place="virtual", folders=["bridge"])
    choice = machine.choose(eth0=5, eth1=7, docker0=10**9)
    assert (choice.names, choice.rule) == (("eth1",), "No default route: eth1 is the busiest physical interface")


def test_ports_of_a_bridge_and_loopback_never_stand_in(machine):
    machine.add("lo", number="772", place="virtual")
    machine.add("br0", place="virtual", folders=["bridge"])
    machine.add("veth1", place="virtual", master="br0")
    assert machine.choose(lo=10**9, br0=1, veth1=10**9).names == ("br0",)
    assert machine.choose(lo=10**9).names == ()


def test_a_system_without_sysfs_still_leaves_loopback_out():
    catalog = PlainInterfaces(lambda: frozenset({"lo0"}))
    infos = catalog.describe(["lo0", "en0"])
    assert infos == {"lo0": InterfaceInfo("lo0", "loopback"), "en0": InterfaceInfo("en0", "unknown")}
    assert catalog.choose(infos, {"lo0": Counters(99, 0), "en0": Counters(1, 0)}).names == ("en0",)
