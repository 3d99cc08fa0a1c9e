"""The history of this machine: an hour of ticks in memory, a day of 10 s and ninety days of 60 s slots on disk.

The sampler's thread only notes numbers, and adds a few ticks at once to the open slots. Another thread writes them, so
that a slow, full or read-only disk never holds up a sample; the answer then says that nothing is kept. A restart is a
gap. A file that is damaged, whether a write or a read finds it so, is set aside, and the history begins anew.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..result import utc_now
from .blobs import GarbledError
from .gap_log import ENDED, EVERYTHING, LOST, GapLog
from .history_file import COARSE_S, FINE_S, KEEP_S, HistoryFile, NewerFileError, is_damage
from .history_reader import KEEP_TICKS, HistoryQuery, Recorded, Tick, read_window
from .rates import is_late
from .series import figures
from .slots import Slot, SlotBuilder
from .types import Gap, Levels, Sample
from .windows import LIVE_S, GapSpan, HistoryWindow

log = logging.getLogger("ops.system")
FLUSH_S = 10.0
_FOLD_TICKS = 5  # arithmetic on slots touches much memory: seldom, and for several ticks at once
_MAX_PENDING = 500  # slots that wait for the disk: about an hour
_CLOCK_SLACK_S = 0.5  # more than this between two clocks' steps means that the wall clock was set
_SETTLED_S = 3600.0  # a clock that ran so long is believed when old rows are let go


class _Noted(NamedTuple):
    """A tick as it came: its step, in seconds since the epoch, and its figures by series."""

    start_s: float
    at_s: float
    told: Mapping[str, float]


class History:
    """Records every sample, and answers windows of them.

    Args:
        path: The file; None keeps the last hour in memory only.
        period_s: The sampler's period.
        min_free_bytes: With less free disk nothing is written.
        now: The wall clock.
        levels: The newest answers of what is read more slowly than the ticks.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        period_s: float = LIVE_S,
        min_free_bytes: int = 0,
        now: Callable[[], datetime] = utc_now,
        levels: Callable[[], Levels] = Levels,
    ) -> None:
        self._file = None if path is None else HistoryFile(path)
        self._period_s, self._min_free, self._now, self._levels = period_s, min_free_bytes, now, levels
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._noted: list[_Noted] = []
        self._ticks: deque[Tick] = deque(maxlen=KEEP_TICKS)
        self._builders = (SlotBuilder(FINE_S), SlotBuilder(COARSE_S))
        self._pending: deque[Slot] = deque()
        self._gaps = GapLog()
        self._before: Sample | None = None
        self._recorded: Sequence[str] = ()  # which interfaces
        self._run: tuple[float, float] | None = None
        self._begun_ns = 0  # when, on the clock that nobody sets
        self._clock_since_s: float | None = None
        self._folded_block = -1
        self._trouble: str | None = None
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start writing to the file."""
        if self._file is None or (self._thread is not None and self._thread.is_alive()):
            return
        self._stop, self._wake = threading.Event(), threading.Event()
        told = (self._stop, self._wake)
        self._thread = threading.Thread(target=self._keep_writing, args=told, name="ops-history", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is open and close the file; the next run's first piece of a slot is merged with this one's."""
        self._stop.set()
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout=10)
        with self._lock:
            self._fold()
            for builder in self._builders:
                self._pending.extend(builder.close())
            if self._run is not None:
                self._gaps.note(*self._run, {ENDED: ""})
        self.flush()
        if self._pending:  # a damaged file was set aside, and what it did not take goes into the next
            self.flush()
        if self._file is not None:
            self._file.close()

    def _keep_writing(self, stop: threading.Event, wake: threading.Event) -> None:
        while True:
            wake.wait(FLUSH_S)
            if stop.is_set():
                return
            wake.clear()
            try:
                self.flush()
            except Exception:  # a bug of ours: in the log with its stack, and live figures go on
                log.exception("The history could not be written")

    # -- the sampler's side -------------------------------------------------------------------------------------------

    def record(self, sample: Sample) -> None:
        """Take in one tick. Called in the sampler's thread: arithmetic only, no file."""
        before, self._before = self._before, sample
        at_s = sample.at.timestamp()
        if before is None:
            with self._lock:
                self._run, self._clock_since_s, self._begun_ns = (at_s, at_s), at_s, sample.at_ns
            return
        found = figures(sample, self._levels(), first=self._recorded)
        self._recorded = found.interfaces
        step_s = (sample.at_ns - before.at_ns) / 1e9
        with self._lock:
            start_s = self._step_start(at_s, step_s, (before.at_ns - self._begun_ns) / 1e9)
            late = is_late(int(step_s * 1e9), int(self._period_s * 1e9))
            self._gaps.note(start_s, at_s, {EVERYTHING: Gap.LATE} if late else found.reasons)
            if late:
                start_s = at_s - self._period_s  # a level that was read now says nothing of the long step before it
            self._noted.append(_Noted(start_s, at_s, found.values))
            if len(self._noted) >= _FOLD_TICKS:
                self._fold()

    def _fold(self) -> None:
        """Add what was noted to the hour of ticks and to the open slots. Called under the lock."""
        noted, self._noted = self._noted, []
        for start_s, at_s, told in noted:
            names, values = tuple(told), np.fromiter(told.values(), np.float64, len(told))
            self._ticks.append(Tick(start_s, at_s, self._same(names), values))
            for builder in self._builders:
                self._pending.extend(builder.add(start_s, at_s, names, values))
        self._drop_overflow()

    def _step_start(self, at_s: float, step_s: float, ran_s: float) -> float:
        """Where a step began on the wall clock: where the one before ended, unless the clock was set meanwhile."""
        assert self._run is not None  # noqa: S101  set by the first sample
        begun_s, ended_s = self._run
        start_s = at_s - step_s
        if abs(start_s - ended_s) <= _CLOCK_SLACK_S:
            start_s = min(ended_s, at_s - 1e-3)
        else:
            self._clock_since_s = at_s
            if start_s > ended_s:
                self._gaps.note(ended_s, start_s, {EVERYTHING: "the clock was set forward, or the machine slept"})
            elif start_s - ran_s < begun_s - _CLOCK_SLACK_S:
                # By the clock of now it ran since then; what it measured bears later times.
                self._gaps.note(start_s - ran_s, min(begun_s, start_s), {EVERYTHING: "the clock was set back"})
                begun_s = start_s - ran_s
        self._run = (min(begun_s, start_s), at_s)
        return start_s

    def _same(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The tuple of the tick before where it is equal: an hour of them is kept once."""
        return self._ticks[-1].names if self._ticks and self._ticks[-1].names == names else names

    def _drop_overflow(self) -> None:
        while len(self._pending) > _MAX_PENDING:
            lost = self._pending.popleft()
            self._gaps.note(lost.start_s, lost.end_s, {EVERYTHING: "the history could not be written"})

    # -- the writer's side --------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what has gathered; what cannot be written is kept for the next try, an hour of it."""
        if self._file is None or not self._writing.acquire(timeout=10):  # a disk that hangs holds nobody up for long
            return
        try:
            self._flush(self._file)
        finally:
            self._writing.release()

    def _flush(self, file: HistoryFile) -> None:
        with self._lock:
            self._fold()
            slots, gaps, run = list(self._pending), self._gaps.unsaved(), self._run
        if run is None:
            return
        trouble = self._write(file, slots, gaps, run)
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("%s", trouble or "The history is written again")
        if trouble is None:
            with self._lock:
                written = {id(slot) for slot in slots}
                self._pending = deque(slot for slot in self._pending if id(slot) not in written)
                self._gaps.saved(gaps)

    def _write(
        self, file: HistoryFile, slots: list[Slot], gaps: dict[tuple[str, float], GapSpan], run: tuple[float, float]
    ) -> str | None:
        """Write, and say why it was not possible."""
        if file.damage is not None:
            return self._set_aside(file, file.damage)
        try:
            if file.was_taken_away():
                replaced = file.path.exists()
                file.begin_anew()
                if not replaced:
                    gone = "the file of the history was deleted"
                    return self._lost(f"Lost: {gone}", f"While it was written, {gone}: it begins anew")
            free = shutil.disk_usage(file.path.parent).free
            if free < self._min_free:
                return f"The history is not written: the disk has {free // 10**6:,} MB left"
            file.open()
            file.write(slots, gaps, run)
            block = int(run[1] // 3600)
            if block != self._folded_block:
                settled = self._clock_since_s is not None and run[1] - self._clock_since_s >= _SETTLED_S
                file.fold(run[1], forget=settled)
                self._folded_block = block
        except (sqlite3.DatabaseError, GarbledError) as error:
            if is_damage(error):
                return self._set_aside(file, error)
            if not isinstance(error, sqlite3.OperationalError):
                raise
            file.close()
            return f"The history cannot be written: {error}"
        except (OSError, NewerFileError) as error:
            return f"The history cannot be written: {getattr(error, 'strerror', None) or error}"
        return None

    def _set_aside(self, file: HistoryFile, error: Exception) -> str:
        try:
            aside = file.set_aside()
        except OSError as failed:
            return f"The history is damaged and cannot be moved: {failed.strerror or failed}"
        return self._lost(
            f"Lost: the file of the history was damaged. It is kept as {aside.name}",
            f"The history was damaged ({error}): it was moved to {aside.name} and begins anew",
        )

    def _lost(self, why: str, told: str) -> str:
        """Note that what was on the disk is lost, and say what is so until the next write."""
        with self._lock:
            # What waits for the disk, and what is measured from now on, goes into the new file.
            ended_s = self._run[1] if self._run else self._now().timestamp()
            held = [*self._pending, *(slot for slot in (builder.peek() for builder in self._builders) if slot)]
            lost_s = min([ended_s, *(slot.start_s for slot in held if slot.tier_s == FINE_S)])
            self._gaps.note(lost_s - KEEP_S[COARSE_S], lost_s, {LOST: why})  # what the file can have held
        return told

    # -- the reader's side --------------------------------------------------------------------------------------------

    def window(self, query: HistoryQuery) -> HistoryWindow:
        """The window that is asked for, from the finest slots that cover it."""
        with self._lock:
            self._fold()
            open_slots = [slot for slot in (builder.peek() for builder in self._builders) if slot is not None]
            recorded = Recorded(
                tuple(self._ticks), self._run, (*self._pending, *open_slots), self._gaps.spans(), self._trouble
            )
        found = read_window(query, recorded, self._file, now_s=self._now().timestamp(), period_s=self._period_s)
        if self._file is not None and self._file.damage is not None:
            self._wake.set()  # what is measured from now on has a place to go again without waiting for the next write
        return found
