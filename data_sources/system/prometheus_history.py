"""A window of another host's past: from raw scrapes while they are few, else from what Prometheus makes of each step.

Raw scrapes go through the sampler's own rules. Over long windows they would be megabytes, so Prometheus is asked for
the mean, least and most of each step; steps in which a counter fell or too few scrapes lie are left blank, because
`rate()` invents a value there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..result import Problem
from .gap_log import EVERYTHING, GapLog, merge_spans
from .history_reader import HistoryQuery
from .prometheus_hosts import STALE_PERIODS, Target
from .prometheus_node import (
    MOUNT_METRICS,
    READ_METRICS,
    Replay,
    ReplaySampler,
    Scrape,
    cadences,
    mounts,
    scrapes,
)
from .prometheus_outages import NOTHING, WHAT
from .prometheus_steps import read_steps
from .prometheus_wire import Answered, PrometheusClient, any_of, quoted
from .rates import is_late, possible
from .series import figures, group, network_group, shown_name
from .types import Gap, Levels, Sample
from .windows import Columns, GapSpan, Grid, HistoryWindow, fold, grid

MOST_SCRAPES = 1500
_EVEN_S = 10
_CHANGED = 1.2  # intervals that differ by more are not the same
_ROUNDING_S = 0.05  # an interval of 1 s is no slot of 2 s because a scrape came a moment late
DELAY_S = 30.0  # VictoriaMetrics answers the newest half minute with a value of before, again and again


def read_history(
    client: PrometheusClient,
    target: Target,
    period_s: float,
    about: Scrape,
    query: HistoryQuery,
    now_s: float,
    of_total: Sequence[str] = (),
) -> HistoryWindow | Problem:
    """The window that is asked for.

    Args:
        client: Prometheus.
        target: Which host.
        period_s: How far apart its scrapes are, in seconds.
        about: What its interfaces are.
        query: What is asked.
        now_s: The time now, in epoch seconds.
        of_total: Which interface the total is, now: a long window shows that one.
    """
    end_s = now_s if query.end_s is None else min(query.end_s, now_s)
    start_s = end_s - query.window_s if query.start_s is None else query.start_s
    if (end_s - start_s) / period_s <= MOST_SCRAPES:
        return _named(query, _from_scrapes(client, target, period_s, about, query, start_s, end_s))
    # Steps that end where the window ends, so that none is half filled.
    end_s = math.floor(min(end_s, now_s - DELAY_S) / _EVEN_S) * float(_EVEN_S)
    step_s = grid(start_s, end_s, tier_s=math.ceil(4 * period_s), points=query.points).step_s
    count = max(1, int((end_s - start_s) // step_s))
    # the finest that is known are the steps themselves
    cut = Grid(step_s, step_s, end_s - count * step_s, count, end_s)
    device = query.interface or next(iter(of_total), None) or _busiest(client, target, start_s, end_s)
    matcher = f"device={quoted(device)}"
    info = Replay(about).describe((device,))[device]
    return _named(query, read_steps(client, target.selector, matcher, period_s, query, cut, possible(info)))


def _named(query: HistoryQuery, found: HistoryWindow | Problem) -> HistoryWindow | Problem:
    """A window that says so where it has nothing of the interface that was asked for."""
    asked = query.names is None or any(name.startswith("net_") for name in query.names)
    if isinstance(found, Problem) or query.interface is None or not asked or "net_in" in found.series:
        return found
    if any(name.startswith("net_") for name in found.series):
        return found
    told = f"There is nothing of an interface {query.interface} in this window."
    return replace(found, reason=" ".join(filter(None, (found.reason, told))))


def _busiest(client: PrometheusClient, target: Target, start_s: float, end_s: float) -> str:
    """The busiest interface of a host that is silent now; no name when there is none."""
    received = f'node_network_receive_bytes_total{{{target.selector},device!="lo"}}'
    answer = client.instant(f"topk(1, last_over_time({received}[{end_s - start_s:.0f}s]))", end_s, what=WHAT)
    found = answer.series if isinstance(answer, Answered) else ()
    return found[0].labels.get("device", "") if found else ""


def _from_scrapes(
    client: PrometheusClient,
    target: Target,
    period_s: float,
    about: Scrape,
    query: HistoryQuery,
    start_s: float,
    end_s: float,
) -> HistoryWindow | Problem:
    reach_s = int(end_s - start_s + 2 * period_s) + 1
    metrics = any_of(("up", *READ_METRICS, *MOUNT_METRICS))
    answer = client.raw(f"{{__name__=~{metrics},{target.selector}}}", end_s, reach_s, what=WHAT)
    if isinstance(answer, Problem):
        return answer
    found = scrapes(answer.series)
    periods_s = cadences(found, period_s)
    samples = replayed(found, about, periods_s)
    # Where the interval was changed within the window its steps are the longer ones.
    tier_s = max(1, math.ceil(max(periods_s, default=period_s) - _ROUNDING_S))
    phase_s = 0.0
    if samples:
        newest_s = shown_at(samples[-1])
        phase_s = newest_s % tier_s
        if 0 <= end_s - newest_s <= STALE_PERIODS * period_s:
            end_s = newest_s  # the next scrape is not due yet, or late: a step without one would be no gap
    cut = grid(start_s, end_s, tier_s=tier_s, points=query.points, phase_s=phase_s)
    known, spans = _columns(list(zip(samples, found, periods_s, strict=True)), query, tier_s)
    series = {name: fold(columns, cut, most_of=f"{tier_s} s means") for name, columns in known.items()}
    with_figures = [sample for sample, scrape in zip(samples, found, strict=True) if not (scrape.failed or scrape.bare)]
    wanted = {*series, *map(group, series)}
    shown = [span for span in spans if span.of is None or span.of in wanted]
    ends = [(shown_at(samples[0]) - period_s, shown_at(samples[-1]))] if samples else []
    gaps = merge_spans([*shown, *outside(ends, cut, period_s)], cut.t0_s, end_s)
    return HistoryWindow(cut, series, gaps, with_figures[-1].at if with_figures else None, _told(answer.notes))


def replayed(found: Sequence[Scrape], about: Scrape, periods_s: Sequence[float]) -> list[Sample]:
    """Every scrape as a sample.

    Args:
        found: The scrapes, oldest first.
        about: What the interfaces are.
        periods_s: How far apart scrapes were at each.
    """
    replay = Replay(about)
    sampler = ReplaySampler(replay, period_s=max(periods_s, default=1.0), keep=1, seq=0)
    return [replay.tick(sampler, scrape, period_s) for scrape, period_s in zip(found, periods_s, strict=True)]


def shown_at(sample: Sample) -> float:
    """When it was taken, seconds since the epoch."""
    return sample.at.timestamp()


def _columns(
    samples: Sequence[tuple[Sample, Scrape, float]], query: HistoryQuery, tier_s: int
) -> tuple[dict[str, Columns], list[GapSpan]]:
    """Each series' values, one a scrape, and why some are missing."""
    middle_s = np.array([shown_at(sample) for sample, _, _ in samples]) - tier_s / 2
    values: dict[str, np.ndarray] = {}
    log, own = GapLog(), network_group(query.interface)
    for place, (sample, scrape, period_s) in enumerate(samples):
        told = figures(sample, Levels(mounts(scrape)), first=() if query.interface is None else (query.interface,))
        for stored, value in told.values.items():
            name = shown_name(stored, query.interface)
            if name is not None and (query.names is None or name in query.names):
                values.setdefault(name, np.full(len(samples), np.nan))[place] = value
        before, failed, _ = samples[place - 1] if place else (None, None, 0.0)
        step_s = period_s if before is None else shown_at(sample) - shown_at(before)
        reasons: Mapping[str, str] = told.reasons
        if is_late(int(step_s * 1e9), int(period_s * 1e9)):
            reasons = {EVERYTHING: Gap.LATE}
        elif scrape.failed or scrape.bare:
            reasons = {EVERYTHING: Gap.DOWN if scrape.failed else Gap.NO_FIGURES}
        elif failed is not None and (failed.failed or failed.bare):
            # the first scrape that brings figures again brings no rate yet: the outage lasts up to it
            reasons = {what: why for what, why in reasons.items() if why != Gap.MEASURING}
            reasons = {EVERYTHING: Gap.DOWN if failed.failed else Gap.NO_FIGURES, **reasons}
        log.note(shown_at(sample) - step_s, shown_at(sample), reasons)
    periods_s = np.array([period_s for _, _, period_s in samples])
    # Where the interval was changed a scrape stands for as long as they were apart then.
    uniform = not samples or periods_s.max() <= _CHANGED * periods_s.min()
    each_s = np.full(len(samples), float(tier_s)) if uniform else periods_s
    known = {
        name: Columns(middle_s, column, column, column, np.where(np.isnan(column), 0.0, each_s))
        for name, column in values.items()
    }
    spans = (span for span in log.spans().values() if span.of == own or not (span.of or "").startswith("network"))
    return known, [_of(span, own) for span in spans]


def _of(span: GapSpan, own: str) -> GapSpan:
    if span.of == EVERYTHING:
        return replace(span, of=None)
    return replace(span, of="network") if span.of == own else span


def outside(known: Sequence[tuple[float, float]], cut: Grid, period_s: float) -> list[GapSpan]:
    """Before the first scrape and after the last: Prometheus has nothing of this host there."""
    if not known:
        return [GapSpan(cut.t0_s, cut.end_s, NOTHING)]
    spans, (begun_s, ended_s) = [], known[0]
    if begun_s - cut.t0_s > 2 * period_s:
        spans.append(GapSpan(cut.t0_s, begun_s, NOTHING))
    if cut.end_s - ended_s > STALE_PERIODS * period_s:
        spans.append(GapSpan(ended_s, cut.end_s, str(Gap.STALE)))
    return spans


def _told(notes: Sequence[str]) -> str | None:
    return " ".join(notes) or None
