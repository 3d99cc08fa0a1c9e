"""How many questions to Lago and Stripe are under way, and how long all those of one click may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from data_sources import doorway
from data_sources.budget import budget
from data_sources.result import Problem

# Of the threads that answer requests (64), at most AT_ONCE + WAITING are ever held by billing. The subscription page
# asks up to seven questions at once: two readers who open it at the same moment must both be served.
AT_ONCE = 8
WAITING = 12
PATIENCE_S = 2.0
# All that a click asks of Lago and Stripe, together; longer nobody looks at a button that only says "One moment".
CLICK_S = 12.0
# Where Lago hangs, one reader who loads the page three times fills it: nothing is said of how many people wait.
_BUSY = "Lago or Stripe answers slowly, and too many questions wait for it. Nothing was done. Try again in a moment."


class Doorway(doorway.Doorway):
    """The doorway of billing.

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
        super().__init__(_BUSY, at_once=at_once, waiting=waiting, patience_s=patience_s)
        self._click_s = click_s

    @contextmanager
    def click(self, title: str) -> Iterator[Problem | None]:
        """The same as `place`, for what somebody clicked and waits for: all of it ends after `click_s`."""
        with budget(self._click_s), self.place(title) as busy:
            yield busy
