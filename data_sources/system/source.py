"""The machine as one source: pages and routes ask it, the sampler behind it measures.

Nothing is read when it is made; the sampler starts with `open`, or with the first question.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psutil

from ..result import Failed, Kind, Problem, Provenance, Ready, Result, utc_now
from .cgroup import ControlGroup, LimitUnreadError
from .history import History
from .history_reader import HistoryQuery
from .host import find_scope, host_reader, uptime_s
from .interfaces import SYS_CLASS_NET, InterfaceCatalog, LinuxInterfaces, PlainInterfaces
from .levels import SlowReadings
from .mounts import MountWatch
from .network import network_reader
from .processes import ProcessList, ProcessWatch
from .sampler import PERIOD_S, Sampler
from .types import HostFacts, HostNow, InterfaceRow, Live, NetworkNow, Sample
from .windows import HistoryWindow

STALE_PERIODS = 3
HISTORY_FILE = "history.db"


class SystemSource:
    """Answers what the machine does now and did in the last hour."""

    def __init__(
        self,
        sampler: Sampler,
        slow: SlowReadings | None = None,
        *,
        cpu_limit: Callable[[], float | None] = lambda: None,
        history_file: Path | None = None,
        min_free_bytes: int = 0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Take the parts; `SystemSource.of_this_machine` makes the usual ones.

        Args:
            sampler: Takes the samples; not started yet.
            slow: File systems, temperatures and graphics processors; not started yet.
            cpu_limit: Reads how many cores the container may use now, None without a limit; LimitUnreadError when
                it cannot tell.
            history_file: Where the history is kept; None keeps the last hour only.
            min_free_bytes: With less free disk no history is written.
            now: The wall clock of the history's windows.
        """
        self.sampler = sampler
        self._slow = slow or SlowReadings()
        self._processes = ProcessWatch()
        self._history = History(
            history_file,
            period_s=sampler.period_s,
            min_free_bytes=min_free_bytes,
            now=now,
            levels=self._slow.now,
        )
        sampler.on_sample = self._history.record
        self._cpu_limit = cpu_limit
        self._limit: tuple[int, float | None, bool] | None = None  # tick, cores, whether it could not be read
        self._limited_at_seq = -1  # since when the limit is what it is
        self._opened = False
        self._lock = threading.Lock()
        self._scope: tuple[int, HostFacts] | None = None
        self._query = f"Byte counters every {sampler.period_s:g} s, difference over the measured step; 1 kB = 1,000 B"

    @classmethod
    def of_this_machine(cls, data_dir: Path, *, period_s: float = PERIOD_S, min_free_bytes: int = 0) -> SystemSource:
        """Watch this machine, its root and the console's data folder."""
        group = ControlGroup()
        sampler = Sampler(network_reader(), host_reader(group), interface_catalog(), period_s=period_s)
        slow = SlowReadings.of_this_machine((MountWatch("/", "root"), MountWatch(str(data_dir), "data folder")))
        history_file = data_dir / HISTORY_FILE
        return cls(sampler, slow, cpu_limit=group.cpu, history_file=history_file, min_free_bytes=min_free_bytes)

    def open(self) -> None:
        """Start measuring. Cheap to call again; needed again after a fork, and called by every question."""
        self.sampler.start()
        if not self._opened:
            with self._lock:
                if not self._opened:
                    self._opened = True
                    self._history.start()
                    self._slow.start()

    def close(self) -> None:
        """Stop measuring."""
        self._opened = False
        self.sampler.stop()
        self._history.close()
        self._slow.stop()
        self._processes.stop()

    def network(self) -> Result[NetworkNow]:
        """The newest network rates.

        Returns:
            Ready also before the first rate (each unknown carries its reason), with `stale` once the newest sample is
            older than three periods.
        """
        self.open()
        sample, age_s = self.sampler.newest(), self.sampler.age_s()
        now = NetworkNow(sample, self.sampler.infos, age_s, self.sampler.period_s, self.sampler.seq, self.facts())
        return Ready(now, self._provenance(sample), self._stale(age_s))

    def host(self) -> Result[HostNow]:
        """The newest figures of CPU, memory, load and disk, and the file systems."""
        self.open()
        sample, age_s = self.sampler.newest(), self.sampler.age_s()
        levels = self._slow.now()
        return Ready(
            HostNow(sample, levels.mounts, replace(self.facts(), uptime_s=uptime_s()), age_s, levels),
            self._provenance(sample),
            self._stale(age_s),
        )

    def live(self, since: int | None = None, interface: str | None = None, window_s: float = 300) -> Result[Live]:
        """The points after a viewer's cursor.

        Args:
            since: The cursor of the last answer; None asks for the whole window.
            interface: One interface; None is the total. A name that is not there answers with gaps that say so.
            window_s: How far back a whole window reaches, in seconds, one hour at most.

        Returns:
            Ready; `reset` tells the viewer to drop what it has. `stale` as in `network`.
        """
        self.open()
        sampler = self.sampler
        points, reset = sampler.since(-1 if since is None else since)
        if reset:
            keep = int(window_s / sampler.period_s) + 1
            points = points[-keep:]
        newest = points[-1] if points else sampler.newest()
        age_s, levels, facts = sampler.age_s(), self._slow.now(), self.facts()
        changed_at_seq = max(sampler.changed_at_seq, self._limited_at_seq)
        live = Live(
            points=points,
            seq=newest.seq if newest else sampler.seq,
            reset=reset,
            new_facts=since is not None and changed_at_seq > since,
            age_s=age_s,
            period_s=sampler.period_s,
            interface=interface,
            infos=sampler.infos,
            facts=facts,
            mounts=levels.mounts,
            levels=levels,
        )
        return Ready(live, self._provenance(newest), self._stale(age_s))

    def interfaces(self) -> Result[tuple[InterfaceRow, ...]]:
        """Every interface with its newest rate, the total's first, loopback last; never added up.

        Returns:
            Failed when the counters cannot be read at all: an empty table would say there is no interface.
        """
        self.open()
        sample, infos = self.sampler.newest(), self.sampler.infos
        if sample is not None and not infos:
            source = self.sampler.network.source
            detail = f"{source} gave no list of interfaces. The other figures do not depend on it."
            return Failed(Problem(Kind.UPSTREAM, "Network interfaces could not be read", detail))
        chosen = sample.choice.names if sample else ()
        rates = sample.rates if sample else {}
        rows = tuple(InterfaceRow(info, rates[name], name in chosen) for name, info in infos.items() if name in rates)
        ordered = tuple(sorted(rows, key=lambda row: (not row.in_total, row.info.kind == "loopback", row.info.name)))
        return Ready(ordered, self._provenance(sample), self._stale(self.sampler.age_s()))

    def history(self, query: HistoryQuery) -> Result[HistoryWindow]:
        """A window of up to ninety days, from the finest slots that cover it.

        Returns:
            Ready also when nothing is known of it: every step then says so. `reason` in the value tells why the history
            is not kept, while live figures go on.
        """
        self.open()
        window = self._history.window(query)
        cut = window.grid
        provenance = Provenance(
            source=f"{self.sampler.network.source} and other system counters",
            query=f"Slots of {cut.tier_s} s, {cut.count} steps of {cut.step_s} s",
            as_of=window.sampled_at,
        )
        return Ready(window, provenance)

    def processes(self, *, wait: bool = True) -> Result[ProcessList]:
        """Every process. Asking keeps the list coming; it is not read while nobody asks.

        Args:
            wait: Wait a moment for the first list, instead of answering that it is being measured.
        """
        found = self._processes.now(wait=wait)
        query = f"Every process by name every {found.period_s:g} s while somebody looks, never its arguments"
        return Ready(found, Provenance("The system's process table", query, found.at, rows=len(found.rows)))

    def facts(self) -> HostFacts:
        """About the machine; the scope is looked up again when the interfaces change, the limit once a tick."""
        changed = self.sampler.changed_at_seq
        if self._scope is None or self._scope[0] != changed:
            scope, rule = find_scope(self.sampler.infos)
            system = os.uname()
            self._scope = (
                changed,
                HostFacts(
                    scope,
                    rule,
                    psutil.cpu_count(),
                    None,
                    self.sampler.network.source,
                    system.nodename,
                    f"{system.sysname} {system.release}",
                ),
            )
        tick = self.sampler.seq
        limit = self._limit
        if limit is None or limit[0] != tick:
            before = limit
            try:
                limit = (tick, self._cpu_limit(), False)
            except LimitUnreadError:
                limit = (tick, None, True)
            self._limit = limit
            if before is not None and before[1:] != limit[1:]:
                self._limited_at_seq = tick + 1  # those who have had this tick are told too
        return replace(self._scope[1], cpu_limit=limit[1], cpu_limit_unread=limit[2])

    def _stale(self, age_s: float | None) -> Problem | None:
        if age_s is None or age_s <= STALE_PERIODS * self.sampler.period_s:
            return None
        why = "The sampler is held up." if self.sampler.running else "The sampler has stopped. The log says why."
        return Problem(Kind.UPSTREAM, f"No sample for {age_s:.0f} s", why)

    def _provenance(self, sample: Sample | None) -> Provenance:
        return Provenance(
            source=self.sampler.network.source,
            query=self._query,
            as_of=None if sample is None else sample.at,
            window=None if sample is None or sample.interval_s is None else f"the last {sample.interval_s:.1f} s",
        )


def interface_catalog() -> InterfaceCatalog:
    """The best description of interfaces this system offers."""
    return LinuxInterfaces() if Path(SYS_CLASS_NET).exists() else PlainInterfaces(_loopbacks)


def _loopbacks() -> frozenset[str]:
    return frozenset(name for name, stats in psutil.net_if_stats().items() if "loopback" in stats.flags.split(","))
