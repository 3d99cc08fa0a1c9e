"""What the machine's figures look like: frozen values that travel from the sampler to the screen.

Unknown is None with its reason beside it. A 0 says that the counter was read twice and did not move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from ..result import NotConfigured, Problem

InterfaceKind: TypeAlias = Literal["physical", "virtual", "bridge", "bond", "tunnel", "loopback", "unknown"]
Scope: TypeAlias = Literal["host", "container", "unknown"]


class Gap(StrEnum):
    """Why two readings give no rate."""

    MEASURING = "measuring"  # the first reading, or the first after one that failed: a rate needs two
    RESET = "counter reset"  # a counter stands lower than before, or has just come back
    GONE = "interface gone"  # the counter is no longer listed
    IMPOSSIBLE = "faster than possible"  # the counter moved on by more than the link, or any link, carries
    LATE = "late sample"  # more than 1.5 periods since the reading before
    READ_ERROR = "read error"  # the counter could not be read
    DOWN = "host down"  # Prometheus asked the host, and it did not answer
    NO_FIGURES = "no figures"  # it answered, but without node_exporter's
    MOVED = "route changed"  # the total adds up other interfaces than at the reading before
    BUSIER = "another is the busiest"  # the same, where no default route chose either of them
    NO_ROUTE = "no interface"  # nothing to add up: no interface but loopback
    UNSUPPORTED = "not offered here"  # this system has no such counter
    LEFT_OUT = "not recorded (more than 64 interfaces), or gone"  # the past of so many is not kept
    STALE = "no newer sample"  # the newest sample is older than three periods


@dataclass(frozen=True, slots=True)
class Counters:
    """Two byte counters that belong together: received and sent, or read and written."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Rate:
    """Bytes per second over one step, or why there are none.

    Attributes:
        first: Received (or read) bytes per second; None with a reason.
        second: Sent (or written) bytes per second; None with a reason.
        reason: Why both are None; None when both are known.
    """

    first: float | None
    second: float | None
    reason: Gap | None = None


@dataclass(frozen=True, slots=True)
class Faults:
    """Packets of one interface that did not get through: counters, or packets per second over a step."""

    err_in: float
    err_out: float
    drop_in: float
    drop_out: float


@dataclass(frozen=True, slots=True)
class NetworkReading:
    """All interfaces' counters at one moment.

    Attributes:
        at_ns: Monotonic time stamped before the read, in nanoseconds.
        took_ns: How long the read took, in nanoseconds: the error bound of `at_ns`.
        counters: Received and sent bytes by interface, as the kernel counts them.
        faults: Errors and drops by interface, counted since it was made.
    """

    at_ns: int
    took_ns: int
    counters: Mapping[str, Counters]
    faults: Mapping[str, Faults] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InterfaceInfo:
    """What an interface is, as the system describes it.

    Attributes:
        name: The kernel's name.
        kind: From the device's own description, never from its name.
        master: The bridge or bond it is a port of; its bytes are counted there again.
        speed_bytes_per_s: Link speed, None when the system does not tell.
        lowers: Interfaces that carry its frames: ports of a bridge or bond, the one below a VLAN.
    """

    name: str
    kind: InterfaceKind
    master: str | None = None
    speed_bytes_per_s: float | None = None
    lowers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TotalChoice:
    """Which interfaces the total adds up, and by which rule.

    Attributes:
        names: The interfaces.
        rule: What chose them, in words.
        routed: Whether a default route did; else it is a guess.
    """

    names: tuple[str, ...]
    rule: str
    routed: bool = False


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds one core has spent, since the start of the system.

    Attributes:
        busy_s: Doing anything.
        idle_s: Doing nothing, waiting for a disk included.
        modes: Seconds by mode: "user" and "system" are parts of busy, "iowait" of idle, "steal" of busy. Those that the
            system does not count are absent.
    """

    busy_s: float
    idle_s: float
    modes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in bytes.

    Attributes:
        total: Of the machine.
        available: What a program can still get without swapping.
        swap_total: 0 when the machine has no swap, None when it tells of none.
        swap_used: In use; None as its total.
        limit: The container's own limit, None when it has none.
        limit_used: In use against that limit, without file cache that can be dropped.
        limit_unread: There may be a limit, but it could not be read.
    """

    total: int
    available: int
    swap_total: int | None
    swap_used: int | None
    limit: int | None = None
    limit_used: int | None = None
    limit_unread: bool = False

    @property
    def used(self) -> int:
        """Bytes in use: total less available."""
        return self.total - self.available


