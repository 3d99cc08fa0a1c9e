"""The rollup: what a commit adds, how its fragments are merged, and the recount that must give the same."""

from __future__ import annotations

import duckdb

from data_sources.usage.schema import ROLLUP_KEY, ROLLUP_MEASURES, SLOT_US

_TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")


def _measures(sign: str) -> str:
    parts = [f"{sign}count(*)", f"{sign}sum(counts_call)"]
    parts += [
        f"{sign}coalesce(sum(counts_call) FILTER (pricing = '{p}'), 0)" for p in ("priced", "unpriced", "unmetered")
    ]
    parts += [f"{sign}count(*) FILTER (pricing = '{p}')" for p in ("priced", "unpriced", "unmetered")]
    parts.append(f"{sign}coalesce(sum(cost_usd), 0)")
    for kind in _TOKENS:  # the sum over nothing known is stored as 0 beside a known count of 0: not a figure
        parts += [f"{sign}coalesce(sum({kind}_tokens), 0)", f"{sign}count({kind}_tokens)"]
    return ", ".join(parts)


def aggregate(table: str, *, where: str = "true", sign: str = "") -> str:
    """The SELECT that gives the rollup rows of attempts.

    Args:
        table: Where they are, with the columns of `attempts`.
        where: A condition of our own making.
        sign: `-` to take them off.
    """
    return (
        f"SELECT (started_at_us // {SLOT_US})::INTEGER, provider, model, power_level, status, source, "  # noqa: S608
        f"{_measures(sign)} FROM {table} WHERE {where} GROUP BY ALL"
    )


_KEY = ", ".join(ROLLUP_KEY)
_SUMS = ", ".join(f"sum({measure}) AS {measure}" for measure in ROLLUP_MEASURES)
_WHOLE = f"SELECT {_KEY}, {_SUMS} FROM rollup GROUP BY ALL HAVING sum(attempts) <> 0"  # noqa: S608


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


def recount(cursor: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """Compare the rollup with a fresh count of the attempts.

    Returns:
        Rows that are in one and not in the other, the side's name first; empty when the rollup is exact.
    """
    counted = aggregate("attempts")
    return cursor.execute(
        f"WITH kept AS ({_WHOLE}), counted({_KEY}, {', '.join(ROLLUP_MEASURES)}) AS ({counted}) "  # noqa: S608
        "SELECT 'rollup', * FROM (SELECT * FROM kept EXCEPT SELECT * FROM counted) "
        "UNION ALL SELECT 'attempts', * FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept)"
    ).fetchall()
