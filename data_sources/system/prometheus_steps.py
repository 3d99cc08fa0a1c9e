"""The mean, least and most of each step of a long window, as Prometheus computes them, and what is blank in it.

One question asks for one series, or for a family of them: every core, every disk, every file system.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

import numpy as np

from ..result import Kind, Problem
from .gap_log import merge_spans
from .history_reader import HistoryQuery
from .prometheus_node import NO_PLACE, PRESSURE
from .prometheus_outages import ENOUGH, WHAT, read_silences, runs, scrapes_with_figures
from .prometheus_wire import PrometheusClient, any_of
from .rates import DEFAULT_CEILING_BYTES_PER_S
from .series import group, is_level, mount_name, unit
from .slots import Floats
from .types import Gap
from .windows import Columns, GapSpan, Grid, HistoryWindow, SeriesWindow, fold

BLANK, MISSING = "a counter fell, or was not in every scrape", "not in its scrapes"
IMPOSSIBLE = str(Gap.IMPOSSIBLE)
_BUDGET_S = 20.0  # for all questions of one window; what is not answered by then is not known, and said
_AT_ONCE = 4
_MOST_PARTS = 20_000  # more would cost Prometheus seconds a question
_LEAST_SCRAPES = 2.5  # `rate()` of fewer says nothing of their step
_TOUCH_S = 1e-3
_MOST_OF_FAMILY = 64  # as many as a chart can show
_WHOLE_DISKS = 'device!~"(dm-|md[0-9]|zram|ram|loop|sr[0-9]|fd[0-9]|drbd|bcache).*"'
Reasons: TypeAlias = np.ndarray[tuple[int], np.dtype[np.str_]]
Three: TypeAlias = tuple[str, str, str]  # expressions of the mean, the least and the most of a step


@dataclass(frozen=True, slots=True)
class Spans:
    """The lengths in an expression, in seconds: of a step, and of the parts that its least and most are taken of.

    Attributes:
        step_s: A step.
        part_s: Four scrapes at least: `rate()` over fewer is fragile.
        scrapes: The expression of how many scrapes of a step there were, failed ones too.
    """

    step_s: int
    part_s: int
    scrapes: str

    def counted(self, value: Callable[[int], str], counter: str, label: str = "") -> Three:
        """What is made of counters; blank where one fell or has too few scrapes, since `rate()` would invent it.

        Args:
            value: The expression over a range of so many seconds; without labels, or with `label` alone.
            counter: Selects the counters that it is made of.
            label: What tells the series of a family apart.
        """
        over, by = f"{counter}[{self.step_s}s]", f" by ({label}) " if label else ""
        fell = f"sum{by}(resets({over})) > 0"
        few = f"min{by}(count_over_time({over})) < {ENOUGH} * scalar({self.scrapes}) - 1"
        parts = f"({value(self.part_s)})[{self.step_s}s:{self.part_s}s]"
        blank = f"unless on({label}) ({fell}) unless on({label}) ({few})"
        return (
            f"({value(self.step_s)}) {blank}",
            f"min_over_time({parts}) {blank}",
            f"max_over_time({parts}) {blank}",
        )

    def level(self, gauge: str) -> Three:
        """What is read as it stands."""
        return (
            f"max(avg_over_time({gauge}[{self.step_s}s]))",
            f"max(min_over_time({gauge}[{self.step_s}s]))",
            f"max(max_over_time({gauge}[{self.step_s}s]))",
        )

    def difference(self, whole: str, part: str, label: str = "") -> Three:
        """One level less another of the same scrape."""
        most = f"max by ({label}) " if label else "max"
        parts = f"({most}({whole})-{most}({part}))[{self.step_s}s:{self.part_s}s]"
        return f"avg_over_time({parts})", f"min_over_time({parts})", f"max_over_time({parts})"


def expressions(at: str, device: str, spans: Spans) -> dict[str, Three]:
    """How each series is asked for, the most wanted first.

    Args:
        at: Label matchers of the host.
        device: Label matcher of the interface.
        spans: The lengths.
    """

    def total(metric: str, more: str) -> Three:
        counter = f"{metric}{{{at},{more}}}"
        return spans.counted(lambda range_s: f"sum(rate({counter}[{range_s}s]))", counter)

    def share(modes: str) -> Three:
        every, some = f"node_cpu_seconds_total{{{at}}}", f"node_cpu_seconds_total{{{at},mode{modes}}}"
        made = "100*sum(rate({0}[{2}s]))/sum(rate({1}[{2}s]))"
        return spans.counted(lambda range_s: made.format(some, every, range_s), every)

    def memory(whole: str, part: str) -> Three:
        return spans.difference(f"node_memory_{whole}_bytes{{{at}}}", f"node_memory_{part}_bytes{{{at}}}")

    return {
        "net_in": total("node_network_receive_bytes_total", device),
        "net_out": total("node_network_transmit_bytes_total", device),
        "cpu": share('!~"idle|iowait"'),
        "mem_used": memory("MemTotal", "MemAvailable"),
        "load1": spans.level(f"node_load1{{{at}}}"),
        "disk_read": total("node_disk_read_bytes_total", _WHOLE_DISKS),
        "disk_write": total("node_disk_written_bytes_total", _WHOLE_DISKS),
        "cpu_user": share('=~"user|nice"'),
        "cpu_system": share('=~"system|irq|softirq"'),
        "cpu_iowait": share('="iowait"'),
        "cpu_steal": share('="steal"'),
        "load5": spans.level(f"node_load5{{{at}}}"),
        "load15": spans.level(f"node_load15{{{at}}}"),
        "net_err_in": total("node_network_receive_errs_total", device),
        "net_err_out": total("node_network_transmit_errs_total", device),
        "net_drop_in": total("node_network_receive_drop_total", device),
        "net_drop_out": total("node_network_transmit_drop_total", device),
        "swap_used": spans.difference(
            f"(node_memory_SwapTotal_bytes{{{at}}}>0)", f"node_memory_SwapFree_bytes{{{at}}}"
        ),
        **{f"psi_{name}": _waited(f"{metric}{{{at}}}", spans) for name, metric in PRESSURE.items()},
    }


def _waited(counter: str, spans: Spans) -> Three:
    return spans.counted(lambda range_s: f"100*sum(rate({counter}[{range_s}s]))", counter)


class Family(NamedTuple):
    """Series that one question asks for, told apart by a label.

    Attributes:
        label: That label.
        name: What the series of one of its values is called.
        asked: The expressions.
    """

    label: str
    name: Callable[[str], str]
    asked: Three


def families(at: str, spans: Spans) -> dict[str, Family]:
    """How each family is asked for, by how the names of its series begin; the most wanted first.

    Args:
        at: Label matchers of the host.
        spans: The lengths.
    """

    def disks(metric: str, prefix: str) -> Family:
        counter = f"{metric}{{{at},{_WHOLE_DISKS}}}"
        by_device = spans.counted(lambda range_s: f"sum by (device) (rate({counter}[{range_s}s]))", counter, "device")
        return Family("device", lambda device: prefix + device, by_device)

    every, busy = f"node_cpu_seconds_total{{{at}}}", f'node_cpu_seconds_total{{{at},mode!~"idle|iowait"}}'
    made = "100*sum by (cpu) (rate({0}[{2}s]))/sum by (cpu) (rate({1}[{2}s]))"
    cores = spans.counted(lambda range_s: made.format(busy, every, range_s), every, "cpu")
    of = f"{{{at},fstype!~{any_of(sorted(NO_PLACE))}}}"
    used = spans.difference(f"node_filesystem_size_bytes{of}", f"node_filesystem_free_bytes{of}", "mountpoint")
    return {
        "cpu_core_": Family("cpu", "cpu_core_{}".format, cores),
        "disk_read_": disks("node_disk_read_bytes_total", "disk_read_"),
        "disk_write_": disks("node_disk_written_bytes_total", "disk_write_"),
        "mount_used_": Family("mountpoint", lambda path: mount_name("root" if path == "/" else path), used),
    }


def read_steps(
    client: PrometheusClient,
    at: str,
    device: str,
    period_s: float,
    query: HistoryQuery,
    cut: Grid,
    possible_bytes_per_s: float = DEFAULT_CEILING_BYTES_PER_S,
) -> HistoryWindow | Problem:
    """A long window.

    Args:
        client: Prometheus.
        at: Label matchers of the host.
        device: Label matcher of the interface.
        period_s: How far apart scrapes are, in seconds.
        query: What is asked.
        cut: The steps; the last one ends where the window ends.
        possible_bytes_per_s: What the interface cannot carry in any step, see `rates.possible`.

    Returns:
        The window; a series that could not be read is left out, and `reason` says why.
    """
    deadline_s = time.monotonic() + _BUDGET_S
    steps = _Steps(client, cut, deadline_s)
    counted = steps.ask(scrapes_with_figures(at, cut.step_s))
    if isinstance(counted, Problem):
        return counted
    count = counted.get("", np.full(cut.count, np.nan))
    part_s = math.ceil(max(4 * period_s, cut.count * cut.step_s / _MOST_PARTS))
    middles: Floats = np.array([cut.t0_s + (place + 0.5) * cut.step_s for place in range(cut.count)], np.float64)
    series: dict[str, SeriesWindow] = {}
    blanks: dict[str, Reasons] = {}  # by group why a step is blank, "" where some of it is known
    troubles: list[str] = []
    silences = read_silences(client, steps.ask, at, period_s, cut, count, deadline_s)
    lengths = Spans(cut.step_s, part_s, silences.scrapes)
    wanted = _wanted(expressions(at, device, lengths), families(at, lengths), query.names)
    gaps, told = list(silences.gaps), silences.touched(cut)
    unrated = silences.thin | silences.crossed(cut) | (np.nan_to_num(count) < _LEAST_SCRAPES)
    near = told | silences.touched(replace(cut, t0_s=cut.t0_s - part_s))
    troubles += silences.troubles
    known_s = np.minimum(np.nan_to_num(count) / silences.expected, 1.0) * cut.step_s
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for what, found in zip(wanted, pool.map(steps.three, wanted.values()), strict=True):
            if isinstance(found, Problem):
                troubles.append(f"{what.strip('_')}: {found.detail}")
                continue
            for name, columns in list(found.items())[:_MOST_OF_FAMILY]:
                asked = query.names is None or name in query.names
                if asked and not all(np.isnan(column).all() for column in columns):
                    jumped = np.nan_to_num(columns[2]) > _ceiling(name, possible_bytes_per_s)
                    blanked = jumped if is_level(name) else jumped | unrated
                    mean, least, most = (np.where(blanked, np.nan, column) for column in columns)
                    seconds = np.where(np.isnan([mean, least, most]).any(axis=0), 0.0, known_s)
                    if not is_level(name):
                        least[near] = np.nan  # `rate()` over a part that holds an outage is too low
                    series[name] = fold(Columns(middles, mean, least, most, seconds), cut, most_of=f"{part_s} s means")
                    why = np.where(jumped, IMPOSSIBLE, MISSING if is_level(name) else BLANK)
                    blank = np.where(np.isnan(series[name].mean), why, "")
                    by_group = blanks.setdefault(group(name), blank)
                    by_group[blank == ""] = ""  # of a group whose other series are known nothing is missing as a whole
    for of, blanked_by in blanks.items():
        for cause in (IMPOSSIBLE, BLANK, MISSING):
            gaps += runs((blanked_by == cause) & ~np.isnan(count) & ~told, cause, of, cut)
    seen = np.flatnonzero(~np.isnan(count))
    newest = None
    if seen.size:
        newest = datetime.fromtimestamp(_last_known(middles[seen[-1]] + cut.step_s / 2, silences.gaps), UTC)
    parts = f"Least and greatest are of means over {part_s} s."
    reason = " ".join(dict.fromkeys((parts, *steps.notes, *troubles)))
    return HistoryWindow(cut, series, merge_spans(gaps, cut.t0_s, cut.end_s), newest, reason)


def _last_known(at_s: float, gaps: Sequence[GapSpan]) -> float:
    """The newest moment up to `at_s` that lies in no gap."""
    for gap in sorted(gaps, key=lambda gap: gap.end_s, reverse=True):
        if gap.start_s < at_s <= gap.end_s + _TOUCH_S:
            at_s = gap.start_s
    return float(at_s)


def _ceiling(name: str, of_interface: float) -> float:
    """The most that is believed of a series; a disk is held to what no device exceeds."""
    if unit(name) != "B/s":
        return math.inf
    return of_interface if group(name) == "network" else DEFAULT_CEILING_BYTES_PER_S


def _always(name: str) -> Callable[[str], str]:
    return lambda _: name


def _wanted(
    single: Mapping[str, Three], several: Mapping[str, Family], names: tuple[str, ...] | None
) -> dict[str, Family]:
    """What is to be asked, by name or by how the names begin."""
    alone = {name: Family("", _always(name), asked) for name, asked in single.items()}
    if names is None:
        return {**alone, **several}
    return {
        **{name: family for name, family in alone.items() if name in names},
        **{begin: family for begin, family in several.items() if any(name.startswith(begin) for name in names)},
    }


class _Steps:
    """Asks one expression for every step of a window."""

    def __init__(self, client: PrometheusClient, cut: Grid, deadline_s: float) -> None:
        self._client, self.cut, self._deadline_s = client, cut, deadline_s
        self.notes: list[str] = []

    def three(self, family: Family) -> dict[str, tuple[Floats, Floats, Floats]] | Problem:
        """The mean, least and most of each step, by name of the series."""
        found = []
        for expression in family.asked:
            answer = self.ask(expression, family.label)
            if isinstance(answer, Problem):
                return answer
            found.append(answer)
        means, leasts, mosts = found
        nothing = np.full(self.cut.count, np.nan)
        columns = {}
        for value in sorted(means, key=lambda value: (len(value), value)):
            mean, least, most = means[value], leasts.get(value, nothing), mosts.get(value, nothing)
            # The mean is over the whole step, the others over parts of it: at its edges a part may say less than that.
            columns[family.name(value)] = mean, np.fmin(least, mean), np.fmax(most, mean)
        return columns

    def ask(self, expression: str, label: str = "") -> dict[str, Floats] | Problem:
        """One value a step, NaN where there is none, by the value of a label; by nothing for the only series."""
        cut = self.cut
        if time.monotonic() > self._deadline_s:
            return Problem(Kind.TIMEOUT, WHAT, f"Prometheus took more than {_BUDGET_S:.0f} s for all questions.")
        answer = self._client.ranged(expression, cut.t0_s + cut.step_s, cut.end_s, cut.step_s, what=WHAT)
        if isinstance(answer, Problem):
            return answer
        self.notes += answer.notes
        found: dict[str, Floats] = {}
        for series in answer.series if label else answer.series[:1]:
            values = found.setdefault(series.labels.get(label, ""), np.full(cut.count, np.nan))
            for at_ms, value in series.points:
                place = round((at_ms / 1000 - cut.t0_s) / cut.step_s) - 1
                if 0 <= place < cut.count:
                    values[place] = value
        return found
