"""When a host was silent in a long window, told from `up`: Prometheus writes one each time that it asks.

A step that is wholly fine, wholly silent or wholly without a question needs no closer look. Of the others, which hold
the beginning or the end of an outage, the single answers are read, so that its length is that of the outage and not of
the steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import TypeAlias

import numpy as np

from ..result import Kind, Problem
from .prometheus_node import Scrape, cadences, scrapes
from .prometheus_wire import PrometheusClient, any_of
from .rates import LATE_FACTOR
from .slots import Floats
from .types import Gap
from .windows import GapSpan, Grid

WHAT = "The past of this host could not be read"
NOTHING = "Prometheus has nothing of this host"
HOLE = "hole"  # nobody asked: its name depends on what is before and after
AT_TIMES = "The host did not answer at times, or was not asked"  # more outages than are looked at one by one
# Of each host one series each: whether a scrape of it brought figures, whichever collectors it runs.
SIGNS = (
    "node_load1",
    "node_memory_MemTotal_bytes",
    "node_boot_time_seconds",
    "node_uname_info",
    "node_exporter_build_info",
)
ENOUGH = 0.9  # share of a step's scrapes without which it is blank
_MOST_SCRAPES, _MOST_LOOKS, _AT_ONCE = 1500, 24, 4
_MISSED = 1.5  # scrapes that a whole step may lack: where it begins and ends one is of it or of the next
_MANY = 100  # scrapes of a step of which one that is missing moves a rate by no more than a hundredth
_AROUND = 4  # steps to each side whose scrapes tell how many there should be
_ROUND = 2  # periods that a look reaches beyond its steps, to see the answers before and after
Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Silences:
    """What `up` tells of a window.

    Attributes:
        scrapes: The expression of how many scrapes a step has: those that were asked for, else those with figures.
        expected: How many scrapes each step should hold, by those of the steps around it: an interval may be changed.
        thin: Which steps hold clearly fewer.
        gaps: When the host did not answer, answered without figures, or was not asked; may overlap.
        troubles: What could not be found out, in words.
    """

    scrapes: str
    expected: Floats
    thin: Mask
    gaps: tuple[GapSpan, ...]
    troubles: tuple[str, ...] = ()

    def touched(self, cut: Grid) -> Mask:
        """Which steps hold some of them."""
        starts = cut.t0_s + np.arange(cut.count) * cut.step_s
        touched = np.zeros(cut.count, np.bool_)
        for gap in self.gaps:
            touched |= (starts < gap.end_s) & (starts + cut.step_s > gap.start_s)
        return touched

    def crossed(self, cut: Grid) -> Mask:
        """Which steps begin or end within one: `rate()` divides by the whole of them, and would tell too little."""
        starts = cut.t0_s + np.arange(cut.count) * cut.step_s
        crossed = np.zeros(cut.count, np.bool_)
        for gap in self.gaps:
            for edges in (starts, starts + cut.step_s):
                crossed |= (gap.start_s < edges) & (edges < gap.end_s)
        return crossed


def read_silences(
    client: PrometheusClient,
    ask: Callable[[str], Mapping[str, Floats] | Problem],
    at: str,
    period_s: float,
    cut: Grid,
    figures: Floats,
    deadline_s: float,
) -> Silences:
    """All of a window.

    Args:
        client: Prometheus.
        ask: Asks one expression for every step: its values by label, NaN where there is none.
        at: Label matchers of the host.
        period_s: How far apart scrapes are now, in seconds.
        cut: The steps.
        figures: How many scrapes of each step brought figures; NaN for none.
        deadline_s: No question is begun after it, by the monotonic clock.
    """
    nothing, counted, troubles = np.full(cut.count, np.nan), [], []
    count, total = (f"max({function}_over_time(up{{{at}}}[{cut.step_s}s]))" for function in ("count", "sum"))
    for expression in (count, total):
        answer = ask(expression)
        if isinstance(answer, Problem):
            troubles.append(f"up: {answer.detail}")
        else:
            counted.append(answer.get("", nothing))
    asked, answered = counted if not troubles else (nothing, nothing)
    never, without = np.isnan(asked), np.isnan(figures)
    seen = figures if never.all() else asked  # what is pushed to Prometheus is not asked by it
    expected = _usual(seen, cut.step_s / period_s)
    thin = np.nan_to_num(seen) < ENOUGH * expected - 1
    if never.all():
        pushed = scrapes_with_figures(at, cut.step_s)
        return Silences(pushed, expected, thin, runs(without, NOTHING, None, cut), tuple(troubles))
    whole = asked > expected - _MISSED
    silent, bare = whole & (answered == 0), whole & (answered == asked) & without
    drawn = ~thin & (answered == asked) & (figures >= ENOUGH * asked - 1)
    lost = np.where(expected < _MANY, 0.5, _MISSED)  # of so many scrapes one more or less tells nothing
    fine = drawn & (asked > expected - lost) & (figures > asked - lost)
    found = [
        *runs(never, HOLE, None, cut),
        *runs(silent, str(Gap.DOWN), None, cut),
        *runs(bare, str(Gap.NO_FIGURES), None, cut),
    ]
    known = never | silent | bare
    # Where one of these is beside a fine one the outage may reach a scrape into the other, or end before.
    odd = ~(known | drawn) | (known & _beside(drawn))
    steps_a_look = int(_MOST_SCRAPES / max(1.0, expected.max())) or 1
    looks = _looks(odd, cut, steps_a_look)
    near, far = looks[-_MOST_LOOKS:], looks[:-_MOST_LOOKS]
    found += [replace(span, reason=AT_TIMES) for start_s, end_s in far for span in _within(odd, start_s, end_s, cut)]
    # A step that can afford its losses is drawn; they are told as long as there are few.
    lossy = [look for look in _looks(drawn & ~fine, cut, steps_a_look) if look not in near]
    near = [*near, *lossy[-(_MOST_LOOKS - len(near)) :]] if len(near) < _MOST_LOOKS else near
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looked = pool.map(lambda span: _look(client, at, period_s, span, cut, deadline_s), near)
        for (start_s, end_s), seen_closely in zip(near, looked, strict=True):
            if isinstance(seen_closely, Problem):
                troubles.append(f"up: {seen_closely.detail}")
                found += [replace(span, reason=AT_TIMES) for span in _within(odd, start_s, end_s, cut)]
            else:
                found += seen_closely
    gaps = (*(gap for gap in found if gap.reason != HOLE), *_holes(found, cut))
    return Silences(count, expected, thin, gaps, tuple(dict.fromkeys(troubles)))


def _holes(found: Iterable[GapSpan], cut: Grid) -> list[GapSpan]:
    """The times in which nobody asked the host, by whether anything is known before and after, as of single scrapes."""
    together: list[GapSpan] = []
    for hole in sorted((gap for gap in found if gap.reason == HOLE), key=lambda gap: gap.start_s):
        if together and hole.start_s <= together[-1].end_s:
            together[-1] = replace(together[-1], end_s=max(together[-1].end_s, hole.end_s))
        else:
            together.append(hole)
    return [
        replace(
            hole,
            reason=NOTHING if hole.start_s <= cut.t0_s else str(Gap.STALE if hole.end_s >= cut.end_s else Gap.LATE),
        )
        for hole in together
    ]


def _usual(counts: Floats, otherwise: float) -> Floats:
    """How many scrapes a step should hold: the median of those around it, which one outage does not move."""
    usual = np.full(counts.size, otherwise)
    for place in range(counts.size):
        around = counts[max(0, place - _AROUND) : place + _AROUND + 1]
        known = around[~np.isnan(around)]
        if known.size > _AROUND:  # of fewer too many are the edges of outages
            usual[place] = np.median(known)
    return usual


def _beside(which: Mask) -> Mask:
    """Which steps have one of these before or after them."""
    beside = np.zeros_like(which)
    beside[1:] |= which[:-1]
    beside[:-1] |= which[1:]
    return beside


def _looks(odd: Mask, cut: Grid, steps: int) -> list[tuple[float, float]]:
    """The pieces of the window that hold such steps, from and to in epoch seconds, oldest first."""
    pieces = [(place, min(place + steps, cut.count)) for place in range(0, cut.count, steps)]
    return [
        (cut.t0_s + begin * cut.step_s, cut.t0_s + end * cut.step_s) for begin, end in pieces if odd[begin:end].any()
    ]


def _within(odd: Mask, start_s: float, end_s: float, cut: Grid) -> tuple[GapSpan, ...]:
    """Such steps of one piece."""
    starts = cut.t0_s + np.arange(cut.count) * cut.step_s
    return runs(odd & (starts >= start_s) & (starts < end_s), "", None, cut)


def _look(
    client: PrometheusClient, at: str, period_s: float, span: tuple[float, float], cut: Grid, deadline_s: float
) -> list[GapSpan] | Problem:
    if time.monotonic() > deadline_s:
        return Problem(Kind.TIMEOUT, WHAT, "there was no time to look at every outage.")
    start_s, end_s = span[0] - _ROUND * period_s, min(span[1] + _ROUND * period_s, cut.end_s)
    answer = client.raw(f"{{__name__=~{any_of(('up', *SIGNS))},{at}}}", end_s, round(end_s - start_s), what=WHAT)
    if isinstance(answer, Problem):
        return answer
    return outages(scrapes(answer.series), period_s, start_s, end_s)


def scrapes_with_figures(at: str, step_s: int) -> str:
    """The expression of how many scrapes of a step brought figures.

    Args:
        at: Label matchers of the host.
        step_s: Length of the step, in seconds.
    """
    # Named, since a function over time drops the metric's own name, and two series of one name are refused.
    counted = (f'label_replace(count_over_time({sign}{{{at}}}[{step_s}s]),"of","{sign}","","")' for sign in SIGNS)
    return f"max({' or '.join(counted)})"


def outages(found: Sequence[Scrape], period_s: float, start_s: float, end_s: float) -> list[GapSpan]:
    """Where a host was silent, from its single scrapes.

    An outage lasts from the last answer before it to the first after it, which brings no rate yet.

    Args:
        found: The scrapes, oldest first.
        period_s: How far apart they are, in seconds.
        start_s: From when it was looked, epoch seconds.
        end_s: Up to when.
    """
    periods_s = cadences(found, period_s)
    moments = [(scrape.at_ms / 1000, _silence(scrape)) for scrape in found]
    gaps = []
    for ((before_s, before), (at_s, now)), then_s in zip(pairwise(moments), periods_s[1:], strict=False):
        why = now or before
        if at_s - before_s > LATE_FACTOR * then_s:
            gaps.append(GapSpan(before_s, at_s, HOLE))
        elif why is not None:
            gaps.append(GapSpan(before_s, at_s, str(why)))
    first_s, last_s = (moments[0][0], moments[-1][0]) if moments else (end_s, start_s)
    late_s = LATE_FACTOR * max([period_s, *periods_s])
    if first_s - start_s > late_s:
        gaps.append(GapSpan(start_s, first_s, HOLE))
    if moments and end_s - last_s > late_s:
        gaps.append(GapSpan(last_s, end_s, HOLE))
    elif moments and moments[-1][1] is not None:
        gaps.append(GapSpan(last_s, end_s, str(moments[-1][1])))  # it goes on: the next scrape is not due yet
    return gaps


def _silence(scrape: Scrape) -> Gap | None:
    if scrape.failed:
        return Gap.DOWN
    return Gap.NO_FIGURES if scrape.bare else None


def runs(which: Mask, reason: str, of: str | None, cut: Grid) -> tuple[GapSpan, ...]:
    """Neighbouring steps as one span.

    Args:
        which: The steps.
        reason: What it is told of them.
        of: Which figures; None for all.
        cut: The steps of the window.
    """
    found, place = [], 0
    for is_one, run in groupby(which.tolist()):
        length = len(list(run))
        if is_one:
            start_s = cut.t0_s + place * cut.step_s
            found.append(GapSpan(start_s, start_s + length * cut.step_s, reason, of))
        place += length
    return tuple(found)
