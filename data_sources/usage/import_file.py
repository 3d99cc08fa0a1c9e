"""Reading a file's rows as events: which kind of file it is, and what of it cannot be one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from data_sources.usage.attempt import BadEventError
from data_sources.usage.import_types import ImportEvent, ImportOptions, ImportReport
from data_sources.usage.mapping import BadMappingError, NeedsOptionError, RowMapper, TimeRule, plan
from data_sources.usage.normalise import litellm, own
from data_sources.usage.tables import Row

_MOST_UNREAD = 1000  # so many first rows that all need an option are a file that needs it


def read_events(rows: Iterable[Row], options: ImportOptions, report: ImportReport) -> Iterator[ImportEvent]:
    """The file's events; what cannot be one is noted in the report.

    Args:
        rows: The rows of the file.
        options: What they are read with.
        report: Takes what the file is and what was not taken of it.

    Raises:
        BadMappingError: The file has no event that can be read without an option that was not given.
    """
    make: Callable[[Row], ImportEvent] | None = None
    mapper: RowMapper | None = None
    unread: list[tuple[int, NeedsOptionError]] = []  # until one row's time can be read: then they are bad rows
    found = False
    for row in rows:
        report.rows += 1
        if row.values is None:
            report.refuse(row.place, row.problem or "cannot be read")
            continue
        if make is None:
            make, mapper = _recognise(row, options, report)
        try:
            event = make(row)
        except NeedsOptionError as error:
            if found:
                report.refuse(row.place, str(error))
                continue
            unread.append((row.place, error))
            if len(unread) >= _MOST_UNREAD:
                break
            continue
        except BadEventError as error:
            report.refuse(row.place, str(error))
            continue
        found = True
        for place, why in unread:
            report.refuse(place, str(why))
        unread.clear()
        yield event
    if unread:
        place, first = unread[0]
        raise BadMappingError(f"{first.demand} (first in row {place})")
    if mapper is not None and mapper.twice:
        report.notes.append(
            f"{mapper.twice:,} local times come twice because clocks were put back; they were read as the first"
        )


def _recognise(
    row: Row, options: ImportOptions, report: ImportReport
) -> tuple[Callable[[Row], ImportEvent], RowMapper | None]:
    """What kind of file this is, by its first row."""
    values = row.values or {}
    only_source = set(options.fixed) <= {"source"} and not options.columns
    # Both are read from their JSON text, which a file of JSON keeps; the same names as columns are a table.
    if row.raw is not None and "startTime" in values and "call_type" in values:
        if not only_source:
            raise BadMappingError("these are LiteLLM's own events: only --set source=NAME applies")
        report.form = "LiteLLM"
        return _as_sent(litellm.read), None
    is_event = "event_id" in values and any(name.startswith("started_at") for name in values)
    if row.raw is not None and is_event and only_source and not (options.tz or options.time_unit):
        report.form = "events"
        return _as_sent(own.read), None
    mapper = plan(
        list(values), options.columns, options.fixed, TimeRule(options.tz, options.time_unit, options.time_origin)
    )
    report.form, report.mapped = "table", mapper.columns
    report.ignored = tuple(name for name in values if name not in mapper.columns.values())
    return _mapped(mapper), mapper


def _as_sent(read: Callable[[msgspec.Raw, str | None], Any]) -> Callable[[Row], ImportEvent]:
    def make(row: Row) -> ImportEvent:
        if row.raw is None:
            raise BadEventError("it has no JSON text")
        return ImportEvent(row.place, row.raw, read(msgspec.Raw(row.raw), None).started_at_us)

    return make


def _mapped(mapper: RowMapper) -> Callable[[Row], ImportEvent]:
    def make(row: Row) -> ImportEvent:
        event = mapper.event(row.values or {})
        return ImportEvent(row.place, msgspec.json.encode(event), event["started_at_us"])

    return make


def parts(events: Iterator[ImportEvent], size: int) -> Iterator[list[ImportEvent]]:
    """The same events, so many at a time."""
    part: list[ImportEvent] = []
    for event in events:
        part.append(event)
        if len(part) >= size:
            yield part
            part = []
    if part:
        yield part
