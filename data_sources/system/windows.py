"""A window of the history as a chart needs it: equal steps, each with mean, least, most and the share not known. Pure.

The greatest value of a step is the greatest single tick in it, however coarse the step. Percentiles are taken over the
finest slots that cover the window, never over percentiles, and say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from .slots import Floats

LIVE_S = 2  # the ring's own ticks
_JITTER = 0.01  # a slot's border falls between two ticks: a hundredth of it is no gap


@dataclass(frozen=True, slots=True)
class Columns:
    """Slots of one series in the order of time; NaN where nothing is known.

    Attributes:
        start_s: Where each begins, seconds since the epoch.
        mean: Weighted by time.
        least: Least single value; NaN also where it alone is not known.
        most: Greatest single value.
        known_s: Seconds of it that are known.
    """

    start_s: Floats
    mean: Floats
    least: Floats
    most: Floats
    known_s: Floats


@dataclass(frozen=True, slots=True)
class Grid:
    """The steps of a window.

    Attributes:
        tier_s: Length of the finest slots that cover it.
        step_s: Length of a step, a multiple of `tier_s`.
        t0_s: Where the first begins, seconds since the epoch.
        count: How many there are.
        end_s: Where the window ends; the last step may reach beyond.
    """

    tier_s: int
    step_s: int
    t0_s: float
    count: int
    end_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One series over the whole window; None when nothing of it is known.

    Attributes:
        mean: Weighted by time.
        least: Least single value.
        most: Greatest single value.
        most_at: When that was, UTC, to the length of a slot.
        p95: 95 % of the slots' means are at most this.
        of: What `p95` is taken of: "10 s means".
        most_of: What `least` and `most` are taken of, which may be finer: "2 s samples".
        known_share: Share of the window that is known, 0 to 1.
    """

    mean: float | None
    least: float | None
    most: float | None
    most_at: datetime | None
    p95: float | None
    of: str
    most_of: str
    known_share: float


@dataclass(frozen=True, slots=True)
class SeriesWindow:
    """One series by step; NaN where nothing of a step is known."""

    mean: Floats
    least: Floats
    most: Floats
    gap: Floats
    summary: Summary


@dataclass(frozen=True, slots=True)
class GapSpan:
    """A time of which something is not known, and why.

    Attributes:
        start_s: Seconds since the epoch.
        end_s: Seconds since the epoch.
        reason: In words.
        of: Which figures: "network", "cpu", "memory", …; None for all of them.
    """

    start_s: float
    end_s: float
    reason: str
    of: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """What the history answers.

    Attributes:
        grid: The steps.
        series: By name; one that does not exist on this machine is absent.
        gaps: What is not known and why, in the order of time.
        sampled_at: The newest sample, UTC; None before the first.
        reason: Why the history is shorter or older than asked; None when it is whole.
    """

    grid: Grid
    series: Mapping[str, SeriesWindow]
    gaps: tuple[GapSpan, ...]
    sampled_at: datetime | None
    reason: str | None = None


def grid(start_s: float, end_s: float, *, tier_s: int, points: int, phase_s: float = 0.0) -> Grid:
    """Cut a window into at most `points` steps that stand still from one question to the next.

    Args:
        start_s: Where the window begins, seconds since the epoch.
        end_s: Where it ends.
        tier_s: Length of the slots it is made of.
        points: At most so many steps.
        phase_s: Where a step may begin: any multiple of a step after this.
    """
    step_s = tier_s * max(1, math.ceil((end_s - start_s) / (tier_s * points)))
    while True:
        first = math.floor((start_s - phase_s) / step_s)
        count = math.ceil((end_s - phase_s) / step_s - first - 1e-9)
        if count <= points:
            return Grid(tier_s, step_s, phase_s + first * step_s, max(count, 1), end_s)
        step_s += tier_s  # both ends are cut by a step: one more than fits


def fold(columns: Columns, cut: Grid, *, most_of: str | None = None, live: str = "samples") -> SeriesWindow:
    """Put slots together to steps.

    Args:
        columns: The slots, those outside the window are left out.
        cut: The steps.
        most_of: What the slots' least and most are of, in words; None for single ticks.
        live: What the value of a single tick is called: a sample, or a rate.
    """
    place = np.floor((columns.start_s - cut.t0_s) / cut.step_s + 1e-9).astype(np.int64)
    inside = (place >= 0) & (place < cut.count) & (columns.known_s > 0)
    place, known_s = place[inside], columns.known_s[inside]
    mean, least, most = columns.mean[inside], columns.least[inside], columns.most[inside]
    known: Floats = np.bincount(place, known_s, cut.count).astype(np.float64)
    total = np.bincount(place, known_s * mean, cut.count)
    means = np.divide(total, known, out=np.full(cut.count, np.nan), where=known > 0)
    leasts, mosts = np.full(cut.count, np.nan), np.full(cut.count, np.nan)
    np.fmin.at(leasts, place, least)
    np.fmax.at(mosts, place, most)
    most_of = most_of or f"{LIVE_S} s {live}"
    of = f"{cut.tier_s} s {live if cut.tier_s == LIVE_S else 'means'}"
    summary = _summary(columns.start_s[inside], mean, least, most, known_s, cut, of, most_of)
    return SeriesWindow(means, leasts, mosts, _gap(known, cut), summary)


def _gap(known_s: Floats, cut: Grid) -> Floats:
    """The share not known of each step; of the last one, of as much as has passed."""
    starts = cut.t0_s + np.arange(cut.count) * cut.step_s
    passed = np.maximum(np.minimum(starts + cut.step_s, cut.end_s) - starts, 1e-9)
    share = 1 - known_s / passed
    return np.where(share < _JITTER, 0.0, np.minimum(share, 1.0))


def _summary(
    start_s: Floats, mean: Floats, least: Floats, most: Floats, known_s: Floats, cut: Grid, of: str, most_of: str
) -> Summary:
    share = min(1.0, float(known_s.sum()) / max(cut.end_s - cut.t0_s, 1e-9))
    if not mean.size:
        return Summary(None, None, None, None, None, of, most_of, 0.0)
    top = int(np.argmax(most))
    return Summary(
        mean=float(np.average(mean, weights=known_s)),
        least=None if np.isnan(least).all() else float(np.nanmin(least)),
        most=float(most[top]),
        most_at=datetime.fromtimestamp(float(start_s[top]), UTC),
        p95=float(np.percentile(mean, 95, method="inverted_cdf")),
        of=of,
        most_of=most_of,
        known_share=share,
    )
