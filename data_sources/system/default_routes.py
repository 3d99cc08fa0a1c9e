"""Which interfaces carry the IPv4 default route: every hop of it, where it is shared among several (multipath).

`/proc/net/route` lists the first hop of a route alone. The others are told by the kernel's netlink (rtnetlink(7)): it
is asked when the default rows of that file change, and every few seconds, because another hop may change without them.
Where it does not answer, the first hops stand.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import NamedTuple

from .kernel_file import KernelFile

AGAIN_S = 10.0
MOST_BYTES = 1 << 18  # of an answer: default routes come first, unless an old kernel puts another table before them

_UP, _REJECT = 0x1, 0x200
_ANYWHERE = b"00000000"
_TIMEOUT_S = 0.2
_SOL_NETLINK, _STRICT = 270, 12  # a kernel since 4.20 then answers with the table that is asked for, and no other
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3
_NEW_ROUTE, _GET_ROUTE, _NEW_NEXTHOP, _GET_NEXTHOP = 24, 26, 104, 106
_MAIN_TABLE, _UNICAST, _CLONED, _DEAD = 254, 1, 0x200, 0x1
_DST, _OIF, _PRIORITY, _MULTIPATH, _TABLE, _NEXTHOP_ID = 1, 4, 6, 9, 15, 30
_NHA_ID, _NHA_GROUP, _NHA_OIF = 1, 2, 5
_HEADER, _NUMBER = struct.Struct("=IHHII"), struct.Struct("=I")
_ROUTE, _NEXTHOP = struct.Struct("=BBBBBBBBI"), struct.Struct("=BBBBI")
_ATTRIBUTE, _HOP = struct.Struct("=HH"), struct.Struct("=HBBi")

Ask = Callable[[int, int, bytes], Iterator[bytes]]


class Hop(NamedTuple):
    """One hop of a default route: the route's metric, and the index of the interface."""

    metric: int
    link: int


def ask_kernel(kind: int, flags: int, body: bytes) -> Iterator[bytes]:
    """Send one request to the kernel; its datagrams as they come, until nobody wants more.

    Raises:
        OSError: There is no netlink here, or no answer.
    """
    with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)) as line:
        line.settimeout(_TIMEOUT_S)
        line.bind((0, 0))
        with suppress(OSError):  # an older kernel answers with every table
            line.setsockopt(_SOL_NETLINK, _STRICT, 1)
        line.sendto(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body, (0, 0))
        while True:
            yield line.recv(1 << 16)


