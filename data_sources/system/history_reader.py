"""Reading a window of the history: from the ring's ticks or from the file's slots, with why something is missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from .gap_log import ENDED, EVERYTHING, LOST, merge_spans
from .history_file import COARSE_S, FINE_S, KEEP_S, DamagedError, HistoryFile, NewerFileError
from .series import LEFT_OUT, group, is_level, network_group, shown_name, stored_name
from .slots import Floats, Slot
from .types import Gap
from .windows import LIVE_S, Columns, GapSpan, Grid, HistoryWindow, SeriesWindow, fold, grid

KEEP_TICKS = 1800  # an hour
NOT_RUNNING = "Ops Center was not running"
KILLED = "Ops Center was not running, or was killed before it had saved this"
OLDER = "older than what the history keeps"
_UNREADABLE = (sqlite3.Error, OSError, NewerFileError)
_Runs = list[tuple[float, float]]
_Gaps = dict[tuple[str, float], GapSpan]


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """What is asked.

    Attributes:
        start_s: Seconds since the epoch; None is `window_s` before the end.
        end_s: Seconds since the epoch; None is now.
        window_s: Length where there is no start.
        interface: Whose network series; None is the total of the default route.
        points: At most so many steps.
        names: Which series; None is all of them.
    """

    start_s: float | None = None
    end_s: float | None = None
    window_s: float = 300.0
    interface: str | None = None
    points: int = 600
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """One sample as numbers, and the step it stands for, in seconds since the epoch."""

    start_s: float
    at_s: float
    names: tuple[str, ...]
    values: Floats


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is in memory.

    Attributes:
        ticks: The last hour.
        run: Since when and until when this run has measured; None before the first sample.
        slots: Those that are open or wait for the disk.
        gaps: Why something is missing, by what and since when.
        trouble: Why the file is not written; None when it is.
    """

    ticks: Sequence[Tick]
    run: tuple[float, float] | None
    slots: Sequence[Slot]
    gaps: Mapping[tuple[str, float], GapSpan]
    trouble: str | None


def read_window(
    query: HistoryQuery, recorded: Recorded, file: HistoryFile | None, *, now_s: float, period_s: float
) -> HistoryWindow:
    """The window that is asked for, from the finest slots that cover it.

    Args:
        query: What is asked.
        recorded: What is in memory.
        file: What is on disk; None without one.
        now_s: Seconds since the epoch.
        period_s: The sampler's period.

    Returns:
        The window; what cannot be read from the file is unknown, and `reason` tells why.
    """
    kept = file if file is not None and file.path.exists() else None
    run = recorded.run
    end_s = _end(query, run, now_s, period_s)
    start_s = end_s - query.window_s if query.start_s is None else min(query.start_s, end_s - LIVE_S)
    runs, gaps, trouble = _spans(kept, start_s, end_s)
    if run is not None:
        runs = [*(each for each in runs if each[0] != run[0]), run]
    inside = [each for each in runs if each[1] > start_s - COARSE_S]
    tier_s = _tier(start_s, run, now_s, period_s, earlier=len(inside) > 1)
    phase_s = recorded.ticks[-1].at_s % LIVE_S if tier_s == LIVE_S and recorded.ticks else 0.0
    cut = grid(start_s, end_s, tier_s=tier_s, points=query.points, phase_s=phase_s)
    if tier_s == LIVE_S:
        columns = _of_ticks(recorded.ticks, query, cut)
    else:
        columns = _of_slots([slot for slot in recorded.slots if slot.tier_s == tier_s], query)
        older, failed = _of_file(kept, query, cut)
        trouble = trouble or failed
        columns = {name: _joined(older.get(name), columns.get(name)) for name in {**older, **columns}}
    series = {name: fold(found, cut, live="samples" if is_level(name) else "rates") for name, found in columns.items()}
    known = {**gaps, **recorded.gaps}.values()
    lost = [span for span in known if span.of == LOST]
    if trouble is not None:
        lost = [GapSpan(now_s - KEEP_S[COARSE_S], end_s, trouble)]
    lost = _before_memory(lost, recorded, cut, tier_s)
    ended = {start_s: span.end_s for (what, start_s), span in {**gaps, **recorded.gaps}.items() if what == ENDED}
    spans = [*not_running(runs, cut, lost, ended), *lost, *_shown(known, query, set(series))]
    spans += unexplained(series, spans, query, cut, [span for span in known if span.of == LEFT_OUT])
    sampled_at = None if run is None else datetime.fromtimestamp(run[1], UTC)
    return HistoryWindow(cut, series, merge_spans(spans, cut.t0_s, end_s), sampled_at, recorded.trouble or trouble)


def _end(query: HistoryQuery, run: tuple[float, float] | None, now_s: float, period_s: float) -> float:
    """Up to the newest sample: the moments since then are not a gap yet."""
    newest_s = now_s if run is None or now_s - run[1] > 3 * period_s else run[1]
    return newest_s if query.end_s is None else min(query.end_s, newest_s)


