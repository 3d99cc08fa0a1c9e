"""The two clocks of the sampler, running ahead: what takes ten minutes is seen in one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class FastClock:
    """A monotonic clock and a wall clock that begin now.

    Args:
        faster: How many times as fast they run.
    """

    def __init__(self, faster: int) -> None:
        self._faster = faster
        self.begun_ns, self.begun = time.monotonic_ns(), datetime.now(UTC)

    def clock_ns(self) -> int:
        """Monotonic."""
        return self.begun_ns + (time.monotonic_ns() - self.begun_ns) * self._faster

    def now(self) -> datetime:
        """The wall clock."""
        return self.begun + timedelta(microseconds=(self.clock_ns() - self.begun_ns) // 1000)
