"""From two readings of a counter to a rate, or to a gap with its reason. Pure: no clock, no file, no state of its own.

A counter that falls is never turned into a rate: no absolute value, no guess that it wrapped, no restart from zero.
Some drivers list a row of zeros for one tick, so the reading after a fall is not trusted either when the counter
stands where it stood before, and no step at all that is more than any link carries: a terabyte did not come in two
seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .types import Counters, CpuTimes, Faults, Gap, InterfaceInfo, Rate

LATE_FACTOR = 1.5
DEFAULT_CEILING_BYTES_PER_S = 50e9  # 400 Gbit/s: above any link in service
# Some drivers hand their counters on late, two steps in one, and virtual machines' cards name less than they carry:
# only what is far above a link's speed is called impossible.
_LINK_SLACK = 4
_JIFFY_SLACK_S = 0.025  # the kernel's idle counters may step back by a tick or two


@dataclass(frozen=True, slots=True)
class Track:
    """What the next rate of one counter pair needs to know.

    Attributes:
        at_ns: Monotonic time of the last reading, in nanoseconds.
        counters: The last reading.
        before_fall: Where the counters stood before they fell, until they have moved on again.
    """

    at_ns: int
    counters: Counters
    before_fall: Counters | None = None


# An hour of a host with hundreds of quiet interfaces holds these a million times: once each is enough.
_QUIET = Rate(0.0, 0.0)
_GAPS = {reason: Rate(None, None, reason) for reason in Gap}
_NO_FAULTS = Faults(0.0, 0.0, 0.0, 0.0)


def gap(reason: Gap) -> Rate:
    """No rate, and why."""
    return _GAPS[reason]


def is_late(step_ns: int, period_ns: int) -> bool:
    """Whether a step is too long to be drawn as one point."""
    return step_ns > LATE_FACTOR * period_ns


def why_late(step_ns: int | None, period_ns: int) -> Gap:
    """Why there is no rate over a step that is too long.

    Args:
        step_ns: Since the last attempt to read, where that failed; None where the last reading did not fail.
        period_ns: The sampler's period, in nanoseconds.

    Returns:
        That the sample was late, or, where it came in time after readings that failed, that it is the first again.
    """
    return Gap.LATE if step_ns is None or is_late(step_ns, period_ns) else Gap.MEASURING


def step(
    track: Track | None,
    at_ns: int,
    counters: Counters | None,
    *,
    period_ns: int,
    ceiling_bytes_per_s: float | None = None,
    possible_bytes_per_s: float = DEFAULT_CEILING_BYTES_PER_S,
) -> tuple[Track | None, Rate]:
    """One counter pair's rate between its last reading and this one.

    Args:
        track: What `step` returned last; None for the first reading.
        at_ns: Monotonic time of this reading, in nanoseconds.
        counters: This reading in bytes; None when the counter is no longer listed.
        period_ns: The sampler's period, in nanoseconds.
        ceiling_bytes_per_s: Link speed where known; only used to judge the reading after a fall.
        possible_bytes_per_s: What cannot be in any step, see `possible`.

    Returns:
        The track for the next step, and bytes per second or a gap. Both directions are known or neither is.
    """
    if counters is None:
        return None, gap(Gap.GONE)
    fresh = Track(at_ns, counters)
    if track is None or at_ns <= track.at_ns:
        return fresh, gap(Gap.MEASURING)
    before, after = track.counters, counters
    if after.first < before.first or after.second < before.second:
        return Track(at_ns, after, _highest(track.before_fall, before)), gap(Gap.RESET)
    step_ns = at_ns - track.at_ns
    seconds = step_ns / 1e9
    first, second = (after.first - before.first) / seconds, (after.second - before.second) / seconds
    if track.before_fall is not None:
        if after == Counters(0, 0):  # still a row of zeros: it may be the driver's, not a quiet line
            return Track(at_ns, after, track.before_fall), gap(Gap.RESET)
        ceiling = ceiling_bytes_per_s or DEFAULT_CEILING_BYTES_PER_S
        if _came_back(track.before_fall, before, after) or max(first, second) > ceiling:
            return fresh, gap(Gap.RESET)
    if is_late(step_ns, period_ns):
        return fresh, gap(Gap.LATE)
    if max(first, second) > possible_bytes_per_s:
        return fresh, gap(Gap.IMPOSSIBLE)
    return fresh, Rate(first, second) if first or second else _QUIET


def possible(info: InterfaceInfo | None) -> float:
    """The most bytes per second that are believed of an interface.

    A card carries little more than the speed it names. What others name says nothing: a tunnel's 10 Mbit/s and a
    virtual pair's 10 Gbit/s are made up, and the memory behind them is faster.
    """
    speed = None if info is None else info.speed_bytes_per_s
    if info is None or not speed:
        return DEFAULT_CEILING_BYTES_PER_S
    return _LINK_SLACK * speed if info.kind == "physical" else max(DEFAULT_CEILING_BYTES_PER_S, _LINK_SLACK * speed)


def _highest(older: Counters | None, newer: Counters) -> Counters:
    if older is None:
        return newer
    return Counters(max(older.first, newer.first), max(older.second, newer.second))


def _came_back(before_fall: Counters, low: Counters, now: Counters) -> bool:
    """Whether a counter that had fallen stands again where it stood before."""
    pairs = ((before_fall.first, low.first, now.first), (before_fall.second, low.second, now.second))
    return any(high > bottom and value >= high for high, bottom, value in pairs)


def add_up(rates: Mapping[str, Rate], names: Iterable[str]) -> Rate:
    """The sum over `names`, unknown when one of them is unknown: a part is not the whole.

    Args:
        rates: Rate by name, bytes per second.
        names: What to add up.

    Returns:
        The sum, or the first gap met, or "no interface" when there is nothing to add up.
    """
    parts = [rates.get(name, gap(Gap.GONE)) for name in names]
    if not parts:
        return gap(Gap.NO_ROUTE)
    first = second = 0.0
    for part in parts:
        if part.first is None or part.second is None:
            return part
        first += part.first
        second += part.second
    return Rate(first, second)


def busy_percent(before: CpuTimes, after: CpuTimes) -> float | None:
    """Busy share of the time between two readings of one core (or of their sum).

    Args:
        before: The older reading, seconds.
        after: The newer reading, seconds.

    Returns:
        0 to 100, or None when the counters did not move or went back by more than the kernel's known jitter.
    """
    busy, idle = after.busy_s - before.busy_s, after.idle_s - before.idle_s
    if busy < -_JIFFY_SLACK_S or idle < -_JIFFY_SLACK_S or busy + idle <= 0:
        return None
    return min(100.0, max(0.0, 100.0 * busy / (busy + idle)))


def mode_percents(before: CpuTimes, after: CpuTimes) -> dict[str, float | None]:
    """The same by mode.

    Args:
        before: The older reading, seconds.
        after: The newer reading, seconds.

    Returns:
        0 to 100 by mode that both readings count; None as in `busy_percent`. Waiting for a disk is a guess of the
        kernel's that may fall: then it is unknown too.
    """
    whole = after.busy_s - before.busy_s + after.idle_s - before.idle_s
    found: dict[str, float | None] = {}
    for mode in after.modes.keys() & before.modes.keys():
        spent = after.modes[mode] - before.modes[mode]
        known = whole > 0 and spent >= -_JIFFY_SLACK_S
        found[mode] = min(100.0, max(0.0, 100.0 * spent / whole)) if known else None
    return found


def sum_cpu(cores: Sequence[CpuTimes]) -> CpuTimes:
    """All cores as one."""
    modes = {mode: sum(core.modes.get(mode, 0.0) for core in cores) for mode in cores[0].modes} if cores else {}
    return CpuTimes(sum(core.busy_s for core in cores), sum(core.idle_s for core in cores), modes)


def fault_rates(before: Faults | None, after: Faults | None, seconds: float) -> Faults | None:
    """Errors and drops per second between two readings.

    Args:
        before: The older counters.
        after: The newer counters.
        seconds: The measured step between them.

    Returns:
        None when one of them is missing or a counter fell.
    """
    if before is None or after is None or seconds <= 0:
        return None
    steps = [
        after.err_in - before.err_in,
        after.err_out - before.err_out,
        after.drop_in - before.drop_in,
        after.drop_out - before.drop_out,
    ]
    if not any(steps):
        return _NO_FAULTS
    return None if min(steps) < 0 else Faults(*(step / seconds for step in steps))


def add_faults(found: Mapping[str, Faults], names: Sequence[str]) -> Faults | None:
    """The sum over `names`; None when one is not known or there is nothing to add up."""
    parts = [found[name] for name in names if name in found]
    if not parts or len(parts) < len(names):
        return None
    return Faults(
        sum(part.err_in for part in parts),
        sum(part.err_out for part in parts),
        sum(part.drop_in for part in parts),
        sum(part.drop_out for part in parts),
    )


def waited_percent(before_us: int, after_us: int, seconds: float) -> float | None:
    """Share of a step in which some task had to wait.

    Args:
        before_us: The older counter, in microseconds.
        after_us: The newer counter.
        seconds: The measured step between them.

    Returns:
        0 to 100, or None when the counter fell.
    """
    waited_us = after_us - before_us
    return None if waited_us < 0 or seconds <= 0 else min(100.0, waited_us / seconds / 1e4)
