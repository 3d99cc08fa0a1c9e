"""Which events and calls the store may hold, so that a commit of new ones need not look for them in the store.

Nearly all that comes is new and recent. Fingerprints of what is stored since some hours ago tell so without a question;
where one says "perhaps" (it was sent before, it belongs to a stored call, or by rare chance), the store is asked.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import numpy as np
import numpy.typing as npt

from data_sources.usage.calls import JOIN_US

_REACH_US = 2 * JOIN_US  # an event of now has siblings up to 24 hours back; those up to a day late are still told
_FOLD, _MOST = 65_536, 8_000_000  # fingerprints of 8 bytes
_CHUNK = 20_000

Key = tuple[str, str]


class Seen:
    """The fingerprints of every event id and call id that is stored since `since_us`. For one thread."""

    def __init__(self, since_us: int) -> None:
        """Begin empty.

        Args:
            since_us: Nothing that began at or after it is stored yet, microseconds since 1970.
        """
        self.since_us = since_us
        self._new: set[int] = set()
        self._folded: list[npt.NDArray[np.int64]] = []  # sorted, each less than half as long as the one before

    @classmethod
    def of_store(cls, cursor: duckdb.DuckDBPyConnection, now_us: int) -> Seen:
        """Read what is stored of the last two days; of very much nothing, so that it begins with what comes next.

        Args:
            cursor: Of the store.
            now_us: Now, microseconds since 1970 UTC.
        """
        since_us = now_us - _REACH_US
        [(rows, newest_us)] = cursor.execute(
            "SELECT count(*), max(started_at_us) FROM attempts WHERE started_at_us >= ?", [since_us]
        ).fetchall()
        if 4 * rows > _MOST:  # it would be full again soon
            return cls(newest_us + 1)
        made = cls(since_us)
        cursor.execute("SELECT source, event_id, call_id FROM attempts WHERE started_at_us >= ?", [made.since_us])
        while rows := cursor.fetchmany(_CHUNK):
            made.add([(source, event_id) for source, event_id, _ in rows])
            made.add([(source, call_id) for source, _, call_id in rows])
        return made

    @property
    def is_full(self) -> bool:
        """Whether it has grown too large: time to read it anew, with less in it."""
        return len(self._new) + sum(map(len, self._folded)) > _MOST

    def add(self, keys: Iterable[Key]) -> None:
        """Note ids that are stored now, each with its source."""
        self._new.update(map(hash, keys))
        if len(self._new) >= _FOLD:
            run = np.sort(np.fromiter(self._new, np.int64, len(self._new)))
            while self._folded and len(self._folded[-1]) < 2 * len(run):
                run = np.sort(np.concatenate((self._folded.pop(), run)), kind="stable")
            self._folded.append(run)
            self._new = set()

    def may_hold(self, keys: Iterable[Key], first_us: int) -> bool:
        """Whether the store may hold one of these ids, or another attempt of one of these calls.

        Args:
            keys: Ids of events and of calls, each with its source.
            first_us: When the earliest of them began, microseconds since 1970.
        """
        if first_us - JOIN_US < self.since_us:
            return True
        asked = list(map(hash, keys))
        if not self._new.isdisjoint(asked):
            return True
        wanted = np.array(asked, np.int64)
        for run in self._folded:
            places = np.searchsorted(run, wanted)
            if np.any(run[np.minimum(places, len(run) - 1)] == wanted):
                return True
        return False
