"""How long single attempts are kept: older ones go, and what the rollup counted of them stays.

`raw_from` in the store is the quarter-hour from which on all attempts are there. An event is taken only when it is a
day younger than that: every attempt that it could be the same as, or share its call with, is then still there, so
nothing that has gone is counted again.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from data_sources.usage import integrity
from data_sources.usage.attempt import Attempt
from data_sources.usage.calls import JOIN_US
from data_sources.usage.commit import Change
from data_sources.usage.schema import SLOT_US

DAY_US = 86_400_000_000
TOO_OLD = "started_at is older than events are kept for (OPS_USAGE_KEEP_DAYS)"
# So much at once, so that senders never wait for long.
_PASS_US = 7 * DAY_US
# A call that reaches over the edge stays whole: its attempts there are decided together.
_GONE = (
    "started_at_us < $edge AND NOT EXISTS (SELECT 1 FROM attempts AS later WHERE later.source = attempts.source "
    "AND later.call_id = attempts.call_id AND later.started_at_us >= $edge AND later.started_at_us < $reach)"
)


def edge_for(now_us: int, keep_days: int) -> int:
    """From when on attempts are kept: a day more than asked, so that events of all the days asked are taken."""
    return (now_us - (keep_days + 1) * DAY_US) // SLOT_US * SLOT_US


def too_old(attempts: Iterable[Attempt], raw_from_us: int | None) -> list[int]:
    """The places of the events that may have been here before and are gone.

    Args:
        attempts: In the order of the request.
        raw_from_us: As the store has it, None when nothing has gone yet.
    """
    if raw_from_us is None:
        return []
    return [place for place, attempt in enumerate(attempts) if attempt.started_at_us < raw_from_us + JOIN_US]


def expire(cursor: duckdb.DuckDBPyConnection, until_us: int) -> Change[bool]:
    """Delete the oldest attempts, a week of them at once; the rollup stays as it is.

    Args:
        cursor: In the writer's transaction.
        until_us: From when on attempts are kept, on a quarter-hour.

    Returns:
        Whether older ones may be left.
    """
    known = integrity.raw_from(cursor)
    [(first,)] = cursor.execute(
        "SELECT min(started_at_us) FROM attempts WHERE started_at_us < ?", [until_us]
    ).fetchall()
    if first is None:
        return Change(False)
    edge = min(until_us, (max(first, known or 0) + _PASS_US) // SLOT_US * SLOT_US)
    values: dict[str, object] = {"edge": edge, "reach": edge + JOIN_US}
    gone = integrity.counted(cursor, _GONE, values)
    if not gone.attempts and known is not None and edge <= known:
        return Change(False)
    cursor.execute(
        "UPDATE batches SET expired = batches.expired + went.number FROM (SELECT batch_id, count(*) AS number "  # noqa: S608
        f"FROM attempts WHERE {_GONE} GROUP BY batch_id) AS went WHERE batches.batch_id = went.batch_id",
        values,
    )
    cursor.execute(f"DELETE FROM attempts WHERE {_GONE}", values)  # noqa: S608
    # a sender makes one batch a request: those with nothing left would soon outnumber the rest
    cursor.execute(
        "DELETE FROM batches WHERE kind = 'api' AND accepted = expired AND undone_at_us IS NULL AND received_at_us < ?",
        [edge],
    )
    integrity.write_raw_from(cursor, edge)
    commit = integrity.read_meta(cursor).after(attempts=-gone.attempts, checksum=-gone.checksum)
    integrity.write_meta(cursor, commit)
    return Change(edge < until_us, commit, edge)
