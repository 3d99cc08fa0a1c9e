"""Files of calls as rows: CSV, JSON lines, JSON arrays and Parquet, read as a stream with the place of each row."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from data_sources.usage.attempt import UNREADABLE, not_readable
from data_sources.usage.normalise.json_text import mended, unmarked

CHUNK_ROWS = 4096
_LONGEST_HEADER = 1_000_000
MAX_JSON_BYTES = 512 * 10**6  # a JSON array is read whole; longer files come as one event a line


class BadFileError(Exception):
    """The file cannot be read as a whole. The text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        place: Its line (CSV, JSON lines) or its number from 1 (JSON array, Parquet).
        values: By column name; None when the row itself is bad.
        raw: The JSON text, for files of JSON.
        problem: Why the row cannot be used.
    """

    place: int
    values: dict[str, Any] | None
    raw: bytes | None = None
    problem: str | None = None


Progress = Callable[[int], None]


def read_rows(path: Path, progress: Progress) -> Iterator[Row]:
    """Read a file's rows in their order.

    Args:
        path: A .csv, .tsv, .jsonl, .ndjson, .json or .parquet file.
        progress: Told how many bytes of the file are read.

    Raises:
        BadFileError: It is none of these, or cannot be read.
    """
    readers = {
        ".csv": _csv,
        ".tsv": _csv,
        ".jsonl": _lines,
        ".ndjson": _lines,
        ".json": _json,
        ".parquet": _parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadFileError(f"{path.name} is not a .csv, .tsv, .jsonl, .ndjson, .json or .parquet file")
    try:
        yield from reader(path, progress)
    except OSError as error:
        raise BadFileError(f"{path.name} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadFileError(f"{path.name} is not UTF-8 text") from None


def _csv(path: Path, progress: Progress) -> Iterator[Row]:
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else _delimiter(path), strict=True)
        try:
            header = next(reader, None)
            if not header or len(set(header)) != len(header):
                raise BadFileError(f"{path.name} has no header, or a column twice")
            for cells in reader:
                if not cells:
                    continue
                if reader.line_num % 512 == 0:
                    progress(raw.tell())
                if len(cells) != len(header):
                    yield Row(reader.line_num, None, problem=f"{len(cells)} cells under {len(header)} columns")
                    continue
                yield Row(reader.line_num, dict(zip(header, cells, strict=True)))
        except csv.Error as error:
            raise BadFileError(f"{path.name}, line {reader.line_num}: {error}") from None


def _delimiter(path: Path) -> str:
    """What parts the columns: where a comma is for decimals, spreadsheets write semicolons."""
    with path.open("rb") as file:
        header = file.readline(_LONGEST_HEADER)
    return ";" if b";" in header and b"," not in header else ","


_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def _object(place: int, raw: bytes) -> Row:
    """A row of JSON, read as the server's door reads it: half an emoji or a NaN costs nothing."""
    try:
        return Row(place, _OBJECT.decode(raw), raw)
    except UNREADABLE as error:
        again = mended(raw)
        if again is not None:
            return _object(place, again)
        return Row(place, None, raw, f"not a JSON object: {not_readable(error)}")


def _lines(path: Path, progress: Progress) -> Iterator[Row]:
    done = 0
    with path.open("rb") as file:
        for place, line in enumerate(file, 1):
            done += len(line)
            if place % 512 == 0:
                progress(done)
            text = (unmarked(line) if place == 1 else line).strip()
            if text:
                yield _object(place, text)


class _Capture(msgspec.Struct):
    """A recorded request: the body is what was posted."""

    body: list[msgspec.Raw]


def _json(path: Path, progress: Progress) -> Iterator[Row]:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise BadFileError(f"{path.name} is larger than {MAX_JSON_BYTES // 10**6} MB; give one JSON object a line")
    text = unmarked(path.read_bytes()).strip()
    try:
        events = _json_events(text)
    except UNREADABLE as error:
        again = mended(text)
        try:
            if again is None:
                raise
            events = _json_events(again)
        except UNREADABLE:
            raise BadFileError(f"{path.name} is not JSON: {not_readable(error)}") from None
    progress(len(text))
    for place, raw in enumerate(events, 1):
        yield _object(place, bytes(raw))


def _json_events(text: bytes) -> list[msgspec.Raw]:
    if text[:1] == b"[":
        return _ARRAY.decode(text)
    try:
        return msgspec.json.decode(text, type=_Capture).body
    except msgspec.ValidationError:
        return [msgspec.Raw(text)]


def _parquet(path: Path, progress: Progress) -> Iterator[Row]:
    try:
        file = pq.ParquetFile(path)
        size, rows, place = path.stat().st_size, file.metadata.num_rows, 0
        for chunk in file.iter_batches(batch_size=CHUNK_ROWS):
            for values in chunk.to_pylist():
                place += 1
                yield Row(place, values)
            progress(size * place // max(rows, 1))
    except (ValueError, OSError) as error:  # pyarrow's errors are these
        raise BadFileError(f"{path.name} is not a Parquet file that can be read: {error}") from None


class RowIds:
    """Ids for rows without one: a hash of the whole row, and which of the equal rows it is.

    The same file gives the same ids again, whatever is mapped or set, so importing twice changes nothing.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}

    def of(self, values: dict[str, Any]) -> str:
        """The row's id; rows must come in the file's order."""
        text = msgspec.json.encode(sorted(values.items(), key=lambda item: item[0]), enc_hook=str)
        digest = hashlib.sha256(text).digest()[:16]
        nth = self._seen.get(digest, 0) + 1
        self._seen[digest] = nth
        return f"{digest.hex()}-{nth}"
