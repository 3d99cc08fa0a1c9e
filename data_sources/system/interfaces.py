"""What each interface is, and which of them the total adds up.

Never the sum of all: a bridge and its port count the same bytes twice (measured: 1.99 times the truth). The default
route says which interface the machine talks through; in a container that one is virtual, so the route comes first.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from .default_routes import DefaultRoutes, lowest_metric, usable
from .kernel_file import KernelFile
from .types import Counters, InterfaceInfo, InterfaceKind, TotalChoice

SYS_CLASS_NET = "/sys/class/net"
PROC_NET = "/proc/net"
_LOOPBACK_TYPE = "772"
_TUNNEL_TYPES = {
    "768",
    "769",
    "776",
    "778",
    "823",
    "65534",
}  # ipip, ip6tnl, sit, gre, ip6gre, no header (tun, wireguard)
_TUNNEL_DEVICES = {"vxlan", "wireguard", "geneve", "gre", "ppp"}
_MBIT_BYTES = 125_000


class InterfaceCatalog(Protocol):
    """Anything that describes interfaces."""

    def describe(self, names: Iterable[str]) -> dict[str, InterfaceInfo]:
        """What each interface is."""
        ...

    def choose(self, infos: Mapping[str, InterfaceInfo], counters: Mapping[str, Counters]) -> TotalChoice:
        """Which interfaces the total adds up."""
        ...


class LinuxInterfaces:
    """Describes interfaces from sysfs and the kernel's routing tables.

    Args:
        sys_class_net: The system's folder of interfaces.
        proc_net: The kernel's folder of network tables.
        routes4: The IPv4 default route; None reads that of this process's own network.
        index: The number of an interface in this process's own network; OSError when there is none of that name.
    """

    def __init__(
        self,
        sys_class_net: str = SYS_CLASS_NET,
        proc_net: str = PROC_NET,
        *,
        routes4: DefaultRoutes | None = None,
        index: Callable[[str], int] = socket.if_nametoindex,
    ) -> None:
        self._sys, self._index = Path(sys_class_net), index
        self._routes4 = routes4 or DefaultRoutes(KernelFile(Path(proc_net, "route")))
        self._routes6 = KernelFile(Path(proc_net, "ipv6_route"))

    def describe(self, names: Iterable[str]) -> dict[str, InterfaceInfo]:
        """What each interface is; `unknown` where sysfs does not say."""
        return {name: self._describe(name) for name in names}

    def _describe(self, name: str) -> InterfaceInfo:
        folder = self._sys / name
        if not self._is_own(name, folder):
            return InterfaceInfo(name, "unknown")
        master = _link_name(folder / "master")
        return InterfaceInfo(name, self._kind(folder), master, _speed(folder), _lowers(folder))

    def _is_own(self, name: str, folder: Path) -> bool:
        """Whether sysfs tells of this interface: it may belong to another network, with others of the same names."""
        try:
            return _text(folder / "ifindex") == str(self._index(name))
        except OSError:
            return False

    def _kind(self, folder: Path) -> InterfaceKind:
        number = _text(folder / "type")
        if number is None:
            return "unknown"
        if number == _LOOPBACK_TYPE:
            return "loopback"
        if (folder / "bridge").is_dir():
            return "bridge"
        if (folder / "bonding").is_dir():
            return "bond"
        device = dict(line.split("=", 1) for line in (_text(folder / "uevent") or "").splitlines() if "=" in line)
        if number in _TUNNEL_TYPES or (folder / "tun_flags").exists() or device.get("DEVTYPE") in _TUNNEL_DEVICES:
            return "tunnel"
        return "virtual" if "/virtual/" in os.path.realpath(folder) else "physical"

    def choose(self, infos: Mapping[str, InterfaceInfo], counters: Mapping[str, Counters]) -> TotalChoice:
        """The default route's interfaces; without one, the busiest that stands for itself.

        Args:
            infos: Every interface that is listed now.
            counters: Their bytes since they were made, to find the busiest.

        Returns:
            The names and the rule that chose them, in words.
        """
        for read, family in ((self._routes4.names, "IPv4"), (self._routes_v6, "IPv6")):
            routed = tuple(name for name in read() if name in counters)
            if routed:
                names = count_once(routed, infos)
                verb = "carries" if len(names) == 1 else "carry"
                rule = f"{', '.join(names)} {verb} the {family} default route"
                left = ", ".join(name for name in routed if name not in names)
                if left:
                    rule += f"; {left} too, already counted there"
                return TotalChoice(names, rule, routed=True)
        return busiest(infos, counters)

    def _routes_v6(self) -> list[str]:
        rows = [line.split() for line in _routes(self._routes6).splitlines()]
        return lowest_metric(
            (int(row[5], 16), row[9])
            for row in rows
            if len(row) > 9 and row[0] == "0" * 32 and row[1] == "00" and usable(row[8])
        )


class PlainInterfaces:
    """For systems without sysfs: nothing is known of an interface but its name and its bytes."""

    def __init__(self, loopbacks: Callable[[], frozenset[str]]) -> None:
        self._loopbacks = loopbacks

    def describe(self, names: Iterable[str]) -> dict[str, InterfaceInfo]:
        """Loopback where the system flags it, else unknown."""
        loopbacks = self._loopbacks()
        return {name: InterfaceInfo(name, "loopback" if name in loopbacks else "unknown") for name in names}

    def choose(self, infos: Mapping[str, InterfaceInfo], counters: Mapping[str, Counters]) -> TotalChoice:
        """The busiest interface."""
        return busiest(infos, counters)


def count_once(names: tuple[str, ...], infos: Mapping[str, InterfaceInfo]) -> tuple[str, ...]:
    """Of interfaces that share a route, those whose sum counts no frame twice.

    A port's frames are counted by its bridge or bond again, a VLAN's by the interface below it, and what a tunnel sends
    leaves through another interface.

    Args:
        names: The interfaces, in order.
        infos: What they are.
    """
    kept = [name for name in names if not any(_is_port_under(name, other, infos) for other in names)]
    kept = [name for name in kept if not any(other in _below(name, infos) for other in kept)]
    solid = [name for name in kept if name not in infos or infos[name].kind != "tunnel"]
    return tuple(solid or kept) or names[:1]


def _is_port_under(name: str, upper: str, infos: Mapping[str, InterfaceInfo]) -> bool:
    """Whether `upper` is the bridge or bond of this one, or one above that."""
    seen = {name}
    while name in infos:
        master = infos[name].master
        if master is None or master in seen:
            return False
        if master == upper:
            return True
        seen.add(master)
        name = master
    return False


def _below(name: str, infos: Mapping[str, InterfaceInfo]) -> set[str]:
    """Everything that carries an interface's frames, at any depth."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        info = infos.get(waiting.pop())
        for lower in info.lowers if info else ():
            if lower not in found:
                found.add(lower)
                waiting.append(lower)
    return found


