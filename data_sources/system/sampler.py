"""One thread reads the machine on a fixed schedule and keeps the last hour; every viewer reads the same ring.

Rates that were taken inside a request would differ by viewer: two of them split each other's window.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from ..result import utc_now
from . import rates
from .host import HostReader
from .host_rates import UNREADABLE, HostRates, why_unread
from .interfaces import InterfaceCatalog, keep_gone
from .network import NetworkReader
from .types import Faults, Gap, InterfaceInfo, NetworkReading, Rate, Sample, TotalChoice

log = logging.getLogger("ops.system")

PERIOD_S = 2.0
KEEP = 1800  # one hour
_FORGET_TICKS = 150  # an interface that is gone stays listed for five minutes
_DESCRIBE_TICKS = 30  # kinds, masters and masters are looked up anew every minute, and whenever the list changes


def next_slot_ns(origin_ns: int, period_ns: int, now_ns: int) -> int:
    """When to sample next on a schedule that never drifts.

    Args:
        origin_ns: Any slot of the schedule.
        period_ns: Distance of two slots.
        now_ns: The time now, on the same clock.

    Returns:
        The first slot at least half a period away: a late tick is followed by a step of one to one and a half
        periods, never by a burst of short ones.
    """
    slots = (now_ns + period_ns // 2 - origin_ns) // period_ns + 1
    return origin_ns + slots * period_ns


class Sampler:
    """Takes the samples. `tick` does one; `start` runs them on a thread."""

    def __init__(
        self,
        network: NetworkReader,
        host: HostReader,
        catalog: InterfaceCatalog,
        *,
        period_s: float = PERIOD_S,
        keep: int = KEEP,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.period_s = period_s
        self.network = network
        self._period_ns = int(period_s * 1e9)
        self._host = HostRates(host, period_ns=self._period_ns, clock_ns=clock_ns, say=self._say)
        self._catalog = catalog
        self._clock_ns, self._now = clock_ns, now
        self._ring: deque[Sample] = deque(maxlen=keep)
        # Milliseconds of the start: a later run's cursor is always ahead of an earlier one's, so a viewer whose
        # server was restarted is told to start anew.
        self.seq = int(now().timestamp() * 1e3)
        self.infos: Mapping[str, InterfaceInfo] = {}
        self.changed_at_seq = self.seq
        self._choice = TotalChoice((), "")
        self._listed: set[str] = set()
        self._tracks: dict[str, rates.Track | None] = {}
        self._gone_since: dict[str, int] = {}
        self._last_read: NetworkReading | None = None
        self._unread = rates.gap(Gap.READ_ERROR)  # why the last reading failed, where it did
        self._unread_ns: int | None = None  # when that was; None where it did not
        self._last_faults: Mapping[str, Faults] = {}
        self._ticks = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._stop = threading.Event()
        self._said: dict[str, str] = {}
        # Called in the sampler's thread after each tick; must not raise.
        self.on_tick: Callable[[], None] | None = None
        self.on_sample: Callable[[Sample], None] | None = None  # takes each sample in, in the sampler's thread

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread if this process has none: never at import, and again after a fork."""
        if self._thread is not None and self._pid == os.getpid():
            return
        with self._lock:
            if self._thread is not None and self._pid == os.getpid():
                return
            self._stop = threading.Event()
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), name="ops-sampler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and let go of the files."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and self._pid == os.getpid():
            thread.join(timeout=self.period_s + 1)
        self.network.close()

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self, stop: threading.Event) -> None:
        origin_ns = self._clock_ns()
        while not stop.is_set():
            try:
                self.tick()
                if self.on_tick is not None:
                    self.on_tick()
            except Exception:  # a bug of ours: in the log with its stack, and on the screen as a gap
                log.exception("A sample could not be taken")
            now_ns = self._clock_ns()
            stop.wait((next_slot_ns(origin_ns, self._period_ns, now_ns) - now_ns) / 1e9)

    # -- what viewers read ------------------------------------------------------------------------------------------

    def newest(self) -> Sample | None:
        """The newest sample."""
        with self._lock:
            return self._ring[-1] if self._ring else None

    def since(self, cursor: int) -> tuple[tuple[Sample, ...], bool]:
        """Samples after a cursor, and whether some of them are no longer kept (or the cursor is of another run)."""
        with self._lock:
            if not self._ring:
                return (), cursor != self.seq
            missing = self.seq - cursor
            if missing < 0 or missing > len(self._ring):
                return tuple(self._ring), True
            if missing <= 1:  # the usual case: one new tick, or none yet
                return ((self._ring[-1],) if missing else ()), False
            return tuple(self._ring)[len(self._ring) - missing :], False

    def age_s(self) -> float | None:
        """Seconds since the newest sample, by the clock that never jumps; None before the first."""
        newest = self.newest()
        return None if newest is None else (self._clock_ns() - newest.at_ns) / 1e9

    # -- one tick ---------------------------------------------------------------------------------------------------

    def tick(self) -> Sample:
        """Read everything once and keep the sample."""
        reading = self._read_network()
        at_ns = self._clock_ns() if reading is None else reading.at_ns
        at = self._now()
        interval_s = None if self._last_read is None else (at_ns - self._last_read.at_ns) / 1e9
        by_name = dict.fromkeys(self._tracks, self._unread) if reading is None else self._network_rates(reading)
        faults = {} if reading is None else self._fault_rates(reading, by_name)
        if reading is None:
            total = self._unread
        else:
            before = self._choice
            self._look_around(reading)
            self._last_read = reading
            if before.names and before.names != self._choice.names:
                total = rates.gap(Gap.MOVED if before.routed or self._choice.routed else Gap.BUSIER)
            else:
                total = rates.add_up(by_name, self._choice.names)
        host = self._host.sample()
        imprecise = reading is not None and reading.took_ns > 0.02 * self._period_ns
        with self._lock:
            self.seq += 1
            sample = Sample(
                seq=self.seq,
                at=at,
                at_ns=at_ns,
                interval_s=interval_s,
                total=total,
                rates=by_name,
                choice=self._choice,
                host=host,
                imprecise=imprecise,
                faults=faults,
                total_faults=None if total.reason else rates.add_faults(faults, self._choice.names),
            )
            self._ring.append(sample)
            self._ticks += 1
        if self.on_sample is not None:
            self.on_sample(sample)
        return sample

    def _read_network(self) -> NetworkReading | None:
        try:
            reading = self.network.read()
        except UNREADABLE as error:
            self._unread, self._unread_ns = rates.gap(why_unread(error)), self._clock_ns()
            self._say("network", f"{self.network.source} could not be read: {error}")
            return None
        self._say("network", "")
        return reading

    def _network_rates(self, reading: NetworkReading) -> dict[str, Rate]:
        """Every listed interface's rate, and a gap for those that vanished in the last minutes."""
        found = {}
        since_ns = None if self._unread_ns is None else reading.at_ns - self._unread_ns
        self._unread_ns = None
        for name in [*reading.counters, *(each for each in self._tracks if each not in reading.counters)]:
            info = self.infos.get(name)
            self._tracks[name], found[name] = rates.step(
                self._tracks.get(name),
                reading.at_ns,
                reading.counters.get(name),
                period_ns=self._period_ns,
                ceiling_bytes_per_s=None if info is None else info.speed_bytes_per_s,
                possible_bytes_per_s=rates.possible(info),
            )
            if found[name].reason is Gap.LATE:
                found[name] = rates.gap(rates.why_late(since_ns, self._period_ns))
            if found[name].reason is Gap.GONE:
                since = self._gone_since.setdefault(name, self._ticks)
                if self._ticks - since >= _FORGET_TICKS:
                    del self._tracks[name], self._gone_since[name], found[name]
            else:
                self._gone_since.pop(name, None)
        return found

    def _fault_rates(self, reading: NetworkReading, by_name: Mapping[str, Rate]) -> Mapping[str, Faults]:
        """Errors and drops per second of every interface whose byte rate is known over the same step."""
        last = self._last_read
        if last is None:
            return {}
        seconds = (reading.at_ns - last.at_ns) / 1e9
        found = {}
        for name, after in reading.faults.items():
            if by_name[name].reason is None:
                rate = rates.fault_rates(last.faults.get(name), after, seconds)
                if rate is not None:
                    found[name] = rate
        if found == self._last_faults:
            return self._last_faults  # mostly nothing fails: an hour of that is kept once
        self._last_faults = found
        return found

    def _look_around(self, reading: NetworkReading) -> None:
        """What the interfaces are (when the list changes), and which the total takes (every tick: routes move)."""
        infos = self.infos
        if (
            set(self._tracks) != set(infos)
            or self._listed != set(reading.counters)
            or not self._ticks % _DESCRIBE_TICKS
        ):
            described = self._catalog.describe(reading.counters)
            # one that is gone keeps its last description for as long as it is listed
            infos = {name: described.get(name) or infos.get(name, _undescribed(name)) for name in self._tracks}
            self._listed = set(reading.counters)
        choice = self._catalog.choose({name: infos[name] for name in reading.counters}, reading.counters)
        choice = keep_gone(self._choice, choice, self._tracks, reading.counters)
        if infos != self.infos or choice != self._choice:
            self.infos, self._choice = infos, choice
            self.changed_at_seq = self.seq + 1

    def _say(self, what: str, text: str) -> None:
        """Log a trouble when it starts and when it ends, not every two seconds."""
        if self._said.get(what, "") != text:
            self._said[what] = text
            log.warning("%s", text or f"{what} can be read again")


def _undescribed(name: str) -> InterfaceInfo:
    return InterfaceInfo(name, "unknown")
