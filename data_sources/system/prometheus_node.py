"""What node_exporter exposes, put together scrape by scrape, and read by the same sampler as this machine's counters.

All series of one scrape carry one time, so a scrape is one reading of the machine. Replayed through `Sampler`, a
counter of another host becomes a rate by the very rules that hold here: no value from two scrapes that lie too far
apart, none from a counter that fell, none for an interface that went.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from .host_rates import HostDownError, NoFiguresError
from .interfaces import busiest
from .prometheus_wire import Series
from .sampler import Sampler
from .types import (
    Counters,
    CpuTimes,
    Faults,
    InterfaceInfo,
    InterfaceKind,
    Memory,
    Mount,
    NetworkReading,
    Sample,
    TotalChoice,
)

SOURCE = "node_exporter, through Prometheus"
_RECEIVED, _SENT = "node_network_receive_bytes_total", "node_network_transmit_bytes_total"
_READ, _WRITTEN = "node_disk_read_bytes_total", "node_disk_written_bytes_total"
_CPU = "node_cpu_seconds_total"
_TOTAL, _AVAILABLE = "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes"
_SWAP_TOTAL, _SWAP_FREE = "node_memory_SwapTotal_bytes", "node_memory_SwapFree_bytes"
_LOADS = ("node_load1", "node_load5", "node_load15")
_SIZE, _AVAIL, _FREE = "node_filesystem_size_bytes", "node_filesystem_avail_bytes", "node_filesystem_free_bytes"
_FAULTS = (
    "node_network_receive_errs_total",
    "node_network_transmit_errs_total",
    "node_network_receive_drop_total",
    "node_network_transmit_drop_total",
)
PRESSURE = {
    "cpu": "node_pressure_cpu_waiting_seconds_total",
    "mem": "node_pressure_memory_waiting_seconds_total",
    "io": "node_pressure_io_waiting_seconds_total",
}
_MODES = {"user": "user", "nice": "user", "system": "system", "irq": "system", "softirq": "system"}
READ_METRICS = (
    *(_RECEIVED, _SENT, *_FAULTS, _READ, _WRITTEN, _CPU, *PRESSURE.values()),
    *(_TOTAL, _AVAILABLE, _SWAP_TOTAL, _SWAP_FREE, *_LOADS),
)
MOUNT_METRICS = (_SIZE, _AVAIL, _FREE)
ABOUT_METRICS = (
    "node_network_protocol_type",
    "node_network_flags",
    "node_network_iface_id",
    "node_network_iface_link",
    "node_network_speed_bytes",
)
# Names that the kernel's drivers give, not the operator: devices whose bytes are those of the disks under them.
_NOT_WHOLE_DISK = re.compile(r"^(dm-|md\d|zram|ram|loop|sr\d|fd\d|drbd|bcache)")
# What is no place for data: its fill says nothing of a disk. As the exporter's own default leaves most of them out.
NO_PLACE = frozenset({"tmpfs", "ramfs", "squashfs", "overlay", "iso9660", "nsfs", "fuse.lxcfs", "devtmpfs"})
_NOT_BUSY = frozenset({"idle", "iowait"})
_LOOPBACK_TYPE = 772
CADENCE_OF = 6  # scrapes whose distances tell the interval: one that was lost does not move their median
_TUNNEL_TYPES = frozenset({768, 769, 776, 778, 823, 65534})
_IFF_MASTER, _IFF_SLAVE = 0x400, 0x800


@dataclass(slots=True)
class Scrape:
    """One scrape of one host: by metric, then by what tells its series apart (a device, a core and mode, nothing)."""

    at_ms: int
    values: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the host was asked and did not answer."""
        return self.values.get("up", {}).get("") == 0

    @property
    def bare(self) -> bool:
        """Whether the host answered, but with nothing of node_exporter's."""
        return not self.failed and not set(self.values) - {"up"}

    def figures(self) -> Scrape:
        """Itself.

        Raises:
            HostDownError: There are none, since the host did not answer.
            NoFiguresError: There are none in its answer.
        """
        if self.failed:
            raise HostDownError("the host did not answer")
        if self.bare:
            raise NoFiguresError("the host answered without figures")
        return self

    def of(self, metric: str) -> Mapping[str, float]:
        """The values of one metric; empty where the scrape has none."""
        return self.values.get(metric, {})

    def one(self, metric: str) -> float:
        """The value of a metric that has one series.

        Raises:
            ValueError: The scrape has none.
        """
        found = self.values.get(metric, {}).get("")
        if found is None:
            raise ValueError(f"the scrape holds no {metric}")
        return found


