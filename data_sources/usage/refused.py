"""Requests with events that were refused whole: how many came, when and why. What they held nobody knows.

They are often refused because the store cannot be written, so they are counted in memory and stored with the writer's
next commit. A killed console forgets those of some seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TypeAlias

import duckdb

from data_sources.usage.schema import SLOT_US

MOST = 5_000  # rows that wait; beyond it only reasons that wait already are counted apart
_Key: TypeAlias = tuple[int, str, int, str]  # slot, door, status, reason


class RefusedRequests:
    """Counts what was refused until the writer has stored it. For many threads that note, and one that writes."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._waiting: dict[_Key, tuple[int, int]] = {}  # requests, when the last of them came
        self._writing: Mapping[_Key, tuple[int, int]] = {}

    def note(self, door: str, status: int, reason: str, at_us: int) -> None:
        """Count a request.

        Args:
            door: The address that it was sent to.
            status: The answer's.
            reason: Why, in words of our own: there must be few of them.
            at_us: When, microseconds since 1970 UTC.
        """
        key = (at_us // SLOT_US, door, status, reason)
        with self._lock:
            if key not in self._waiting and len(self._waiting) >= MOST:
                # the store could not be written for days: the hour is lost, the count is not
                key = next((there for there in self._waiting if there[1:] == key[1:]), key)
            requests, _ = self._waiting.get(key, (0, 0))
            self._waiting[key] = (requests + 1, at_us)

    def write(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        """Store what waits; `written` must follow once it is durable.

        Args:
            cursor: In the writer's transaction.

        Returns:
            Whether there was anything.
        """
        if not self._waiting:
            return False
        with self._lock:
            self._writing = dict(self._waiting)
        rows = [[*key, *counted] for key, counted in self._writing.items()]
        cursor.executemany("INSERT INTO refused VALUES (?, ?, ?, ?, ?, ?)", rows)
        return True

    def written(self) -> None:
        """What `write` stored last is durable: no longer wait with it."""
        with self._lock:
            for key, (stored, _) in self._writing.items():
                requests, at_us = self._waiting.pop(key)
                if requests > stored:
                    self._waiting[key] = (requests - stored, at_us)
            self._writing = {}
