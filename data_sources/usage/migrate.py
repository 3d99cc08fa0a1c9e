"""Makes the tables of a new store, and brings those of an older one up to date.

A change of `schema.py` is a new version: raise `STORE_VERSION` and give the statements that lead to it here. New
columns go at the end of their table. All steps run in one transaction: whatever stops them leaves the older file whole.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import duckdb

from data_sources.usage import schema

log = logging.getLogger(__name__)

_TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
_PRICINGS = ("priced", "unpriced", "unmetered")
# The version that a step leads to -> its statements. A step never changes once it was released.
STEPS: Mapping[int, tuple[str, ...]] = {
    2: (
        "CREATE TABLE audit (at_us BIGINT NOT NULL, actor VARCHAR NOT NULL, action VARCHAR NOT NULL, "
        "detail VARCHAR NOT NULL)",
        "ALTER TABLE batches ADD COLUMN expired BIGINT DEFAULT 0",
        "ALTER TABLE batches ALTER COLUMN expired SET NOT NULL",
        "ALTER TABLE batches ALTER COLUMN expired DROP DEFAULT",
    ),
    # A store of version 2 holds every attempt that its rollup counts, so the rollup is counted anew.
    3: (
        "ALTER TABLE attempts ADD COLUMN cost_source VARCHAR",
        "UPDATE attempts SET cost_source = CASE WHEN cost_reported_usd IS NULL THEN price_version "
        "WHEN abs(cost_reported_usd - cost_computed_usd) > 0.000001 "
        "AND abs(cost_reported_usd - cost_computed_usd) * 200 > cost_reported_usd THEN 'disputed' "
        "ELSE 'reported' END WHERE cost_usd IS NOT NULL",
        "DROP TABLE rollup",
        "CREATE TABLE rollup (slot INTEGER NOT NULL, provider VARCHAR, model VARCHAR, power_level VARCHAR, "
        "status VARCHAR NOT NULL, source VARCHAR NOT NULL, cost_source VARCHAR, attempts BIGINT NOT NULL, "
        "calls BIGINT NOT NULL, priced_calls BIGINT NOT NULL, unpriced_calls BIGINT NOT NULL, "
        "unmetered_calls BIGINT NOT NULL, priced_attempts BIGINT NOT NULL, unpriced_attempts BIGINT NOT NULL, "
        "unmetered_attempts BIGINT NOT NULL, cost_usd DECIMAL(38,12) NOT NULL, "
        + ", ".join(f"{kind}_tokens BIGINT NOT NULL, {kind}_known BIGINT NOT NULL" for kind in _TOKENS)
        + ")",
        "INSERT INTO rollup SELECT (started_at_us // 900000000)::INTEGER, provider, model, power_level, status, "  # noqa: S608
        "source, cost_source, count(*), sum(counts_call), "
        + "".join(f"coalesce(sum(counts_call) FILTER (pricing = '{kind}'), 0), " for kind in _PRICINGS)
        + "".join(f"count(*) FILTER (pricing = '{kind}'), " for kind in _PRICINGS)
        + "coalesce(sum(cost_usd), 0), "
        + ", ".join(f"coalesce(sum({kind}_tokens), 0), count({kind}_tokens)" for kind in _TOKENS)
        + " FROM attempts GROUP BY ALL ORDER BY 1",
    ),
    # What was received before was not counted, and stays unknown.
    4: (
        "CREATE TABLE intake (slot INTEGER NOT NULL, source VARCHAR, accepted BIGINT NOT NULL, "
        "duplicates BIGINT NOT NULL, rejected BIGINT NOT NULL, late BIGINT NOT NULL, last_received_us BIGINT NOT NULL)",
        "CREATE TABLE rejections (slot INTEGER NOT NULL, source VARCHAR, reason VARCHAR, events BIGINT NOT NULL, "
        "last_received_us BIGINT NOT NULL, sample VARCHAR)",
    ),
    # Likewise requests that were refused before.
    5: (
        "CREATE TABLE refused (slot INTEGER NOT NULL, door VARCHAR NOT NULL, status SMALLINT NOT NULL, "
        "reason VARCHAR NOT NULL, requests BIGINT NOT NULL, last_received_us BIGINT NOT NULL)",
        "INSERT INTO meta SELECT 'refused_since_us', epoch_us(now())::VARCHAR",
    ),
}


class NewerStoreError(Exception):
    """The file was written by a newer version of Ops Center. The text says which."""


class NoStoreError(Exception):
    """The file is a database, but no usage store."""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of a new file, or migrate those of an older one, in one transaction.

    Raises:
        NewerStoreError: The file is of a newer version; it is left alone.
        NoStoreError: Its tables are somebody else's; it is left alone.
    """
    tables = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    found = _version(connection) if "meta" in tables else None
    if tables and found is None:
        raise NoStoreError("It is a database, but not a usage store of Ops Center.")
    if found is not None and found > schema.STORE_VERSION:
        raise NewerStoreError(
            f"It is of version {found}, and this Ops Center reads versions up to {schema.STORE_VERSION}. "
            "Start the newer Ops Center again, or restore a backup of before."
        )
    if found == schema.STORE_VERSION:
        return
    statements = (
        [*schema.TABLES.values(), schema.COUNTED_SINCE]
        if found is None
        else [text for version in range(found + 1, schema.STORE_VERSION + 1) for text in STEPS[version]]
    )
    connection.begin()
    for statement in statements:
        connection.execute(statement)
    connection.execute("DELETE FROM meta WHERE key = 'store_version'")
    connection.execute("INSERT INTO meta VALUES ('store_version', ?)", [str(schema.STORE_VERSION)])
    connection.commit()
    if found is not None:
        log.info("usage store: migrated from version %d to %d", found, schema.STORE_VERSION)


def _version(connection: duckdb.DuckDBPyConnection) -> int | None:
    rows = connection.execute("SELECT value FROM meta WHERE key = 'store_version'").fetchall()
    text = str(rows[0][0]) if rows else ""
    return int(text) if text.isdigit() else None
