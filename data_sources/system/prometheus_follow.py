"""Following one host: its scrapes are fetched as they come, once for all viewers, and replayed through the sampler.

It answers what `SystemSource` answers for this machine, so the same page shows either.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from ..result import Failed, Kind, Problem, Provenance, Ready, Result
from .history_reader import HistoryQuery
from .prometheus_history import read_history
from .prometheus_hosts import NO_FIGURES, RECENT_S, STALE_PERIODS, UNSCRAPED, Target
from .prometheus_node import (
    ABOUT_METRICS,
    CADENCE_OF,
    MOUNT_METRICS,
    READ_METRICS,
    SOURCE,
    Replay,
    ReplaySampler,
    Scrape,
    cadence_s,
    mounts,
    scrapes,
)
from .prometheus_wire import Answered, PrometheusClient, any_of
from .types import Down, HostFacts, HostNow, InterfaceRow, Levels, Live, Mount, NetworkNow, Sample
from .windows import HistoryWindow

T = TypeVar("T")

_HOUR_S, _LEAST_S = 3600, 300
_ABOUT_EVERY_S, _ABOUT_KEPT_S = 60.0, 180.0
_AGAIN_S = 1.0  # Prometheus is asked at most this often for one host, however many look at it
_AFTER_FAILURE_S = 5.0
_SETTLED_S = 1.0
_WAIT_S = 5.0  # how long one who needs more of the past waits for another who asks
_OLD_S = 15.0  # from then on a failure is none of now
_CHANGED = 0.2  # an interval that differs by more was changed: less is chance
_WHAT = "This host could not be read"


class RemoteHost:
    """One host, as far as somebody looks at it.

    Args:
        client: Prometheus.
        target: Which host.
        name: What it calls itself.
        period_s: How far apart its scrapes are, in seconds.
        listed_as: What its page calls it: several hosts may call themselves the same. None as it calls itself.
        seen_at: When it answered last, as far as that is known.
        clock_s: Epoch seconds now.
    """

    def __init__(
        self,
        client: PrometheusClient,
        target: Target,
        name: str,
        period_s: float,
        *,
        listed_as: str | None = None,
        seen_at: datetime | None = None,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self.target, self.name, self.period_s = target, name, period_s
        self._listed_as = listed_as or name
        self._client, self._clock_s = client, clock_s
        self._lock = threading.Lock()
        self._replay = Replay()
        self._sampler = self._new_sampler(int(clock_s() * 1000))
        self._failing = False  # whether the newest scrape found nobody
        self._empty = False  # whether it found somebody who told nothing
        self._held_s = 0.0  # how far back the samples reach
        self._newest_ms = 0
        self._times_ms: deque[int] = deque(maxlen=CADENCE_OF)  # when the newest scrapes were
        self._answered_ms = 0 if seen_at is None else int(seen_at.timestamp() * 1000)
        self._asked_at_s = self._about_at_s = self._described_at_s = float("-inf")
        self._problem: Problem | None = None
        self._mounts: tuple[Mount, ...] = ()
        self._notes: tuple[str, ...] = ()
        self._about_notes: tuple[str, ...] = ()
        self._noted_at_seq = -1  # since when the notes are what they are

    def _new_sampler(self, seq: int, scraped: int = 0) -> ReplaySampler:
        keep = max(2, int(_HOUR_S / self.period_s) + 2, scraped)
        return ReplaySampler(self._replay, period_s=self.period_s, keep=keep, seq=seq)

    # -- what pages and routes ask ------------------------------------------------------------------------------------

    def live(self, since: int | None = None, interface: str | None = None, window_s: float = 300) -> Result[Live]:
        """The points after a viewer's cursor, as `SystemSource.live` answers them."""
        self.follow(window_s if since is None else 0)
        sampler = self._sampler
        points, reset = sampler.since(-1 if since is None else since)
        if reset and points:
            begun_ns = points[-1].at_ns - int(window_s * 1e9)
            points = tuple(point for point in points if point.at_ns >= begun_ns)
        newest = points[-1] if points else sampler.newest()
        live = Live(
            points=points,
            seq=newest.seq if newest else sampler.seq,
            reset=reset,
            new_facts=since is not None and max(sampler.changed_at_seq, self._noted_at_seq) > since,
            age_s=self._age_s(),
            period_s=self.period_s,
            interface=interface,
            infos=sampler.infos,
            facts=self.facts(),
            mounts=self._mounts,
            levels=Levels(self._mounts),
            down=self._down(),
            notes=self._notes,
            empty=self._why_empty(),
        )
        return self._answer(live, newest)

    def network(self) -> Result[NetworkNow]:
        """The newest network rates."""
        self.follow()
        sampler, sample = self._sampler, self._sampler.newest()
        now = NetworkNow(sample, sampler.infos, self._age_s(), self.period_s, sampler.seq, self.facts())
        return self._answer(now, sample)

    def host(self) -> Result[HostNow]:
        """The newest figures of CPU, memory, load and disk, and the file systems."""
        self.follow()
        sample = self._sampler.newest()
        return self._answer(
            HostNow(sample, self._mounts, self.facts(), self._age_s(), levels=Levels(self._mounts)), sample
        )

    def interfaces(self) -> Result[tuple[InterfaceRow, ...]]:
        """Every interface with its newest rate, the total's first, loopback last."""
        self.follow()
        sample, infos = self._sampler.newest(), self._sampler.infos
        chosen = sample.choice.names if sample else ()
        rates = sample.rates if sample else {}
        rows = (InterfaceRow(info, rates[name], name in chosen) for name, info in infos.items() if name in rates)
        ordered = tuple(sorted(rows, key=lambda row: (not row.in_total, row.info.kind == "loopback", row.info.name)))
        return self._answer(ordered, sample)

    def history(self, query: HistoryQuery) -> Result[HistoryWindow]:
        """A window of the past, as far back as Prometheus keeps it, as `SystemSource.history` answers it."""
        self.follow()
        newest = self._sampler.newest()
        problem = self._trouble()
        if problem is not None and problem.kind in (Kind.TIMEOUT, Kind.BUSY):
            return Failed(problem, self._provenance(newest))  # it has just not answered a smaller question
        found = read_history(
            self._client,
            self.target,
            self.period_s,
            self._replay.about,
            query,
            self._clock_s(),
            newest.choice.names if newest else (),
        )
        told = self._provenance(newest)
        if isinstance(found, Problem):
            return Failed(found, told)
        cut = found.grid
        how = f"{told.query}; slots of {cut.tier_s} s, {cut.count} steps of {cut.step_s} s"
        return Ready(found, replace(told, query=how, as_of=found.sampled_at, window=None))

    def facts(self) -> HostFacts:
        """About the host. Whether it is a container nobody told."""
        sample = self._sampler.newest()
        cores = len(sample.host.core_percents) if sample else 0
        said = f"Scraped at {self.target.instance}, job {self.target.job}, every {self.period_s:g} s"
        return HostFacts("unknown", said, cores or None, None, SOURCE, name=self.name)

    # -- keeping up ---------------------------------------------------------------------------------------------------

    def follow(self, window_s: float = 0) -> None:
        """Fetch what is new, unless that was just done; others who ask meanwhile get what is there.

        Args:
            window_s: How far back to reach, in seconds; five minutes at least, one hour at most.
        """
        wanted_s = min(max(window_s, _LEAST_S), _HOUR_S) + 2 * self.period_s
        if self._is_fresh(wanted_s):
            return
        if not self._client.wait_for(self._lock, _WAIT_S if wanted_s > self._held_s or self._is_old() else 0):
            return
        try:
            if not self._is_fresh(wanted_s):  # another may have asked while we waited, and failed
                self._fetch(wanted_s)
        finally:
            self._lock.release()

    def _is_fresh(self, wanted_s: float) -> bool:
        """Whether what is held will do, or nothing better is to be had yet."""
        age_s = self._clock_s() - self._asked_at_s
        if self._problem is not None:
            return age_s < _AFTER_FAILURE_S
        return wanted_s <= self._held_s and age_s < _AGAIN_S

    def _is_old(self) -> bool:
        """Whether the last answer was a failure, too long ago to be told of now."""
        return self._problem is not None and self._clock_s() - self._asked_at_s > _OLD_S

    def _trouble(self) -> Problem | None:
        """Why there is nothing newer."""
        return (
            Problem(Kind.BUSY, _WHAT, "Prometheus is being asked.", retry_after_s=5)
            if self._is_old()
            else self._problem
        )

    def _fetch(self, wanted_s: float, *, again: bool = False) -> None:
        now_s = self._clock_s()
        from_start = wanted_s > self._held_s or now_s - self._newest_ms / 1000 > _HOUR_S
        reach_s = max(wanted_s, self._held_s) if from_start else now_s - self._newest_ms / 1000
        answer: Answered | Problem | None = self._describe(now_s) if now_s - self._about_at_s > _ABOUT_EVERY_S else None
        metrics = any_of(("up", *READ_METRICS))
        if answer is None:
            selector = f"{{__name__=~{metrics},{self.target.selector}}}"
            answer = self._client.raw(selector, now_s, int(reach_s) + 1, what=_WHAT)
        if isinstance(answer, Problem):
            self._problem, self._asked_at_s = answer, self._clock_s()  # its time-out may have taken long
            return
        self._problem, self._asked_at_s = None, now_s
        if from_start:
            self._newest_ms, self._held_s = 0, reach_s
            self._times_ms.clear()
        found = scrapes(answer.series, after_ms=self._newest_ms)
        first_s = self.period_s
        if from_start:
            # A cursor of the run before must never fit this one.
            seq = max(int(now_s * 1000), self._sampler.seq + 2 * _HOUR_S)
            self._sampler = self._new_sampler(seq, scraped=len(found))
            first_s = cadence_s([scrape.at_ms for scrape in found[:CADENCE_OF]], self.period_s)
        for scrape in found:
            if scrape.at_ms > (now_s - _SETTLED_S) * 1000:
                break  # VictoriaMetrics may show one half of a fresh scrape before the other
            self._times_ms.append(scrape.at_ms)
            self._replay.tick(self._sampler, scrape, cadence_s(self._times_ms, first_s))
            self._newest_ms = scrape.at_ms
            if self._failing and not scrape.failed and scrape.at_ms > self._about_at_s * 1000:
                self._about_at_s = float("-inf")  # asked about a host that is down Prometheus tells nothing
            self._failing = scrape.failed
            self._empty = scrape.bare
            if not scrape.failed:
                self._answered_ms = max(self._answered_ms, scrape.at_ms)
        cadence = cadence_s(self._times_ms, self.period_s)
        if not again and abs(cadence / self.period_s - 1) > _CHANGED:
            # Points of another interval are no neighbours of these: everybody begins anew.
            self.period_s, self._held_s = cadence, 0.0
            self._fetch(max(wanted_s, _LEAST_S + 2 * cadence), again=True)
            return
        notes = tuple(dict.fromkeys((*answer.notes, *self._about_notes)))
        if notes != self._notes:
            self._notes, self._noted_at_seq = notes, self._sampler.seq + 1  # who has had the last scrape is told too

    def _describe(self, now_s: float) -> Problem | None:
        """What the interfaces are and how full the file systems, once a minute; the last answer stays on a failure.

        Returns:
            The problem where Prometheus does not answer at all: it need not be asked for more.
        """
        metrics = any_of((*ABOUT_METRICS, *MOUNT_METRICS))
        selector = f"{{__name__=~{metrics},{self.target.selector}}}"
        answer = self._client.raw(selector, now_s, round(3 * self.period_s), what=_WHAT)
        if isinstance(answer, Problem):
            return answer if answer.kind in (Kind.TIMEOUT, Kind.BUSY) else None
        if not answer.series and now_s - self._described_at_s < _ABOUT_KEPT_S:
            # Just after a start Prometheus has no scrape yet: what was told before still holds, and is asked for again.
            self._about_at_s = now_s - _ABOUT_EVERY_S + _AFTER_FAILURE_S
            return None
        self._about_at_s, self._about_notes = now_s, answer.notes
        self._described_at_s = now_s if answer.series else self._described_at_s
        self._replay.about = _together(answer)
        before, self._mounts = self._mounts, mounts(self._replay.about)
        if not before and self._mounts:
            self._noted_at_seq = self._sampler.seq + 1
        return None

    def _is_unscraped(self) -> bool:
        """Whether Prometheus asks it no more, after it had failed: a scrape that fails is a scrape as well."""
        age_s = self._age_s()
        return self._failing and age_s is not None and age_s > RECENT_S

    def _down(self) -> Down | None:
        if not self._failing or self._is_unscraped():
            return None
        return Down(datetime.fromtimestamp(self._answered_ms / 1000, UTC) if self._answered_ms else None)

    def _why_empty(self) -> str | None:
        """Why there is no figure though the host is not known to be down, in the words of the list of hosts."""
        if self._is_unscraped():
            return UNSCRAPED
        if self._empty:
            return NO_FIGURES
        return UNSCRAPED if self._held_s and not self._newest_ms else None

    def _age_s(self) -> float | None:
        return None if not self._newest_ms else max(0.0, self._clock_s() - self._newest_ms / 1000)

    def _answer(self, value: T, sample: Sample | None) -> Result[T]:
        problem = self._trouble()
        if problem is not None and sample is None:
            return Failed(problem, self._provenance(sample))
        age_s, down = self._age_s(), self._down()
        if problem is None and down is not None:
            title = f"is down since {down.since:%H:%M:%S} UTC" if down.since else "has never answered"
            problem = Problem(Kind.UPSTREAM, f"{self._listed_as} {title}", "The last scrape of it failed.")
        empty = self._why_empty()
        if problem is None and empty is not None:
            problem = Problem(Kind.UPSTREAM, f"No figures of {self._listed_as}", f"{empty}.")
        if problem is None and age_s is not None and age_s > STALE_PERIODS * self.period_s:
            problem = Problem(
                Kind.UPSTREAM, f"No scrape for {age_s:.0f} s", f"Prometheus has nothing newer of {self._listed_as}."
            )
        return Ready(value, self._provenance(sample), problem)

    def _provenance(self, sample: Sample | None) -> Provenance:
        return Provenance(
            source=SOURCE,
            query=f"{{{self.target.selector}}}: raw counters, difference over the measured step; 1 kB = 1,000 B",
            as_of=None if sample is None else sample.at,
            window=None if sample is None or sample.interval_s is None else f"the last {sample.interval_s:.1f} s",
            notes=self._notes,
        )


def _together(answer: Answered) -> Scrape:
    """The newest value of each series, as one scrape."""
    found = Scrape(0)
    for scrape in scrapes(answer.series):
        found.at_ms = scrape.at_ms
        for metric, values in scrape.values.items():
            found.values.setdefault(metric, {}).update(values)
    return found
