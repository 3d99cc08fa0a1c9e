"""Identical questions of one moment are asked once: whoever asks while another does gets the same answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

# Whoever comes later asks for himself: he would be given a time-out that another has nearly waited for.
MOMENT_S = 1.0


class Shared(Generic[T]):
    """Questions that are under way, by what they ask.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way: dict[str, tuple[float, Future[T]]] = {}

    def ask(self, key: str, question: Callable[[], T]) -> T:
        """The answer to a question, which may be that of another who asks the same.

        Args:
            key: All that the answer depends on.
            question: Asks it; what it raises, everybody gets who waits for it.
        """
        with self._lock:
            began_s, answer = self._under_way.get(key, (self._clock(), None))
            if answer is not None and self._clock() - began_s <= MOMENT_S:
                mine = None
            else:
                mine = answer = Future()
                self._under_way[key] = (self._clock(), mine)
        if mine is None:
            return answer.result()
        try:
            mine.set_result(question())
        except BaseException as error:
            mine.set_exception(error)
        finally:
            with self._lock:
                if key in self._under_way and self._under_way[key][1] is mine:
                    del self._under_way[key]
        return mine.result()
