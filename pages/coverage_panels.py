"""From what was received to what the coverage page shows: a chart and tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import html

from components import formats
from components.chart import swatch
from components.intake_chart import intake_chart
from components.parts import badge
from components.static import static, tags
from data_sources.usage.types import ImportedFile, Intake, Taken
from pages.usage_panels import seconds

MOST_ROWS, MOST_REASONS = 200, 50
LATE = "Late are accepted events that came more than a quarter-hour after they ended; imported files are not counted."


def _table(label: str, heads: Sequence[tuple[str, bool]], rows: Sequence[Sequence[Any]]) -> html.Div:
    """A table in a region that scrolls sideways.

    Args:
        label: Names the region.
        heads: Words of each column, and whether it holds figures.
        rows: Their cells.
    """
    kinds = ["oc-num" if figure else None for _, figure in heads]
    head = tags.Tr([tags.Th(word, scope="col", className=kind) for (word, _), kind in zip(heads, kinds, strict=True)])
    body = [tags.Tr([tags.Td(cell, className=kind) for cell, kind in zip(row, kinds, strict=True)]) for row in rows]
    table = tags.Table([tags.Thead(head), tags.Tbody(body)], className="oc-table")
    return static(tags.Div(table, className="oc-tablewrap", tabIndex=0, role="region", **{"aria-label": label}))


def _source(name: str | None, hue: int | None = None, *, marked: bool = False) -> Any:
    words = "of more sources than are kept apart" if name is None else name
    cut = tags.Span(words, title=words, className="oc-cut dim" if name is None else "oc-cut")
    return tags.Span([swatch(hue), cut], className="oc-model") if marked else cut


_COUNTS = (("Received", True), ("Accepted", True), ("Duplicates", True), ("Rejected", True), ("Late", True))


def _counts(taken: Taken) -> list[Any]:
    """The figures of a row; trouble is marked, not coloured by itself."""
    rejected: Any = formats.number(taken.rejected)
    if taken.rejected:
        rejected = badge(rejected, "danger", icon_name="failed")
    late = "—" if taken.late is None else formats.number(taken.late)
    return [*map(formats.number, (taken.received, taken.accepted, taken.duplicates)), rejected, late]


def not_counted(found: Intake) -> tuple[str, str] | None:
    """Title and sentence where nothing is known: a zero is shown only of a time in which it was counted."""
    if not found.uncounted:
        return None
    if found.counted_since is None:
        return "Nothing counted yet", "No event was received since this is counted."
    since = seconds(found.counted_since, found.window.tz)
    return "Not counted in this window", f"Counting began {since}: what was received before is not known."


def no_series(found: Intake) -> tuple[str, str] | None:
    """Title and sentence where what came over time is not known."""
    if found.series is None:
        return "Not told", "This usage API does not tell what came over time."
    return not_counted(found)


def series_chart(found: Intake) -> html.Figure | None:
    """What came in each hour or day, and what became of it."""
    return None if found.series is None else intake_chart(found.series, found.window.tz)


def series_sub(found: Intake) -> str:
    """How long the steps are."""
    return "" if found.series is None else f"per {found.series.granularity}, all sources"


def series_foot(found: Intake) -> str:
    """By which time events stand, and what late means."""
    return f"By when events were received, not by when their calls began. {LATE}{_since(found)}"


def _since(found: Intake) -> str:
    since = found.counted_since
    if since is None or since <= found.window.start:
        return ""
    return f" Counted since {seconds(since, found.window.tz)}: what came before is not known."


def sources_table(found: Intake) -> html.Div:
    """What came from each source, most first."""
    tz = found.window.tz
    rows = [
        [_source(one.source, one.hue, marked=True), *_counts(one.taken), seconds(one.last_received_at, tz)]
        for one in found.sources
    ]
    return _table("Table of sources", [("Source", False), *_COUNTS, (f"Last received, {tz}", True)], rows)


def sources_sub(found: Intake) -> str:
    """How many events came."""
    taken = sum((one.taken for one in found.sources), Taken(0, 0, 0, 0))
    return f"{formats.counted(taken.received, 'event')} received"


def sources_foot(found: Intake) -> str:
    """What late means, and since when it is counted."""
    return LATE + _since(found)


def time_table(found: Intake) -> html.Div:
    """What came in each hour or day from each source, newest first."""
    tz = found.window.tz
    rows = [
        [_when(one.start, tz, found), _source(one.source), *_counts(one.taken)] for one in found.buckets[:MOST_ROWS]
    ]
    word = "Hour" if found.granularity == "hour" else "Day"
    return _table("Table of received events over time", [(f"{word}, {tz}", False), ("Source", False), *_COUNTS], rows)


def _when(at: datetime, tz: str, found: Intake) -> str:
    text = seconds(at, tz)
    return text[:-3] if found.granularity == "hour" else text[:-9]


def time_foot(found: Intake) -> str:
    """What is left out."""
    more = len(found.buckets) - MOST_ROWS
    cut = f" The newest {MOST_ROWS} rows; {formats.number(more)} older ones are in the API." if more > 0 else ""
    empty = f"{found.granularity.capitalize()}s in which nothing came are left out."
    return f"By when events were received, not by when their calls began. {empty}{cut}"


def rejected_table(found: Intake) -> html.Div:
    """Why events were not taken, most first, with the newest of each."""
    tz = found.window.tz
    rows = []
    for one in found.rejections[:MOST_REASONS]:
        reason = one.reason or "Of more reasons than are kept apart"
        rows.append(
            [
                tags.Span(reason, className="oc-wrap"),
                _source(one.source),
                formats.number(one.events),
                seconds(one.last_received_at, tz),
                _sample(one.batch_id, one.index, one.fields),
            ]
        )
    heads = [
        ("Reason", False),
        ("Source", False),
        ("Events", True),
        (f"Last, {tz}", False),
        ("One of the newest", False),
    ]
    return _table("Table of rejected events", heads, rows)


def _sample(batch_id: str | None, index: int | None, fields: Sequence[str]) -> Any:
    if batch_id is None:
        return tags.Span("not kept", className="dim")
    place = "" if index is None else f", index {formats.number(index)}"  # as its sender was told
    names = f" with the fields {', '.join(fields)}" if fields else ""
    return tags.Span(f"batch {batch_id}{place}{names}", className="oc-wrap dim")


def no_reasons(found: Intake) -> tuple[str, str] | None:
    """Title and sentence where it is not known why events were rejected."""
    rejected = _rejected(found)
    if rejected and not found.rejections:
        return f"{formats.counted(rejected, 'event')} rejected", "Why is no longer kept: reasons go after 90 days."
    return not_counted(found)


def _rejected(found: Intake) -> int:
    return sum(one.taken.rejected for one in found.sources)


def rejected_foot(found: Intake) -> str:
    """What is kept of a rejected event."""
    unnamed = _rejected(found) - sum(one.events for one in found.rejections)
    gone = f" Of {formats.number(unnamed)} more the reason is not kept." if unnamed > 0 else ""
    more = len(found.rejections) - MOST_REASONS
    cut = f" The {MOST_REASONS} most frequent of {formats.number(len(found.rejections))}." if more > 0 else ""
    return f"Of a rejected event the names of its fields are kept, never a value.{cut}{gone}"


def refused_table(found: Intake) -> html.Div:
    """Why requests were refused whole, most first."""
    tz = found.window.tz
    rows = [
        [
            tags.Span(one.reason, className="oc-wrap"),
            tags.Code(one.door),
            str(one.status),
            formats.number(one.requests),
            seconds(one.last_received_at, tz),
        ]
        for one in found.refused or ()
    ]
    heads = [("Reason", False), ("Sent to", False), ("Status", True), ("Requests", True), (f"Last, {tz}", True)]
    return _table("Table of refused requests", heads, rows)


def refused_not_counted(found: Intake) -> tuple[str, str] | None:
    """Title and sentence where it is not known whether requests were refused."""
    since = found.refused_since
    if found.refused is None or since is None:
        return "Not told", "This usage API does not count requests that it refuses."
    if found.window.end <= since:
        told = seconds(since, found.window.tz)
        return "Not counted in this window", f"Counting began {told}: what was refused before is not known."
    if not found.refused and since > found.window.start:
        told = seconds(since, found.window.tz)
        return "0 requests refused", f"None was refused since {told}, when counting began; before, it is not known."
    return None


def refused_foot(found: Intake) -> str:
    """What is not known of them."""
    since = found.refused_since
    counted = ""
    if since is not None and since > found.window.start:
        counted = f" Counted since {seconds(since, found.window.tz)}."
    return (
        "Refused before their events were read, so they are in no figure above, and no source is known. After 503 a "
        f"sender that repeats loses nothing; after the others it needs another key, or smaller parts.{counted}"
    )


def imports_table(found: Intake, *, may_undo: bool) -> html.Div:
    """Imported files, newest first, each with what takes it out again.

    Args:
        found: The answer.
        may_undo: Whether this reader may.
    """
    tz = found.window.tz
    rows = []
    for one in found.imports:
        taken = [formats.number(count) for count in (one.taken.accepted, one.taken.duplicates, one.taken.rejected)]
        name = one.name or one.batch_id
        rows.append(
            [
                tags.Span(name, title=f"batch {one.batch_id}", className="oc-cut"),
                _source(one.source) if one.source else tags.Span("as in the file", className="dim"),
                seconds(one.received_at, tz),
                *taken,
                _undo(one, tz, may_undo=may_undo),
            ]
        )
    heads = [("File", False), ("Source", False), (f"Imported, {tz}", False)]
    counts = [("Accepted", True), ("Duplicates", True), ("Rejected", True), ("", True)]
    return _table("Table of imports", [*heads, *counts], rows)


def _undo(one: ImportedFile, tz: str, *, may_undo: bool) -> Any:
    if one.undone_at is not None:
        return tags.Span(f"taken out {seconds(one.undone_at, tz)}", className="dim")
    if not may_undo:
        return tags.Span("in the figures", className="dim")
    name = one.name or one.batch_id
    return tags.Button(
        "Take out",
        type="button",
        className="btn btn-sm btn-secondary",
        **{
            "data-undo": one.batch_id,
            "data-name": name,
            "data-events": formats.number(one.taken.accepted),
            "aria-label": f"Take out {name}",
        },
    )
