"""The hosts that a Prometheus watches, as one source: their list, and each of them like this machine."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from ..result import Failed, Kind, NotConfigured, Problem, Provenance, Ready, Result
from .prometheus_follow import RemoteHost
from .prometheus_hosts import WHAT, Known, find_hosts, read_figures
from .prometheus_wire import SOURCE, PrometheusClient
from .source import SystemSource
from .types import HostList, HostRow

UNSET = NotConfigured(
    "No other hosts",
    "A Prometheus that scrapes node_exporter brings them here.",
    ("OPS_PROMETHEUS_URL",),
)
_NOBODY = Problem(Kind.UPSTREAM, "Prometheus names no host", "It answers, but tells of nothing with node_exporter.")
_FIRST_S = 3.0  # how long the first list is waited for by those who do not ask for it themselves
_FRESH_S = 5.0  # the list is read at most this often, however many look at it
_OLD_S = 15.0  # from then on an answer is not told as current, also while another is waited for
_FOLLOWED = 16  # hosts that are followed at once; the one that nobody has asked for longest makes room
_DEFAULT_PERIOD_S = 60.0


class PrometheusSource:
    """Everything that is asked of one Prometheus.

    Args:
        client: Prometheus.
        clock_s: Epoch seconds now.
    """

    def __init__(self, client: PrometheusClient, *, clock_s: Callable[[], float] = time.time) -> None:
        self.client = client
        self._clock_s = clock_s
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self._known: tuple[Known, ...] = ()
        self._rows: tuple[HostRow, ...] = ()
        self._answered: Result[tuple[HostRow, ...]] | None = None
        self._asked_at_s = float("-inf")
        self._followed: OrderedDict[str, RemoteHost] = OrderedDict()

    def close(self) -> None:
        """Close its connections."""
        self.client.close()

    @property
    def seen(self) -> Result[None] | None:
        """How its last answer was, whatever was asked, without asking; None before the first question."""
        return self.client.seen

    def hosts(self) -> Result[tuple[HostRow, ...]]:
        """Every host with its state and newest figures, by name.

        Returns:
            Ready, or Failed; the hosts of the last good answer are kept by `known_rows`.
        """
        kept, age_s = self._answered, self._clock_s() - self._asked_at_s
        if kept is not None and age_s < _FRESH_S:
            return kept
        # While one asks the others have the answer of before: a Prometheus that hangs must not hold every thread.
        old = kept is None or age_s > _OLD_S
        if not self.client.wait_for(self._reading, _FIRST_S if old else 0):
            if kept is not None and self._answered is kept and old:
                return self._aged(kept, age_s)
            none = Problem(Kind.BUSY, WHAT, "Prometheus has not answered yet.", retry_after_s=5)
            return self._answered or Failed(none)
        try:
            answer = self._answered
            if answer is None or answer is kept:  # nobody has asked while we waited
                answer = self._answered = self._read()
                self._asked_at_s = self._clock_s()
            return answer
        finally:
            self._reading.release()

    def _aged(self, kept: Result[tuple[HostRow, ...]], age_s: float) -> Result[tuple[HostRow, ...]]:
        """An answer that is too old to be told as current, with its age; an old failure is none of now."""
        told = f"No list of hosts for {age_s:.0f} s"
        problem = Problem(Kind.BUSY, told, "Prometheus is being asked.", retry_after_s=5)
        return replace(kept, stale=problem) if isinstance(kept, Ready) else Failed(problem)

    def _read(self) -> Result[tuple[HostRow, ...]]:
        now_s = self._clock_s()
        provenance = Provenance(SOURCE, "up, and raw node_exporter counters of the last scrapes", None)
        found = find_hosts(self.client, now_s)
        if isinstance(found, Problem):
            return Failed(found, provenance)
        known, notes = found
        figures = read_figures(self.client, known, now_s)
        if isinstance(figures, Problem):
            return Failed(figures, provenance)
        rows, more = figures
        listed = tuple(sorted(rows, key=lambda row: (row.name, row.id or "")))
        if listed:  # hosts that are all gone at once are missed, not forgotten
            self._known, self._rows = tuple(known), listed
        newest = max((row.seen_at for row in rows if row.seen_at is not None), default=None)
        notes = tuple(dict.fromkeys((*notes, *more)))
        return Ready(listed, replace(provenance, as_of=newest, rows=len(rows), notes=notes))

    def without_figures(self, problem: Problem) -> tuple[HostRow, ...]:
        """The hosts of the last good answer, of which nothing is known now."""
        return tuple(replace(row, state="no data", reason=problem.title, sample=None, root=None) for row in self._rows)

    def host(self, host_id: str) -> RemoteHost | Problem:
        """One host, to be asked like this machine.

        Args:
            host_id: As the list of hosts names it.
        """
        with self._lock:
            followed = self._followed.get(host_id)
            if followed is not None:
                self._followed.move_to_end(host_id)
                return followed
        answer = self.hosts()
        known = next((each for each in self._known if each.row.id == host_id), None)
        if known is None:
            if isinstance(answer, Failed):
                return answer.problem
            return Problem(
                Kind.NOT_FOUND, "There is no such host", f"Prometheus has no node_exporter of that name: {host_id}."
            )
        row = known.row
        period_s = row.period_s or _DEFAULT_PERIOD_S
        made = RemoteHost(
            self.client,
            known.target,
            row.name,
            period_s,
            listed_as=host_id,
            seen_at=row.seen_at,
            clock_s=self._clock_s,
        )
        with self._lock:
            made = self._followed.setdefault(host_id, made)
            while len(self._followed) > _FOLLOWED:
                self._followed.popitem(last=False)
        return made


def host_list(machine: SystemSource, name: str, prometheus: PrometheusSource | None) -> Result[HostList]:
    """This machine first, then the hosts that Prometheus watches.

    Args:
        machine: This machine.
        name: What it calls itself.
        prometheus: None where none is set.

    Returns:
        Ready whatever Prometheus does: this machine is measured here.
    """
    here = machine.host()
    if not isinstance(here, Ready):
        return Failed(Problem(Kind.UPSTREAM, "This machine could not be read", "The log says why."))
    sample = here.value.sample
    root = next((mount for mount in here.value.mounts if mount.path == "/"), None)
    own = HostRow(None, name, period_s=machine.sampler.period_s, sample=sample, root=root)
    if sample is not None:
        own = replace(own, seen_at=sample.at)
    if here.stale is not None:
        own = replace(own, state="no data", reason=here.stale.title, sample=None)
    if prometheus is None:
        return Ready(HostList((own,), unset=UNSET), here.provenance)
    found = prometheus.hosts()
    if isinstance(found, Ready):
        told = replace(found.provenance, source=f"{here.provenance.source} and {SOURCE}")
        if found.stale is not None:
            return Ready(HostList((own, *prometheus.without_figures(found.stale)), problem=found.stale), told)
        if not found.value:
            return Ready(HostList((own, *prometheus.without_figures(_NOBODY)), problem=_NOBODY), told)
        return Ready(HostList((own, *found.value), notes=found.provenance.notes), told)
    problem = found.problem if isinstance(found, Failed) else Problem(Kind.UPSTREAM, "No list of hosts", "")
    return Ready(HostList((own, *prometheus.without_figures(problem)), problem=problem), here.provenance)
