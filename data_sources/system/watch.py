"""Asking something slow on a thread of its own: what hangs takes neither the sampler nor its neighbours with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from ..result import utc_now

T = TypeVar("T")
PERIOD_S = 10.0
_SILENT_PERIODS = 3
UNREADABLE = (OSError, ValueError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Heard(Generic[T]):
    """The newest answer.

    Attributes:
        value: None with a reason.
        at: When the last answer came, UTC; None when none did.
        reason: Why there is no value.
    """

    value: T | None = None
    at: datetime | None = None
    reason: str | None = None


class Watch(Generic[T]):
    """Keeps the newest answer to one question.

    Args:
        name: Of the thread.
        ask: The question; OSError, ValueError or RuntimeError when there is no answer.
        silent: What is said when it hangs.
        period_s: How far apart it is asked, in seconds.
        clock_s: The clock that never jumps.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], T],
        *,
        silent: str,
        period_s: float = PERIOD_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._ask, self._silent = name, ask, silent
        self._period_s, self._clock_s = period_s, clock_s
        self._last: Heard[T] = Heard(reason="measuring")
        self._asked_at_s: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start asking, every period. While a question hangs there is no second thread: its own goes on."""
        if self.hangs:
            self._stop.clear()
            return
        if self._thread is not None and self._thread.is_alive() and not self._stop.is_set():
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name=f"ops-{self._name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop asking; a question that hangs is left behind."""
        self._stop.set()

    @property
    def hangs(self) -> bool:
        """Whether its thread is in a question."""
        return self._thread is not None and self._thread.is_alive() and self._asked_at_s is not None

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.ask()
            stop.wait(self._period_s)

    def ask(self) -> None:
        """Ask once and keep the answer, or why there is none."""
        self._asked_at_s = self._clock_s()
        try:
            value = self._ask()
        except UNREADABLE as error:
            self._last = Heard(at=self._last.at, reason=f"{getattr(error, 'strerror', None) or error}")
        else:
            self._last = Heard(value, utc_now())
        self._asked_at_s = None

    def now(self) -> Heard[T]:
        """The newest answer; without a value when it has been silent for three periods."""
        asked = self._asked_at_s
        if asked is not None and self._clock_s() - asked > _SILENT_PERIODS * self._period_s:
            return Heard(at=self._last.at, reason=self._silent)
        return self._last