class DefaultRoutes:
    """Keeps what the kernel told of the default route, and asks again when that may have changed.

    Args:
        file: The kernel's table of first hops, `/proc/net/route`.
        ask: Sends a request to the kernel.
        name_of: An interface's name by its index.
        clock_s: The clock that never jumps.
    """

    def __init__(
        self,
        file: KernelFile,
        *,
        ask: Ask = ask_kernel,
        name_of: Callable[[int], str] = socket.if_indextoname,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._ask, self._name_of, self._clock_s = file, ask, name_of, clock_s
        self._rows: list[list[bytes]] = []
        self._names: list[str] = []
        self._asked_at_s = float("-inf")

    def names(self) -> list[str]:
        """The interfaces of the preferred default route, by name; none without one."""
        try:
            rows = default_rows(self._file.read(enough=_beyond_default))
        except OSError:
            rows = []
        now_s = self._clock_s()
        if rows != self._rows or (rows and now_s - self._asked_at_s >= AGAIN_S):
            self._rows, self._asked_at_s = rows, now_s
            first = lowest_metric((int(row[6]), row[0].decode("utf-8", "replace")) for row in rows)
            self._names = (self._every_hop() or first) if rows else []
        return self._names

    def _every_hop(self) -> list[str]:
        try:
            return lowest_metric((hop.metric, self._name_of(hop.link)) for hop in default_hops(self._ask))
        except (OSError, ValueError, struct.error):  # not offered here, or an interface that went meanwhile
            return []


def default_rows(table: bytes) -> list[list[bytes]]:
    """The usable default routes of `/proc/net/route`."""
    rows = (line.split() for line in table.splitlines()[1:])
    return [row for row in rows if len(row) > 7 and row[1] == row[7] == _ANYWHERE and usable(row[3])]


def _beyond_default(part: bytes) -> bool:
    """Whether a part of the table reaches beyond the default routes: they come first, and a router has many others."""
    last = part[: part.rfind(b"\n")].rpartition(b"\n")[2].split()
    return len(last) > 1 and last[1] not in (_ANYWHERE, b"Destination")


def usable(flags: str | bytes) -> bool:
    """Whether a route with these flags, as hexadecimal digits, carries anything."""
    value = int(flags, 16)
    return bool(value & _UP) and not value & _REJECT


def lowest_metric(routes: Iterable[tuple[int, str]]) -> list[str]:
    """Interfaces of the preferred route; several when it is shared among them."""
    known = sorted(set(routes))
    return [name for metric, name in known if metric == known[0][0]]


def default_hops(ask: Ask = ask_kernel) -> list[Hop]:
    """Every living hop of every IPv4 default route of the main table.

    Raises:
        OSError: The kernel does not answer, or with an error.
        ValueError: The answer has another shape, or is too long.
    """
    found: list[Hop] = []
    for kind, body in _messages(ask(_GET_ROUTE, _DUMP, _ROUTE.pack(socket.AF_INET, 0, 0, 0, _MAIN_TABLE, 0, 0, 0, 0))):
        if kind != _NEW_ROUTE:
            continue
        _, length, _, tos, table, _, _, sort, flags = _ROUTE.unpack_from(body)
        told = dict(_attributes(body[_ROUTE.size :]))
        if (_number(told[_TABLE]) if _TABLE in told else table) != _MAIN_TABLE:
            continue
        if any(told.get(_DST, b"")):
            break  # in the order of addresses: no default route comes behind it
        if length or tos or sort != _UNICAST or flags & _CLONED:
            continue
        metric = _number(told[_PRIORITY]) if _PRIORITY in told else 0
        found += [Hop(metric, link) for link in _links(told, flags, ask)]
    return found


def _links(told: dict[int, bytes], flags: int, ask: Ask) -> list[int]:
    """The interfaces of one route's living hops, by index."""
    if _MULTIPATH in told:
        return list(_multipath(told[_MULTIPATH]))
    if _OIF in told:
        return [] if flags & _DEAD else [_number(told[_OIF])]
    return _nexthop(_number(told[_NEXTHOP_ID]), ask) if _NEXTHOP_ID in told else []


def _multipath(hops: bytes) -> Iterator[int]:
    while hops:
        length, flags, _, link = _HOP.unpack_from(hops)
        if length < _HOP.size:
            raise ValueError("a hop without an end")
        if not flags & _DEAD:
            yield link
        hops = hops[_aligned(length) :]


def _nexthop(number: int, ask: Ask) -> list[int]:
    """What a nexthop object leads to: routes may name one instead of their hops (`net.ipv4.nexthop_compat_mode` 0)."""
    body = _NEXTHOP.pack(0, 0, 0, 0, 0) + _ATTRIBUTE.pack(8, _NHA_ID) + _NUMBER.pack(number)
    for kind, answer in _messages(ask(_GET_NEXTHOP, 0, body)):
        if kind != _NEW_NEXTHOP:
            break
        flags, told = _NEXTHOP.unpack_from(answer)[4], dict(_attributes(answer[_NEXTHOP.size :]))
        if _NHA_GROUP in told:  # of objects that are no groups themselves
            members = (_number(told[_NHA_GROUP][place:]) for place in range(0, len(told[_NHA_GROUP]), 8))
            return [link for member in members for link in _nexthop(member, ask)]
        return [_number(told[_NHA_OIF])] if _NHA_OIF in told and not flags & _DEAD else []
    raise ValueError(f"no nexthop object {number}")


def _messages(datagrams: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """The messages of an answer, each with its kind, up to its end."""
    size = 0
    for datagram in datagrams:
        size += len(datagram)
        if size > MOST_BYTES:
            raise ValueError("the table of routes is too long")
        place = 0
        while place < len(datagram):
            length, kind, *_ = _HEADER.unpack_from(datagram, place)
            if not _HEADER.size <= length <= len(datagram) - place:
                raise ValueError("a message without an end")
            body = datagram[place + _HEADER.size : place + length]
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -struct.unpack_from("=i", body)[0]
                raise OSError(code, os.strerror(code))
            yield kind, body
            place += _aligned(length)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    while len(body) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(body)
        if not _ATTRIBUTE.size <= length <= len(body):
            raise ValueError("an attribute without an end")
        yield kind & 0x3FFF, body[_ATTRIBUTE.size : length]
        body = body[_aligned(length) :]


def _number(value: bytes) -> int:
    return int(_NUMBER.unpack_from(value)[0])


def _aligned(length: int) -> int:
    return (length + 3) & ~3