def _spans(file: HistoryFile | None, start_s: float, end_s: float) -> tuple[_Runs, _Gaps, str | None]:
    if file is None:
        return [], {}, None
    try:
        runs, gaps = file.spans(start_s - COARSE_S, end_s)
    except _UNREADABLE as error:
        return [], {}, _trouble(error)
    return runs, gaps, None


def _trouble(error: Exception) -> str:
    """Why there is nothing of the file."""
    return f"The history {'is damaged and ' if isinstance(error, DamagedError) else ''}cannot be read: {error}"


def _tier(start_s: float, run: tuple[float, float] | None, now_s: float, period_s: float, *, earlier: bool) -> int:
    """The finest slots that reach back to the start, or as far back as there is anything."""
    if start_s < now_s - KEEP_S[FINE_S] - COARSE_S:
        return COARSE_S
    before_this_run = run is not None and start_s < run[0] - period_s
    if start_s < now_s - (KEEP_TICKS + 5) * period_s or (before_this_run and earlier):
        return FINE_S
    return LIVE_S


def _asked(stored: str, query: HistoryQuery) -> str | None:
    name = shown_name(stored, query.interface)
    return name if name is not None and (query.names is None or name in query.names) else None


def _of_ticks(ticks: Sequence[Tick], query: HistoryQuery, cut: Grid) -> dict[str, Columns]:
    """The ring's ticks as slots; each stands in the middle of its step, so that jitter moves none to its neighbour."""
    inside = [tick for tick in ticks if tick.at_s > cut.t0_s]
    middle_s = np.array([tick.at_s for tick in inside]) - cut.tier_s / 2
    order = np.concatenate([np.arange(len(inside)), _stretched(inside, middle_s, cut)]).astype(np.int64)
    moved_s = np.concatenate([middle_s, [inside[index].start_s + cut.tier_s / 2 for index in order[len(inside) :]]])
    found: dict[str, Floats] = {}
    for names in {id(tick.names): tick.names for tick in inside}.values():
        rows = [index for index, tick in enumerate(inside) if tick.names is names]
        cells = np.stack([inside[index].values for index in rows])
        for place, stored in enumerate(names):
            name = _asked(stored, query)
            if name is not None:
                found.setdefault(name, np.full(len(inside), np.nan))[rows] = cells[:, place]
    spread = {name: values[order] for name, values in found.items()}
    return {
        name: Columns(moved_s, values, values, values, np.where(np.isnan(values), 0.0, float(cut.tier_s)))
        for name, values in spread.items()
    }


def _stretched(ticks: Sequence[Tick], middle_s: Floats, cut: Grid) -> list[int]:
    """Ticks so late that the slot in which their step began got none: it is theirs too, not a gap."""
    filled = set(np.floor((middle_s - cut.t0_s) / cut.tier_s).tolist())
    return [
        index
        for index, tick in enumerate(ticks)
        if tick.at_s - tick.start_s > cut.tier_s
        and (tick.start_s + cut.tier_s / 2 - cut.t0_s) // cut.tier_s not in filled
    ]


def _of_slots(slots: Sequence[Slot], query: HistoryQuery) -> dict[str, Columns]:
    rows: dict[str, list[tuple[float, ...]]] = {}
    for slot in slots:
        for place, stored in enumerate(slot.names):
            name = _asked(stored, query)
            if name is not None:
                cells = (slot.mean[place], slot.least[place], slot.most[place], slot.known_s[place])
                rows.setdefault(name, []).append((float(slot.start_s), *cells))
    return {name: Columns(*np.array(found).T) for name, found in rows.items()}


def _of_file(file: HistoryFile | None, query: HistoryQuery, cut: Grid) -> tuple[dict[str, Columns], str | None]:
    if file is None:
        return {}, None
    wanted = None if query.names is None else [stored_name(name, query.interface) for name in query.names]
    try:
        kept = file.read(cut.tier_s, cut.t0_s, cut.end_s, wanted)
    except _UNREADABLE as error:
        return {}, _trouble(error)
    named = ((shown_name(stored, query.interface), columns) for stored, columns in kept.items())
    return {name: columns for name, columns in named if name is not None}, None


def _joined(first: Columns | None, second: Columns | None) -> Columns:
    if first is None or second is None:
        return first or second or Columns(*(np.empty(0),) * 5)
    pairs = ((getattr(first, name), getattr(second, name)) for name in Columns.__slots__)
    return Columns(*(np.concatenate(pair) for pair in pairs))


