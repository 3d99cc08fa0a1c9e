"""A bound on how many questions to Lago and Stripe are under way: slow ones never hold every thread of the console."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from data_sources.budget import budget
from data_sources.result import Kind, Problem

# Of the threads that answer requests (64), at most AT_ONCE + WAITING are ever held by billing. The subscription page
# asks up to seven questions at once: two readers who open it at the same moment must both be served.
AT_ONCE = 8
WAITING = 12
PATIENCE_S = 2.0
# All that a click asks of Lago and Stripe, together; longer nobody looks at a button that only says "One moment".
CLICK_S = 12.0


class Doorway:
    """Lets a few through at once, lets a few more wait a moment, and sends the others away at once.

    Args:
        at_once: How many are inside at the same time.
        waiting: How many may wait for a place.
        patience_s: How long they wait, in seconds.
        click_s: How long everything may take that one click asks, in seconds.
    """

    def __init__(
        self,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
        patience_s: float = PATIENCE_S,
        click_s: float = CLICK_S,
    ) -> None:
        self._patience_s = patience_s
        self._click_s = click_s
        self._inside = threading.BoundedSemaphore(at_once)
        self._anywhere = threading.BoundedSemaphore(at_once + waiting)

    @contextmanager
    def click(self, title: str) -> Iterator[Problem | None]:
        """The same as `place`, for what somebody clicked and waits for: all of it ends after `click_s`."""
        with budget(self._click_s), self.place(title) as busy:
            yield busy

    @contextmanager
    def place(self, title: str) -> Iterator[Problem | None]:
        """Hold a place for as long as the block runs.

        Args:
            title: What does not happen without one: "Nothing was bought".

        Yields:
            None with a place; without one the problem, and nothing may be asked.
        """
        if not self._anywhere.acquire(blocking=False):
            yield _busy(title)
            return
        try:
            if not self._inside.acquire(timeout=self._patience_s):
                yield _busy(title)
                return
            try:
                yield None
            finally:
                self._inside.release()
        finally:
            self._anywhere.release()


def _busy(title: str) -> Problem:
    detail = "Lago or Stripe answers slowly and many are waiting for it. Nothing was done. Try again in a moment."
    return Problem(Kind.BUSY, title, detail, code="busy", retry_after_s=5)