def scrapes(series: Iterable[Series], *, after_ms: int = 0) -> list[Scrape]:
    """Put series together by the time they were scraped at, oldest first; a scrape that failed is there, empty.

    Args:
        series: Raw series of one host, its `up` among them.
        after_ms: Leave out what is not newer, in epoch milliseconds.
    """
    found: dict[int, Scrape] = {}
    for each in series:
        metric, key = each.labels.get("__name__", ""), _key(each.labels)
        for at_ms, value in each.points:
            if at_ms > after_ms:
                scrape = found.get(at_ms)
                if scrape is None:
                    scrape = found[at_ms] = Scrape(at_ms)
                scrape.values.setdefault(metric, {})[key] = value
    return [found[at_ms] for at_ms in sorted(found)]


def _key(labels: Mapping[str, str]) -> str:
    if "cpu" in labels:
        return f"{labels['cpu']}|{labels.get('mode', '')}"
    if "mountpoint" in labels:
        return f"{labels['mountpoint']}|{labels.get('fstype', '')}"
    return labels.get("device", "")


class Replay:
    """One scrape after another, in the place of this machine's readers (`NetworkReader`, `HostReader`, catalog)."""

    source = SOURCE

    def __init__(self, about: Scrape | None = None) -> None:
        self.about = Scrape(0) if about is None else about
        self.scrape = Scrape(0)
        self._ticking: int | None = None

    # -- the clocks of the sampler ------------------------------------------------------------------------------------

    def clock_ns(self) -> int:
        """The scrape's own time to the thread that replays it, else the time now: ages are measured against that."""
        if self._ticking == threading.get_ident():
            return self.scrape.at_ms * 1_000_000
        return time.time_ns()

    def now(self) -> datetime:
        """The scrape's time, as a date."""
        return datetime.fromtimestamp(self.scrape.at_ms / 1000, UTC)

    def tick(self, sampler: ReplaySampler, scrape: Scrape, period_s: float | None = None) -> Sample:
        """Let the sampler take one scrape.

        Args:
            sampler: Takes it.
            scrape: It.
            period_s: How far apart scrapes were then, in seconds; None as the sampler was told.
        """
        self.scrape, self._ticking = scrape, threading.get_ident()
        sampler.expect(sampler.period_s if period_s is None else period_s)
        try:
            return sampler.tick()
        finally:
            self._ticking = None

    # -- what the sampler reads ---------------------------------------------------------------------------------------

    def read(self) -> NetworkReading:
        """Byte counters by interface."""
        scrape = self.scrape.figures()
        received, sent = scrape.of(_RECEIVED), scrape.of(_SENT)
        if not received:
            raise ValueError("the scrape holds no network counters")
        pairs = {name: Counters(int(value), int(sent[name])) for name, value in received.items() if name in sent}
        counted = [self.scrape.of(metric) for metric in _FAULTS]
        faults = {name: Faults(*(each[name] for each in counted)) for name in pairs if all(name in e for e in counted)}
        return NetworkReading(self.scrape.at_ms * 1_000_000, 0, pairs, faults)

    def close(self) -> None:
        """Nothing is held open."""

    def cpu(self) -> tuple[CpuTimes, ...]:
        """Seconds by core, in the order of their numbers."""
        busy: dict[str, float] = {}
        idle: dict[str, float] = {}
        modes: dict[str, dict[str, float]] = {}
        for key, seconds in self.scrape.figures().of(_CPU).items():
            core, _, mode = key.partition("|")
            name = _MODES.get(mode, mode)
            if name != "idle":
                of_core = modes.setdefault(core, {})
                of_core[name] = of_core.get(name, 0.0) + seconds
            into = idle if mode in _NOT_BUSY else busy
            into[core] = into.get(core, 0.0) + seconds
        if not idle:
            raise ValueError(f"the scrape holds no {_CPU}")
        cores = sorted(idle, key=lambda core: (len(core), core))
        return tuple(CpuTimes(busy.get(core, 0.0), idle[core], modes.get(core, {})) for core in cores)

    def memory(self) -> Memory:
        """Memory in bytes; ValueError without its total or what is available. Swap that is not told is None, not 0."""
        scrape = self.scrape.figures()
        total, available = scrape.one(_TOTAL), scrape.one(_AVAILABLE)
        swap_total, swap_free = (scrape.of(metric).get("") for metric in (_SWAP_TOTAL, _SWAP_FREE))
        if swap_total is None or swap_free is None:
            return Memory(int(total), int(available), None, None)
        return Memory(int(total), int(available), int(swap_total), int(swap_total - swap_free))

    def load(self) -> tuple[float, float, float]:
        """Load averages."""
        one, five, fifteen = (self.scrape.figures().one(metric) for metric in _LOADS)
        return one, five, fifteen

    def disks(self) -> Mapping[str, Counters]:
        """Whole disks only."""
        written = self.scrape.figures().of(_WRITTEN)
        return {
            name: Counters(int(value), int(written[name]))
            for name, value in self.scrape.of(_READ).items()
            if name in written and not _NOT_WHOLE_DISK.match(name)
        }

    def pressure(self) -> Mapping[str, int]:
        """Microseconds in which some task waited; empty where the host does not tell."""
        found = {name: self.scrape.figures().of(metric).get("") for name, metric in PRESSURE.items()}
        return {name: int(seconds * 1e6) for name, seconds in found.items() if seconds is not None}

    def describe(self, names: Iterable[str]) -> dict[str, InterfaceInfo]:
        """What each interface is, as far as node_exporter tells."""
        return {name: self._describe(name) for name in names}

    def _describe(self, name: str) -> InterfaceInfo:
        number = self.about.of("node_network_protocol_type").get(name)
        flags = int(self.about.of("node_network_flags").get(name, 0))
        own, link = (self.about.of(f"node_network_iface_{each}").get(name) for each in ("id", "link"))
        kind: InterfaceKind = "unknown"
        if number == _LOOPBACK_TYPE or (number is None and name == "lo"):
            kind = "loopback"
        elif number in _TUNNEL_TYPES:
            kind = "tunnel"
        elif flags & _IFF_MASTER:
            kind = "bond"
        elif own is not None and link is not None and own != link:
            kind = "virtual"
        speed = self.about.of("node_network_speed_bytes").get(name, 0.0)
        return InterfaceInfo(name, kind, "a bond" if flags & _IFF_SLAVE else None, speed if speed > 0 else None)

    def choose(self, infos: Mapping[str, InterfaceInfo], counters: Mapping[str, Counters]) -> TotalChoice:
        """The busiest interface: the exporter does not tell which carries the default route."""
        chosen = busiest(infos, counters)
        if not chosen.names:
            return chosen
        return TotalChoice(chosen.names, f"node_exporter tells no default route: {chosen.names[0]} is the busiest")


