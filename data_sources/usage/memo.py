"""Keeps the last answers of the store: panels that ask the same question of the same data share the work."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sized
from typing import TypeVar, cast

T = TypeVar("T", bound=Sized)
_MAX_LENGTH = 20_000  # longer answers are not kept


class Memo:
    """Answers by what they depend on. Safe to use from any thread; what is kept must never be changed."""

    def __init__(self, entries: int) -> None:
        """Keep at most this many answers; 0 keeps none."""
        self._entries = entries
        self._kept: OrderedDict[Hashable, Sized] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer of a key, made unless it is kept.

        Args:
            key: All that the answer depends on. The version of the data in it must have been read before the snapshot
                that `make` reads: then what is kept is never older than its version.
            make: Makes it.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast(T, self._kept[key])
        found = make()
        if self._entries and len(found) <= _MAX_LENGTH:
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > self._entries:
                    self._kept.popitem(last=False)
        return found
