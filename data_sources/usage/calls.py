"""Which attempt of a call decides it. A call lives where its deciding attempt lives.

A success beats an unknown, an unknown beats a failure; then the latest start, then the greatest event id. Attempts
belong to one call when they share source and call id and no gap between neighbours exceeds 24 hours, so an id that is
used again a week later is another call. The order in which attempts arrive does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Identity: TypeAlias = tuple[str, str, int]
JOIN_US = 86_400_000_000
_RANK = {"success": 2, "unknown": 1, "failure": 0}


@dataclass(slots=True)
class Try:
    """What a decision needs of one attempt, new or stored.

    Attributes:
        row: The new attempt's place in its commit; None for a stored one.
        counts_call: As stored, then as decided: 1 on the deciding attempt.
        call_duration_ms: As stored, then as decided.
        key: The stored attempt's rollup key and pricing, to move its call in the rollup.
    """

    source: str
    call_id: str
    event_id: str
    started_at_us: int
    status: str
    duration_ms: int | None
    row: int | None = None
    counts_call: int = 0
    call_duration_ms: int | None = None
    key: tuple[str | None, ...] = ()


def identity(attempt: Try) -> Identity:
    """What makes a try the same try when it is read again: source, event, start."""
    return attempt.source, attempt.event_id, attempt.started_at_us


def chains(tries: Iterable[Try]) -> Iterator[list[Try]]:
    """Split the attempts of one (source, call id) where more than 24 hours lie between neighbours."""
    chain: list[Try] = []
    for attempt in sorted(tries, key=lambda t: (t.started_at_us, t.event_id)):
        if chain and attempt.started_at_us - chain[-1].started_at_us > JOIN_US:
            yield chain
            chain = []
        chain.append(attempt)
    if chain:
        yield chain


def decide(chain: list[Try]) -> list[Try]:
    """Set `counts_call` and `call_duration_ms` on one call's attempts.

    The call's duration is what the client waited: from the first start to the deciding attempt's end, in whole
    milliseconds; unknown when the deciding attempt's duration is.

    Returns:
        The stored attempts that changed.
    """
    deciding = max(chain, key=lambda t: (_RANK[t.status], t.started_at_us, t.event_id))
    changed = []
    for attempt in chain:
        counts, duration = 0, None
        if attempt is deciding:
            counts = 1
            if attempt.duration_ms is not None:
                waited_us = attempt.started_at_us - chain[0].started_at_us
                duration = (waited_us + 500) // 1000 + attempt.duration_ms
        if attempt.row is None and (attempt.counts_call, attempt.call_duration_ms) != (counts, duration):
            changed.append(attempt)
        attempt.counts_call, attempt.call_duration_ms = counts, duration
    return changed
