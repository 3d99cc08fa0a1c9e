"""One time for everything that a click asks of others: however many calls it takes, its reader is answered by then.

Held in a context variable, so that every call made through `http.session()` keeps to it wherever it is made;
`side_by_side` hands it on to its threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Only at its beginning: a try that begins later would not have the time of a whole one any more.
_TRIES_WITHIN = 1 / 3

# When it began and when it ends, monotonic seconds.
_spans: ContextVar[tuple[float, float] | None] = ContextVar("budget", default=None)


@contextmanager
def budget(seconds: float | None) -> Iterator[None]:
    """Let everything asked in this block take so long together; None sets no bound."""
    now = time.monotonic()
    token = _spans.set(None if seconds is None else (now, now + seconds))
    try:
        yield
    finally:
        _spans.reset(token)


def left_s() -> float | None:
    """How many seconds are left, 0 at the end; None without a bound."""
    span = _spans.get()
    return None if span is None else max(0.0, span[1] - time.monotonic())


def may_try_again() -> bool:
    """Whether a failed call may be tried again: always without a bound, else in the first third of the time."""
    span = _spans.get()
    return span is None or time.monotonic() - span[0] < (span[1] - span[0]) * _TRIES_WITHIN
