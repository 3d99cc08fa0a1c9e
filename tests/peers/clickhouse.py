"""ClickHouse, in this process: the second engine that reads the questions of the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import clickhouse_connect

# Without these an engine of zeros: sums over nothing and missing joins would be 0 instead of null, and a name that is
# both a column and a sum would mean the sum.
_SETTINGS = {"join_use_nulls": 1, "aggregate_functions_null_for_empty": 1, "prefer_column_name_to_alias": 1}
_TYPES = {
    "VARCHAR": "String",
    "BIGINT": "Int64",
    "INTEGER": "Int32",
    "SMALLINT": "Int16",
    "TINYINT": "Int8",
    "BOOLEAN": "Bool",
    "VARCHAR[]": "Array(String)",
}


class ClickHouse:
    """Tables copied from a usage store, and statements over them."""

    def __init__(self) -> None:
        self._client = clickhouse_connect.get_client(interface="chdb", settings=_SETTINGS)

    def close(self) -> None:
        self._client.close()

    def copy(self, store: Any, *tables: str) -> None:
        """Take over tables as they stand, rows and nulls."""
        with store.cursor() as cursor:
            for table in tables:
                columns = cursor.execute(f"DESCRIBE {table}").fetchall()
                names = [column[0] for column in columns]
                declared = ", ".join(f"{name} {_type(kind)}" for name, kind, *_ in columns)
                self._client.command(
                    f"CREATE OR REPLACE TABLE {table} ({declared}) ENGINE = MergeTree ORDER BY tuple()"
                )
                rows = cursor.execute(f"SELECT * FROM {table}").fetchall()
                if rows:
                    tags = names.index("tags") if "tags" in names else None
                    given = [
                        [[] if place == tags and cell is None else cell for place, cell in enumerate(r)] for r in rows
                    ]
                    self._client.insert(table, given, column_names=names)

    def rows(self, statement: str, values: Mapping[str, int | str]) -> list[tuple[Any, ...]]:
        """Run one statement with its values bound."""
        return [tuple(row) for row in self._client.query(statement, parameters=dict(values)).result_rows]


def _type(kind: str) -> str:
    if kind.startswith("DECIMAL"):
        return f"Nullable({kind.replace('DECIMAL', 'Decimal')})"
    found = _TYPES[kind]
    return found if found.startswith("Array") else f"Nullable({found})"