def keep_gone(before: TotalChoice, now: TotalChoice, known: Iterable[str], listed: Iterable[str]) -> TotalChoice:
    """Hold on to the interfaces of a default route that went away, or to the busiest one that did.

    Another interface in their place would draw its own rate, often a zero, as if it were theirs.

    Args:
        before: The choice so far.
        now: What would be chosen now.
        known: Interfaces that are there, or vanished only lately.
        listed: Those that are there.

    Returns:
        `before` with a rule that says so, while its interfaces are known; else `now`.
    """
    if now.routed or not before.names or not set(before.names) <= set(known):
        return now
    names = ", ".join(before.names)
    if before.routed:
        return TotalChoice(before.names, f"{names} carried the default route until it went", routed=True)
    if set(before.names) <= set(listed):
        return now
    return TotalChoice(before.names, f"{names} was the busiest interface until it went")


def busiest(infos: Mapping[str, InterfaceInfo], counters: Mapping[str, Counters]) -> TotalChoice:
    """The interface with most bytes: a physical one first, else any that is not loopback nor a port of another."""
    for kinds, word in ((("physical",), "physical interface"), (None, "interface")):
        names = [
            name
            for name, info in infos.items()
            if name in counters
            and info.kind != "loopback"
            and info.master is None
            and (not kinds or info.kind in kinds)
        ]
        if names:
            name = max(names, key=lambda each: (counters[each].first + counters[each].second, each))
            return TotalChoice((name,), f"No default route: {name} is the busiest {word}")
    return TotalChoice((), "No default route and no interface but loopback")


def _routes(file: KernelFile) -> str:
    """The kernel's table of routes; without one (a system without IPv6, say) there is no route of that kind."""
    try:
        return file.text()
    except OSError:
        return ""


def _speed(folder: Path) -> float | None:
    """Link speed in bytes per second; virtual and unplugged links answer -1 or an error."""
    text = _text(folder / "speed")
    mbit = int(text) if text and text.lstrip("-").isdigit() else -1
    return mbit * float(_MBIT_BYTES) if mbit > 0 else None


def _lowers(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(name.removeprefix("lower_") for name in os.listdir(folder) if name.startswith("lower_")))
    except OSError:
        return ()


def _link_name(link: Path) -> str | None:
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return None


def _text(path: Path) -> str | None:
    """A small system file, None when it is not there or does not answer: both mean "not told"."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
