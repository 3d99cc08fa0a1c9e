"""For which time the store was listening, or holds an import that covers it.

The log of collection is good to a minute: the serving process writes that it is alive several times a minute, and a
crash leaves at most that unknown. A gap shorter than a minute is therefore not called one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from data_sources.usage.types import BucketState, Coverage
from data_sources.usage.windows import Span, from_us

RESOLUTION_US = 60_000_000


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans joined where they touch or overlap, oldest first."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


class Collected:
    """The time that was collected, up to now."""

    def __init__(self, log: Iterable[tuple[str, int, int]], now_us: int) -> None:
        """Join the log.

        Args:
            log: (kind, start, end) in microseconds, as in the table `collection`.
            now_us: The time now. A listening span that ends within the last minute is still going on.
        """
        spans = []
        for kind, start, end in log:
            alive = kind == "listening" and end >= now_us - RESOLUTION_US
            spans.append((start, now_us if alive else min(end, now_us)))
        self._spans = merged(spans)
        self._starts = [start for start, _ in self._spans]
        self._now_us = now_us

    @property
    def since_us(self) -> int | None:
        """When collection began, microseconds; None before."""
        return self._starts[0] if self._starts else None

    def within(self, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """The collected spans between two times."""
        first = max(0, bisect_right(self._starts, start_us) - 1)
        found = []
        for start, end in self._spans[first:]:
            if start >= end_us:
                break
            low, high = max(start, start_us), min(end, end_us)
            if low < high:
                found.append((low, high))
        return found

    def seconds(self, start_us: int, end_us: int) -> float:
        """How much of a span was collected, in seconds."""
        return sum(end - start for start, end in self.within(start_us, end_us)) / 1e6

    def coverage(self, read: Span) -> Coverage:
        """The coverage of a window, up to now."""
        end_us = max(read.start_us, min(read.end_us, self._now_us))
        found = self.within(read.start_us, end_us)
        edges = [read.start_us, *(edge for span in found for edge in span), end_us]
        gaps = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
        return Coverage(
            window_s=(end_us - read.start_us) / 1e6,
            collected_s=sum(high - low for low, high in found) / 1e6,
            gaps=tuple((from_us(low), from_us(high)) for low, high in gaps if high - low >= RESOLUTION_US),
            collecting_since=None if self.since_us is None else from_us(self.since_us),
        )

    def state(self, start_us: int, end_us: int, *, has_events: bool) -> tuple[BucketState, float]:
        """The state of a bucket, and the seconds of it that were collected.

        Args:
            start_us: Its start.
            end_us: Its natural end.
            has_events: Whether any attempt lies in it: then it is never "not collected".
        """
        until = min(end_us, self._now_us)
        collected = self.seconds(start_us, until)
        missing = (until - start_us) / 1e6 - collected
        if not collected and not has_events and until != start_us:  # what has not begun is no zero either
            return "not_collected", 0.0
        if end_us > self._now_us:
            return "forming", collected
        return ("partial" if missing >= RESOLUTION_US / 1e6 else "complete"), collected
