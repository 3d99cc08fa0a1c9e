"""The rollup: what a commit adds, how its fragments are merged, and the recount that must give the same."""

from __future__ import annotations

import duckdb

from data_sources.usage.schema import ROLLUP_KEY, ROLLUP_MEASURES, SLOT_US

_TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")


def _measures() -> list[str]:
    """What one attempt adds to each of `ROLLUP_MEASURES`."""
    kinds = ("priced", "unpriced", "unmetered")
    parts = ["1", "counts_call"]
    parts += [f"CASE WHEN pricing = '{kind}' THEN counts_call ELSE 0 END" for kind in kinds]
    parts += [f"(pricing = '{kind}')::INTEGER" for kind in kinds]
    parts.append("coalesce(cost_usd, 0)")
    for kind in _TOKENS:  # the sum over nothing known is stored as 0 beside a known count of 0: not a figure
        parts += [f"coalesce({kind}_tokens, 0)", f"({kind}_tokens IS NOT NULL)::INTEGER"]
    return parts


def _rows_of(table: str, measures: list[str]) -> str:
    key = f"(started_at_us // {SLOT_US})::INTEGER, provider, model, power_level, status, source, cost_source"
    return f"SELECT {key}, {', '.join(measures)} FROM {table}"  # noqa: S608


def aggregate(table: str, *, where: str = "true", sign: str = "") -> str:
    """The SELECT that gives the rollup rows of attempts.

    Args:
        table: Where they are, with the columns of `attempts`.
        where: A condition of our own making.
        sign: `-` to take them off.
    """
    return f"{_rows_of(table, [f'{sign}sum({each})' for each in _measures()])} WHERE {where} GROUP BY ALL"


def one_by_one(table: str) -> str:
    """The same with a row for each attempt: for a few that is less work, and `merge` adds them up later."""
    return _rows_of(table, _measures())


_KEY = ", ".join(ROLLUP_KEY)
_SUMS = ", ".join(f"sum({measure}) AS {measure}" for measure in ROLLUP_MEASURES)


def merge(cursor: duckdb.DuckDBPyConnection) -> int:
    """Merge the fragments that commits leave, in a transaction of its own; no figure changes.

    Returns:
        How many rows fewer there are.
    """
    cursor.begin()
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE split AS SELECT DISTINCT slot FROM "  # noqa: S608
        f"(SELECT slot FROM rollup GROUP BY {_KEY} HAVING count(*) > 1 OR sum(attempts) = 0)"
    )
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE merged AS SELECT {_KEY}, {_SUMS} FROM rollup "  # noqa: S608
        "WHERE slot IN (SELECT slot FROM split) GROUP BY ALL HAVING sum(attempts) <> 0"
    )
    before = _rows(cursor)
    cursor.execute("DELETE FROM rollup WHERE slot IN (SELECT slot FROM split)")
    cursor.execute("INSERT INTO rollup BY NAME SELECT * FROM merged ORDER BY slot")
    fewer = before - _rows(cursor)
    cursor.commit()
    cursor.execute("DROP TABLE merged")
    cursor.execute("DROP TABLE split")
    return fewer


def _rows(cursor: duckdb.DuckDBPyConnection) -> int:
    [(rows,)] = cursor.execute("SELECT count(*) FROM rollup").fetchall()
    return int(rows)


def recount(
    cursor: duckdb.DuckDBPyConnection, first_slot: int | None = None, end_slot: int | None = None
) -> list[tuple[object, ...]]:
    """Compare the rollup with a fresh count of the attempts.

    Args:
        cursor: Where to look.
        first_slot: First quarter-hour to compare, None for all that there are.
        end_slot: First quarter-hour after.

    Returns:
        Rows that are in one and not in the other, the side's name first, in the order of their key; empty when the
        rollup is exact.
    """
    low = "" if first_slot is None else f" AND slot >= {first_slot}"
    high = "" if end_slot is None else f" AND slot < {end_slot}"
    times = "" if first_slot is None else f" AND started_at_us >= {first_slot * SLOT_US}"
    times += "" if end_slot is None else f" AND started_at_us < {end_slot * SLOT_US}"
    any_left = " OR ".join(f"sum({measure}) <> 0" for measure in ROLLUP_MEASURES)
    kept = f"SELECT {_KEY}, {_SUMS} FROM rollup WHERE true{low}{high} GROUP BY ALL HAVING {any_left}"  # noqa: S608
    counted = aggregate("attempts", where=f"true{times}")
    return cursor.execute(
        f"WITH kept AS ({kept}), counted({_KEY}, {', '.join(ROLLUP_MEASURES)}) AS ({counted}) "  # noqa: S608
        "SELECT 'rollup' AS side, * FROM (SELECT * FROM kept EXCEPT SELECT * FROM counted) "
        "UNION ALL SELECT 'attempts', * FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept) "
        f"ORDER BY {_KEY}, side DESC"
    ).fetchall()
