"""A machine whose counters and clock a test moves by hand: the readers that the sampler takes, not patches of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data_sources.system.interfaces import busiest
from data_sources.system.levels import SlowReadings
from data_sources.system.mounts import MountWatch, Usage
from data_sources.system.sampler import Sampler
from data_sources.system.source import SystemSource
from data_sources.system.types import Counters, CpuTimes, Faults, InterfaceInfo, Memory, NetworkReading, TotalChoice

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GB = 10**9


class FakeMachine:
    """Network, host and catalog readers in one, with a clock; every fault is an attribute."""

    source = "/proc/net/dev"

    def __init__(self) -> None:
        self.at_ns = 5 * GB
        self.clock_offset_s = 0.0  # somebody set the wall clock
        self.counters: dict[str, Counters] = {"eth0": Counters(10**12, 10**11), "lo": Counters(1000, 1000)}
        self.kinds = {"lo": "loopback"}
        self.route: tuple[str, ...] = ("eth0",)
        self.network_error: Exception | None = None
        self.host_error: Exception | None = None
        modes = {"user": 60.0, "system": 40.0, "iowait": 5.0}
        self.cores = [CpuTimes(100.0, 1000.0, modes), CpuTimes(100.0, 1000.0, modes)]
        self.disk = {"vda": Counters(5000, 7000)}
        self.faults: dict[str, Faults] = {"eth0": Faults(0, 0, 0, 0), "lo": Faults(0, 0, 0, 0)}
        self.waited = {"cpu": 0, "mem": 0, "io": 0}
        self.closed = False
        self.reads = threading.Event()

    # -- what a test does ---------------------------------------------------------------------------------------------

    def clock_ns(self) -> int:
        return self.at_ns

    def now(self) -> datetime:
        return START + timedelta(microseconds=self.at_ns // 1000, seconds=self.clock_offset_s)

    def wait(self, seconds: float) -> None:
        """Let time pass; each core is busy for a quarter of it."""
        self.at_ns += int(seconds * 1e9)
        self.cores = [
            CpuTimes(
                c.busy_s + seconds / 4,
                c.idle_s + seconds * 3 / 4,
                {
                    "user": c.modes["user"] + seconds / 8,
                    "system": c.modes["system"] + seconds / 8,
                    "iowait": c.modes["iowait"] + seconds / 2,
                },
            )
            for c in self.cores
        ]

    def receive(self, name: str, received: int, sent: int = 0) -> None:
        old = self.counters[name]
        self.counters[name] = Counters(old.first + received, old.second + sent)

    # -- what the sampler reads ---------------------------------------------------------------------------------------

    def read(self) -> NetworkReading:
        self.reads.set()
        if self.network_error:
            raise self.network_error
        faults = {name: self.faults[name] for name in self.counters if name in self.faults}
        return NetworkReading(self.at_ns, 0, dict(self.counters), faults)

    def close(self) -> None:
        self.closed = True

    def describe(self, names: Iterable[str]) -> dict[str, InterfaceInfo]:
        return {name: InterfaceInfo(name, self.kinds.get(name, "physical")) for name in names}  # type: ignore[arg-type]

    def choose(self, infos: Mapping[str, InterfaceInfo], counters: Mapping[str, Counters]) -> TotalChoice:
        names = tuple(name for name in self.route if name in counters)
        return (
            TotalChoice(names, f"{names[0]} carries the IPv4 default route", True)
            if names
            else busiest(infos, counters)
        )

    def cpu(self) -> tuple[CpuTimes, ...]:
        if self.host_error:
            raise self.host_error
        return tuple(self.cores)

    def memory(self) -> Memory:
        if self.host_error:
            raise self.host_error
        return Memory(total=8 * GB, available=6 * GB, swap_total=0, swap_used=0)

    def load(self) -> tuple[float, float, float]:
        if self.host_error:
            raise self.host_error
        return (0.5, 0.25, 0.125)

    def disks(self) -> Mapping[str, Counters]:
        if self.host_error:
            raise self.host_error
        return dict(self.disk)

    def pressure(self) -> Mapping[str, int]:
        if self.host_error:
            raise self.host_error
        return dict(self.waited)

    # -- wired ------------------------------------------------------------------------------------------------------

    def sampler(self, **options: object) -> Sampler:
        return Sampler(self, self, self, clock_ns=self.clock_ns, now=self.now, **options)  # type: ignore[arg-type]

    def held_source(self, history_file: Path | None = None, **options: object) -> SystemSource:
        """A source whose sampler only ticks when the test says so."""
        slow = SlowReadings((self.mount(),))
        source = SystemSource(self.sampler(**options), slow, history_file=history_file, now=self.now)
        source.sampler.start = lambda: None  # type: ignore[method-assign]
        return source

    def mount(self) -> MountWatch:
        return MountWatch("/", "root", ask=lambda _: Usage(100 * GB, 40 * GB, 55 * GB))
