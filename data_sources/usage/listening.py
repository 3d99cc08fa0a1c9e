"""When we listened, so that "nothing came" and "nobody listened" stay apart."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

_NOTE_US = 1_000_000  # the log of collection is good to a minute; each commit of a busy second need not be in it


class Listening:
    """The span since the writer's start, noted in the store now and then; the store's row lags by up to a heartbeat."""

    def __init__(self, clock_us: Callable[[], int]) -> None:
        """Begin with nothing noted; `clock_us` is now, microseconds since 1970 UTC."""
        self._clock_us = clock_us
        self._noted_us = 0
        self._span_us: tuple[int, int] | None = None
        self._stored = False

    @property
    def span_us(self) -> tuple[int, int] | None:
        """Since when and until when, microseconds since 1970 UTC; None before the first note."""
        return None if self._span_us is None else (self._span_us[0], self._clock_us())

    @property
    def is_due(self) -> bool:
        """Whether a commit that is made anyway should note it too."""
        return not self._stored or self._clock_us() - self._noted_us >= _NOTE_US

    def note(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Write that we listen until now, in the caller's transaction; `noted` tells that it was committed."""
        now = self._noted_us = self._clock_us()
        self._span_us = (now if self._span_us is None else self._span_us[0], now)
        if self._stored:
            cursor.execute(
                "UPDATE collection SET end_us = ? WHERE kind = 'listening' AND start_us = ?", [now, self._span_us[0]]
            )
        else:
            cursor.execute("INSERT INTO collection VALUES ('listening', ?, ?, NULL, NULL)", list(self._span_us))

    def noted(self) -> None:
        """The note is durable."""
        self._stored = True

    def interrupted(self) -> None:
        """Nobody could deliver: a new span begins when one can."""
        self._span_us, self._stored = None, False
