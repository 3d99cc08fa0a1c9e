"""Takes what is known of one person out of the usage store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from decimal import Decimal

import duckdb

from data_sources.usage import audit
from data_sources.usage.commit import Change, take_out
from data_sources.usage.integrity import read_meta, write_meta

_THEIRS = "(user_id = $user OR end_user_id = $user)"
# What may point at a person once their own ids are gone.
_POINTERS = ("user_id", "end_user_id", "api_key_id", "session_id", "trace_id", "tags")


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds of a person.

    Attributes:
        attempts: Their attempts.
        calls: The calls that those decide.
        cost_usd: The attempts' known cost, None where none is known.
    """

    attempts: int
    calls: int
    cost_usd: Decimal | None


def held(cursor: duckdb.DuckDBPyConnection, user: str) -> Held:
    """What the store holds of a person.

    Args:
        cursor: To read with.
        user: Their id, as senders name it.
    """
    [(attempts, calls, cost)] = cursor.execute(
        f"SELECT count(*), coalesce(sum(counts_call), 0), sum(cost_usd) FROM attempts WHERE {_THEIRS}",  # noqa: S608
        {"user": user},
    ).fetchall()
    return Held(int(attempts), int(calls), cost)


def _leave_no_trace(cursor: duckdb.DuckDBPyConnection, user: str) -> None:
    """Colours that only their team or level had, and their id in what is told of events that were refused."""
    cursor.execute(
        "DELETE FROM dimension_values WHERE dimension = 'team' "
        "AND name NOT IN (SELECT DISTINCT team_id FROM attempts WHERE team_id IS NOT NULL)"
    )
    cursor.execute(
        "DELETE FROM dimension_values WHERE dimension = 'power_level' "
        "AND name NOT IN "
        "(SELECT power_level FROM rollup WHERE power_level IS NOT NULL GROUP BY 1 HAVING sum(attempts) <> 0)"
    )
    cursor.execute(
        "UPDATE rejections SET reason = replace(reason, $user, '…'), sample = replace(sample, $user, '…') "
        "WHERE contains(reason, $user) OR contains(sample, $user)",
        {"user": user},
    )


def forget(
    cursor: duckdb.DuckDBPyConnection, user: str, *, keep_figures: bool, actor: str, now_us: int
) -> Change[Held]:
    """Forget a person, in one transaction with its audit row.

    Args:
        cursor: In the writer's transaction.
        user: Their id, as senders name it.
        keep_figures: Keep the calls and their cost, attributed to nobody; else they leave every figure.
        actor: Who asks.
        now_us: Now, microseconds since 1970 UTC.

    Returns:
        What was held of them.
    """
    was = held(cursor, user)
    cursor.execute("DELETE FROM dimension_values WHERE dimension = 'user' AND name = ?", [user])
    if keep_figures:
        nothing = ", ".join(f"{name} = NULL" for name in _POINTERS)
        cursor.execute(f"UPDATE attempts SET {nothing} WHERE {_THEIRS}", {"user": user})  # noqa: S608
        commit = read_meta(cursor).after(attempts=0, checksum=0)
        write_meta(cursor, commit)
    else:
        commit, _ = take_out(cursor, _THEIRS, {"user": user})
    _leave_no_trace(cursor, user)
    told = {**asdict(was), "cost_usd": None if was.cost_usd is None else str(was.cost_usd)}
    audit.note(cursor, now_us, actor, "forget", json.dumps({**told, "keep_figures": keep_figures}))
    return Change(was, commit)