def _before_memory(lost: Sequence[GapSpan], recorded: Recorded, cut: Grid, tier_s: int) -> list[GapSpan]:
    """What the file has lost, or does not tell: only what is older than what is in memory is not known."""
    held_s = [float(slot.start_s) for slot in recorded.slots if slot.tier_s == tier_s]
    if tier_s == LIVE_S:
        held_s = [tick.start_s for tick in recorded.ticks[:1]]
    found = []
    for span in lost:
        start_s, end_s = max(span.start_s, span.end_s - KEEP_S[COARSE_S]), min([span.end_s, *held_s])
        if end_s > max(start_s, cut.t0_s):
            found.append(replace(span, start_s=start_s, end_s=end_s, of=None))
    return found


def not_running(
    runs: Sequence[tuple[float, float]],
    cut: Grid,
    lost: Sequence[GapSpan] = (),
    ended: Mapping[float, float] | None = None,
) -> list[GapSpan]:
    """When nobody measured: before the first run, between two, and after the last when it has been silent.

    Args:
        runs: When the console measured, from and to, in seconds since the epoch; one before the window tells only how
            it ended.
        cut: The window.
        lost: Times of which nobody can tell whether it did.
        ended: When runs ended by themselves, by their start. One that did not may have measured on, unsaved.
    """
    spans, until_s = [], max([cut.t0_s, *(span.end_s for span in lost)])
    known_from_s = min((span.start_s for span in lost), default=cut.t0_s)
    if known_from_s > cut.t0_s:
        spans.append(GapSpan(cut.t0_s, known_from_s, OLDER))
    last_s, reason, heard = -np.inf, NOT_RUNNING, False
    for begun_s, ended_s in sorted(runs):
        if begun_s > until_s:
            # A run that was killed had not saved the slot in which it measured last.
            unsaved_s = until_s % FINE_S if reason == KILLED else 0.0
            spans.append(GapSpan(max(cut.t0_s, until_s - unsaved_s), begun_s, reason))
        if ended_s > last_s:
            last_s = ended_s
            reason = NOT_RUNNING if (ended or {}).get(begun_s) == ended_s else KILLED
        until_s = max(until_s, ended_s)
        heard = heard or ended_s > cut.t0_s - COARSE_S
    if cut.end_s - until_s > LIVE_S:
        spans.append(GapSpan(until_s, cut.end_s, Gap.STALE if heard else Gap.MEASURING))
    return spans


def _shown(gaps: Iterable[GapSpan], query: HistoryQuery, names: set[str]) -> list[GapSpan]:
    """The gaps of what is shown, under names that do not depend on the interface."""
    own, wanted = network_group(query.interface), {*names, *map(group, names)}
    shown = []
    for span in gaps:
        if span.of == EVERYTHING:
            shown.append(replace(span, of=None))
        elif span.of == own and "network" in wanted:
            shown.append(replace(span, of="network"))
        elif span.of is not None and not span.of.startswith("network") and span.of in wanted:
            shown.append(span)
    return shown


def unexplained(
    series: Mapping[str, SeriesWindow],
    spans: Sequence[GapSpan],
    query: HistoryQuery,
    cut: Grid,
    left_out: Sequence[GapSpan] = (),
) -> list[GapSpan]:
    """Why whole steps are unknown though the console ran and no reading failed: the thing was not there.

    Args:
        series: What is shown.
        spans: The gaps that have a reason.
        query: What is asked: an interface that is nowhere in the window was gone all the while.
        cut: The steps.
        left_out: When there were more interfaces than are recorded: one that is missing then may have been there.
    """
    edges_s = cut.t0_s + np.arange(cut.count + 1) * cut.step_s
    found = []
    for of, name, missing in _missing(series, query, cut):
        told = np.zeros(cut.count, bool)
        for span in spans:
            if span.of in (None, of, name):
                told |= (edges_s[1:] > span.start_s) & (edges_s[:-1] < span.end_s)
        ends = np.flatnonzero(np.diff(np.concatenate([[False], missing & ~told, [False]]).astype(np.int8)))
        for first, after in zip(ends[::2], ends[1::2], strict=True):
            start_s, end_s = float(edges_s[first]), float(min(edges_s[after], cut.end_s))
            reason = "not there"
            if of == "network":
                unkept = any(span.start_s < end_s and span.end_s > start_s for span in left_out)
                reason = Gap.LEFT_OUT if unkept else Gap.GONE
            # goes on from what the ticks said themselves, which ends within a step
            before_s = [span.end_s for span in spans if span.reason == reason and 0 < start_s - span.end_s < cut.step_s]
            start_s = min([start_s, *before_s])
            found.append(GapSpan(start_s, end_s, reason, of))
    return list(dict.fromkeys(found))


def _missing(
    series: Mapping[str, SeriesWindow], query: HistoryQuery, cut: Grid
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Steps of which nothing is known, by reading and series; an interface's series come and go together."""
    network = np.ones(cut.count, bool)
    for name, window in series.items():
        if group(name) == "network":
            network &= window.gap == 1
        else:
            yield group(name), name, window.gap == 1
    wanted = query.names is None or any(group(name) == "network" for name in query.names)
    if query.interface is not None and wanted:
        yield "network", "network", network
