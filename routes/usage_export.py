"""Whole windows as CSV or JSON, sent while they are read.

A failure in the middle breaks the transfer off: the client sees an error, never a file that is silently short.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response

from data_sources.usage.types import Export
from routes.usage_json import plain, window

FORMATS = ("csv", "json")
_ROWS_A_PART = 500
# A cell that starts with one of these is run as a formula by spreadsheets, some of which skip what is blank before it
# and take the wide forms for the same.
_FORMULA = re.compile(r"[\t\r\n]|[\s\x00-\x1f\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def response(export: Export, form: str, *, beside: Mapping[str, Any]) -> Response:
    """The file of an export.

    Args:
        export: Its rows, read while they are sent.
        form: "csv" or "json".
        beside: What the rows are limited to and what to know about them, said in the JSON file.
    """
    first, last = export.window.start.date(), export.window.end.date()
    name = f"llm-usage-{export.grain}-{first}-{last}.{form}"
    parts = _csv(export) if form == "csv" else _json(export, beside)
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    made = Response(parts, content_type=kind)
    made.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    made.headers["Cache-Control"] = "no-store"
    made.headers["X-Total-Rows"] = str(export.total_rows)
    if export.total_calls is not None:
        made.headers["X-Total-Calls"] = str(export.total_calls)
    made.call_on_close(export.rows.close)  # ends the snapshot also when the reader leaves
    return made


def cell(value: object) -> object:
    """A value as text in a CSV cell; unknown is an empty cell, text never starts a formula."""
    if isinstance(value, str):
        return "'" + value if _FORMULA.match(value) else value
    if isinstance(value, list | tuple):
        return cell(";".join(str(part) for part in value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value)


def _csv(export: Export) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(export.columns)
    for number, row in enumerate(export.rows, 1):
        writer.writerow([cell(value) for value in row])
        if number % _ROWS_A_PART == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _json(export: Export, beside: Mapping[str, Any]) -> Iterator[str]:
    """One object, laid out with one row a line, so that a reader need not hold the file in memory."""
    head = {
        "window": window(export.window),
        "grain": export.grain,
        **beside,
        "total_rows": export.total_rows,
        "total_calls": export.total_calls,
        "columns": export.columns,
        "currency": "USD",
    }
    yield json.dumps(head)[:-1] + ', "rows": ['
    parts: list[str] = []
    for number, row in enumerate(export.rows):
        values = {name: plain(value) for name, value in zip(export.columns, row, strict=True)}
        parts.append((",\n" if number else "\n") + json.dumps(values))
        if len(parts) == _ROWS_A_PART:
            yield "".join(parts)
            parts.clear()
    yield "".join(parts) + "\n]}\n"
