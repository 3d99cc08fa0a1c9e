"""Every row of a window from a usage API, read while it comes: one row a line, never the whole file in memory.

A transfer that breaks off, or ends with fewer rows than were announced, raises: a short file is never a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import requests

from data_sources.http import flow_words
from data_sources.usage.remote_read import Node, WrongFieldError
from data_sources.usage.types import Export, Grain, Window

_LINE_BYTES = 1_000_000
_PART_BYTES = 65_536
_TIMES, _AMOUNTS = frozenset({"started_at"}), frozenset({"cost_usd", "cost_reported_usd", "cost_computed_usd"})


class BrokenExportError(Exception):
    """The rows ended before all of them came. The text is one sentence, fit to show."""


class SlowExportError(BrokenExportError):
    """They came too slowly to be waited for."""


def _lines(answer: requests.Response, timeout_s: tuple[float, float]) -> Iterator[bytes]:
    rest = b""
    try:
        for part in answer.iter_content(_PART_BYTES):
            *whole, rest = (rest + part).split(b"\n")
            yield from whole
            if len(rest) > _LINE_BYTES:
                raise BrokenExportError("The usage API sent a row that is too long.")
    except requests.exceptions.RequestException as error:
        slow = flow_words(error, timeout_s)
        if slow is not None:
            raise SlowExportError(f"The usage API {slow}: its export is too slow.") from error
        raise BrokenExportError("The usage API broke off the export.") from error
    if rest:
        yield rest


def _object(text: bytes) -> Node:
    try:
        return Node.root(json.loads(text, parse_float=Decimal))
    except (ValueError, RecursionError) as error:
        if isinstance(error, WrongFieldError):
            raise
        raise WrongFieldError("The usage API sent an export that cannot be read.") from None


def head_of(answer: requests.Response, timeout_s: tuple[float, float]) -> tuple[Node, Iterator[bytes]]:
    """Read the beginning of an export.

    Args:
        answer: The open answer.
        timeout_s: That it was opened with, for what is told of one that is too slow.

    Returns:
        What stands before the rows, and the lines of the rows.

    Raises:
        WrongFieldError: It does not begin as an export does.
        BrokenExportError: It broke off, or came too slowly.
    """
    lines = _lines(answer, timeout_s)
    first = next(lines, b"").rstrip()
    if not first.endswith(b'"rows": ['):
        raise WrongFieldError("The usage API sent an export that cannot be read.")
    return _object(first + b"]}"), lines


def export(held: ExitStack, head: Node, lines: Iterator[bytes], window: Window, grain: Grain) -> Export:
    """The rows of an export.

    Args:
        held: What is held for the rows, the open answer among it; let go of with them.
        head: What stands before the rows.
        lines: Their lines.
        window: The window that they are of.
        grain: What was asked to be a row.

    Raises:
        WrongFieldError: The head does not say how many rows come, or which columns.
    """
    if head.text("grain") not in (None, grain):
        raise head.wrong("grain", grain)
    columns = tuple(name for name in head.texts("columns") if name is not None)
    if not columns:
        raise head.wrong("columns", "a list of texts")
    count, calls = head.must_whole("total_rows"), head.whole("total_calls")
    rows = _rows(held, lines, columns, count)
    next(rows)  # from here on, closing the rows closes what is held
    return Export(window, grain, columns, count, rows, calls)


def _rows(
    held: ExitStack, lines: Iterator[bytes], columns: tuple[str, ...], count: int
) -> Generator[tuple[object, ...], None, None]:
    sent, ended = 0, False
    with held.pop_all():
        yield ()
        for line in lines:
            text = line.strip().removesuffix(b",")
            if text == b"]}":
                ended = True
            elif text:
                yield _row(_object(text), columns)
                sent += 1
    if not ended or sent != count:
        raise BrokenExportError(f"The usage API sent {sent:,} of {count:,} rows.")


def _row(row: Node, columns: tuple[str, ...]) -> tuple[object, ...]:
    missing = next((name for name in columns if not row.has(name)), None)
    if missing is not None:
        raise row.wrong(missing, "a value")
    return tuple(_cell(row, name) for name in columns)


def _cell(row: Node, name: str) -> Any:
    if name in _TIMES:
        return row.time(name)
    if name == "tags":
        return row.maybe_texts(name)
    return row.money(name) if name in _AMOUNTS else row.plain(name)