class ReplaySampler(Sampler):
    """The sampler over scrapes: never started, and silent, since what is missing is another machine's trouble."""

    def __init__(self, replay: Replay, *, period_s: float, keep: int, seq: int) -> None:
        super().__init__(replay, replay, replay, period_s=period_s, keep=keep, clock_ns=replay.clock_ns, now=replay.now)
        self.seq = self.changed_at_seq = seq

    def start(self) -> None:
        """Nothing to start: scrapes come from Prometheus."""

    def expect(self, period_s: float) -> None:
        """Judge what is late by another period, in seconds: that of a host may be changed at any time."""
        self._period_ns = int(period_s * 1e9)
        self._host.expect(self._period_ns)

    def _say(self, what: str, text: str) -> None:
        logging.getLogger("ops.system").debug("%s: %s", what, text)


def mounts(scrape: Scrape) -> tuple[Mount, ...]:
    """The file systems of a scrape that hold data, the root first.

    Args:
        scrape: One that asked for `MOUNT_METRICS`.
    """
    found = []
    for key, total in scrape.of(_SIZE).items():
        path, _, kind = key.partition("|")
        avail, free = scrape.of(_AVAIL).get(key), scrape.of(_FREE).get(key)
        if kind in NO_PLACE or total <= 0 or avail is None or free is None:
            continue
        label = "root" if path == "/" else path
        at = datetime.fromtimestamp(scrape.at_ms / 1000, UTC)
        found.append(Mount(path, label, int(total), int(total - free), int(avail), at))
    return tuple(sorted(found, key=lambda mount: (mount.path != "/", mount.path)))


def cadence_s(times_ms: Sequence[int], usual_s: float) -> float:
    """How far apart the newest scrapes are, in seconds.

    Args:
        times_ms: When scrapes were, epoch milliseconds, oldest first.
        usual_s: What is answered while they are too few to tell.
    """
    newest = list(times_ms)[-CADENCE_OF:]
    return usual_s if len(newest) < CADENCE_OF else step_s(newest) or usual_s


def cadences(found: Sequence[Scrape], period_s: float) -> list[float]:
    """How far apart scrapes were at each, in seconds, by those before and those after it.

    Args:
        found: The scrapes, oldest first.
        period_s: How far apart they are now: what they are taken to be where they are too few to tell.
    """
    times_ms = [scrape.at_ms for scrape in found]
    first_s = cadence_s(times_ms[:CADENCE_OF], period_s)
    before_s = [cadence_s(times_ms[max(0, end - CADENCE_OF) : end], first_s) for end in range(1, len(times_ms) + 1)]
    after_s = [cadence_s(times_ms[begin : begin + CADENCE_OF], 0.0) for begin in range(len(times_ms))]
    return [max(each) for each in zip(before_s, after_s, strict=True)]


def step_s(times_ms: Sequence[int]) -> float | None:
    """How far apart scrapes are, in seconds: the median of their distances; None of fewer than two."""
    steps = sorted(after - before for before, after in pairwise(times_ms))
    return steps[len(steps) // 2] / 1000 if steps else None
