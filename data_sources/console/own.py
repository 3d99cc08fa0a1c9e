"""The console's own process and punctuality. Its counters are read on a fixed schedule, never by who asks."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import psutil

from ..system.rates import is_late
from ..system.types import Sample
from .types import Jitter, OwnProcess

log = logging.getLogger("ops.system")
PERIOD_S = 5.0
_KEPT = 13  # a minute: rates over one step would jump with every request
_FEW = 20


class Reading(NamedTuple):
    """The counters at one moment."""

    at_s: float
    cpu_s: float
    memory_bytes: int
    threads: int
    accepted: int


class OwnWatch:
    """Reads the console's own counters every few seconds.

    Args:
        accepted: How many events were stored since the start.
        clock_s: Monotonic seconds.
    """

    def __init__(self, accepted: Callable[[], int], *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._accepted, self._clock_s = accepted, clock_s
        self._process = psutil.Process()
        self._readings: deque[Reading] = deque(maxlen=_KEPT)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin reading."""
        if self._thread is None:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), name="ops-own", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout=PERIOD_S)

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.read()
            except (OSError, psutil.Error):
                log.exception("The console's own counters could not be read")
            stop.wait(PERIOD_S)

    def read(self) -> None:
        """Read once."""
        with self._process.oneshot():
            spent = self._process.cpu_times()
            memory, threads = self._process.memory_info().rss, self._process.num_threads()
        reading = Reading(self._clock_s(), spent.user + spent.system, memory, threads, self._accepted())
        self._readings.append(reading)

    def now(self) -> OwnProcess | None:
        """The newest reading, and the rates over the last minute; None before the first."""
        readings = list(self._readings)
        if not readings:
            return None
        first, last = readings[0], readings[-1]
        step_s = last.at_s - first.at_s
        known = len(readings) > 1 and step_s > 0
        return OwnProcess(
            started_at=datetime.fromtimestamp(self._process.create_time(), UTC),
            cpu_s=last.cpu_s,
            cpu_percent=100 * (last.cpu_s - first.cpu_s) / step_s if known else None,
            memory_bytes=last.memory_bytes,
            threads=last.threads,
            step_s=step_s if known else None,
            accepted_per_s=(last.accepted - first.accepted) / step_s if known else None,
        )


def jitter(samples: Sequence[Sample], period_s: float) -> Jitter | None:
    """How punctual the sampler was.

    Args:
        samples: What it took, in order.
        period_s: How often it should.

    Returns:
        None before the second sample.
    """
    steps = [sample.interval_s for sample in samples if sample.interval_s is not None]
    if not steps:
        return None
    off = sorted(abs(step - period_s) for step in steps)
    late = sum(is_late(int(step * 1e9), int(period_s * 1e9)) for step in steps)
    p95 = off[-(-95 * len(off) // 100) - 1] if len(off) >= _FEW else None
    return Jitter(off[(len(off) - 1) // 2], p95, off[-1], len(off), late)