@dataclass(frozen=True, slots=True)
class Mount:
    """One file system that matters to the console.

    Attributes:
        path: Where it is looked at.
        label: "root" or "data folder".
        total: Bytes; None with a reason.
        used: Bytes in use.
        free: Bytes that the console may still write.
        at: When it answered last, UTC; None when never.
        reason: Why there is no figure, in words.
    """

    path: str
    label: str
    total: int | None = None
    used: int | None = None
    free: int | None = None
    at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Temperature:
    """One sensor.

    Attributes:
        label: The chip's and the sensor's name.
        celsius: Its newest reading.
        high: From where on its maker calls it hot; None when not told.
        critical: From where on its maker calls it dangerous; None when not told.
    """

    label: str
    celsius: float
    high: float | None = None
    critical: float | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One graphics processor; what its driver does not tell is None.

    Attributes:
        number: Its place, from 0.
        name: As its maker calls it.
        percent: Share of the last moments in which it computed.
        memory_used: Bytes.
        memory_total: Bytes.
        celsius: Its temperature.
        watts: What it draws.
    """

    number: int
    name: str
    percent: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    celsius: float | None = None
    watts: float | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """What is read more slowly than the ticks, each on a thread of its own: the newest answers.

    Attributes:
        mounts: File systems.
        temperatures: Sensors; none on most virtual machines.
        gpus: Graphics processors; none without NVIDIA's driver and its Python library.
        reasons: Why a reading is missing, by "temperature" or "gpu".
        mounts_left_out: How many more file systems there are than are watched.
    """

    mounts: tuple[Mount, ...] = ()
    temperatures: tuple[Temperature, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    mounts_left_out: int = 0


@dataclass(frozen=True, slots=True)
class HostSample:
    """CPU, memory, load and disk at one tick; each None has its reason in `reasons`.

    The reason stands under the reading's name, or under the series' own where the others of that reading are known.

    Attributes:
        cpu_percent: Busy share of all cores over the step, 0 to 100.
        core_percents: The same per core.
        memory: None when it could not be read.
        load: Runnable tasks averaged over 1, 5 and 15 minutes.
        disk_io: Bytes read and written per second, sum of the whole disks.
        reasons: By field name.
        cpu_modes: Share of all cores by mode ("user", "system", "iowait", "steal"), 0 to 100.
        disks: Bytes read and written per second by whole disk.
        pressure: Share of the step in which some task waited, by "cpu", "mem" or "io"; empty where not counted.
    """

    cpu_percent: float | None
    core_percents: tuple[float | None, ...]
    memory: Memory | None
    load: tuple[float, float, float] | None
    disk_io: Rate
    reasons: Mapping[str, str]
    cpu_modes: Mapping[str, float | None] = field(default_factory=dict)
    disks: Mapping[str, Rate] = field(default_factory=dict)
    pressure: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One tick of the sampler.

    Attributes:
        seq: Grows by one a tick and never comes back, not even over a restart.
        at: Wall clock when the network was read, UTC.
        at_ns: The same on the monotonic clock, for ages.
        interval_s: Measured step since the network reading before, in seconds; None for the first.
        total: Rate of the interfaces in `choice`.
        rates: Rate by interface, those that vanished lately included.
        choice: What `total` adds up.
        host: The rest of the machine.
        imprecise: The read took so long that rates are good to a few per cent only.
        faults: Errors and drops per second by interface; absent where the byte rate is a gap, or not counted.
        total_faults: Those of the interfaces in `choice`; None as the rate, or not counted.
    """

    seq: int
    at: datetime
    at_ns: int
    interval_s: float | None
    total: Rate
    rates: Mapping[str, Rate]
    choice: TotalChoice
    host: HostSample
    imprecise: bool = False
    faults: Mapping[str, Faults] = field(default_factory=dict)
    total_faults: Faults | None = None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What does not change while the machine runs.

    Attributes:
        scope: Whose network and processes are seen.
        scope_rule: How that was found out.
        cores: Logical cores the figures cover.
        cpu_limit: Cores the container may use, None without a limit.
        network_source: Where the counters come from, such as "/proc/net/dev".
        name: What the system calls itself.
        system: Which system, and its version.
        uptime_s: Since its start, in seconds; None when not told.
        cpu_limit_unread: There may be a limit, but it could not be read.
    """

    scope: Scope
    scope_rule: str
    cores: int | None
    cpu_limit: float | None
    network_source: str
    name: str | None = None
    system: str | None = None
    uptime_s: float | None = None
    cpu_limit_unread: bool = False


@dataclass(frozen=True, slots=True)
class Down:
    """A host that does not answer.

    Attributes:
        since: When it answered last, UTC; None when never in the time that is looked back.
    """

    since: datetime | None


@dataclass(frozen=True, slots=True)
class Live:
    """The newest points for one viewer.

    Attributes:
        points: Samples after the viewer's cursor, oldest first; the whole window when `reset`.
        seq: Cursor for the next question.
        reset: The cursor was too old or of another run: drop what is drawn and take `points`.
        new_facts: The set of interfaces, the total's choice or a limit changed after the cursor.
        age_s: Age of the newest sample in seconds, by the sampler's own clock; None before the first.
        period_s: The sampler's period in seconds.
        interface: The interface asked for; None is the total.
        infos: Every interface known now.
        facts: About the machine.
        mounts: File systems, newest answers.
        levels: The newest answers of everything that is read more slowly.
        down: The host does not answer those who ask for its figures; None while it does.
        notes: What the source says of its own answers, such as Prometheus's warnings.
        empty: Why there is no figure though the host is not known to be down, in words; None where there are some.
    """

    points: tuple[Sample, ...]
    seq: int
    reset: bool
    new_facts: bool
    age_s: float | None
    period_s: float
    interface: str | None
    infos: Mapping[str, InterfaceInfo]
    facts: HostFacts
    mounts: tuple[Mount, ...]
    levels: Levels = field(default_factory=Levels)
    down: Down | None = None
    notes: tuple[str, ...] = ()
    empty: str | None = None


@dataclass(frozen=True, slots=True)
class NetworkNow:
    """The newest network rates.

    Attributes:
        sample: None before the first tick.
        infos: Every interface known now.
        age_s: Age of the sample in seconds; None before the first.
        period_s: The sampler's period in seconds.
        seq: The sampler's cursor.
        facts: About the machine.
    """

    sample: Sample | None
    infos: Mapping[str, InterfaceInfo]
    age_s: float | None
    period_s: float
    seq: int
    facts: HostFacts


@dataclass(frozen=True, slots=True)
class HostNow:
    """The newest figures of the machine, its file systems, and what else is read more slowly."""

    sample: Sample | None
    mounts: tuple[Mount, ...]
    facts: HostFacts
    age_s: float | None
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class InterfaceRow:
    """One line of the table of interfaces."""

    info: InterfaceInfo
    rate: Rate
    in_total: bool


HostState: TypeAlias = Literal["up", "down", "never seen", "no data"]


@dataclass(frozen=True, slots=True)
class HostRow:
    """One line of the table of hosts.

    Attributes:
        id: What `host=` takes; None is this machine.
        name: As the host calls itself, else its address.
        instance: The address it is scraped at; None for this machine.
        job: Prometheus's name of the group it belongs to.
        state: "no data": it should answer and nothing of it is known now.
        reason: Why the state is not "up", in words.
        seen_at: When it was read last with success, UTC; None when not known.
        period_s: How far apart its readings are, in seconds.
        sample: Its newest reading; None unless it is up.
        root: Its root file system.
    """

    id: str | None
    name: str
    instance: str | None = None
    job: str | None = None
    state: HostState = "up"
    reason: str | None = None
    seen_at: datetime | None = None
    period_s: float | None = None
    sample: Sample | None = None
    root: Mount | None = None


@dataclass(frozen=True, slots=True)
class HostList:
    """This machine, and the hosts that Prometheus watches.

    Attributes:
        rows: This machine first, then by name.
        problem: Why Prometheus gave no list; its hosts of before are then listed without figures.
        unset: What to set where there is no Prometheus.
        notes: What Prometheus says of its answers, such as that one is partial.
    """

    rows: tuple[HostRow, ...]
    problem: Problem | None = None
    unset: NotConfigured | None = None
    notes: tuple[str, ...] = ()
