"""A bound on how many questions to a neighbour are under way: a slow one never holds every thread of the console."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from data_sources.result import Kind, Problem


class Doorway:
    """Lets a few through at once, lets a few more wait a moment, and sends the others away at once.

    Args:
        busy: Why nobody is let in, for the reader.
        at_once: How many are inside at the same time.
        waiting: How many may wait for a place.
        patience_s: How long they wait, in seconds.
    """

    def __init__(self, busy: str, *, at_once: int, waiting: int, patience_s: float) -> None:
        self._busy = busy
        self._patience_s = patience_s
        self._inside = threading.BoundedSemaphore(at_once)
        self._anywhere = threading.BoundedSemaphore(at_once + waiting)

    @contextmanager
    def place(self, title: str) -> Iterator[Problem | None]:
        """Hold a place for as long as the block runs.

        Args:
            title: What does not happen without one: "Nothing was bought".

        Yields:
            None with a place; without one the problem, and nothing may be asked.
        """
        refused = Problem(Kind.BUSY, title, self._busy, code="busy", retry_after_s=5)
        if not self._anywhere.acquire(blocking=False):
            yield refused
            return
        try:
            if not self._inside.acquire(timeout=self._patience_s):
                yield refused
                return
            try:
                yield None
            finally:
                self._inside.release()
        finally:
            self._anywhere.release()
