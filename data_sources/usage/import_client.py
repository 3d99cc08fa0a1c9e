"""Import of a file into a running server, over the same door as every other sender. Prints nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import requests

from data_sources.http import BROKEN_OFF, Answer, call_json, retry_after, session
from data_sources.result import Kind, Problem
from data_sources.usage.attempt import BadEventError
from data_sources.usage.console_client import ROOT as _ROOT
from data_sources.usage.console_client import StoppedError, refusal
from data_sources.usage.mapping import BadMappingError, NeedsOptionError, RowMapper, TimeRule, plan
from data_sources.usage.normalise import litellm, own
from data_sources.usage.tables import BadFileError, Row, read_rows

KEPT_REJECTS = 1000
_MOST_UNREAD = 1000  # so many first rows that all need an option are a file that needs it
_PATIENCE_S = 120.0
_LONGEST_WAIT_S = 8.0
_TIMEOUT_S = (3.0, 120.0)
_AGAIN = (429, 502, 503, 504)  # busy or restarting, told by the console or by a proxy before it
_WHAT = "The file was not imported"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What to import, and how to read it.

    Attributes:
        path: The file.
        url: The running server.
        key: Its ingest key.
        columns: Field -> column (`--map`).
        fixed: Field -> value (`--set`).
        tz: Zone of times without an offset.
        time_unit: s, ms, us or ns.
        time_origin: What numbers count from, aware.
        batch_rows: Events sent at once.
    """

    path: Path
    url: str
    key: str = field(repr=False)
    columns: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)
    tz: str | None = None
    time_unit: str | None = None
    time_origin: datetime | None = None
    batch_rows: int = 2000


@dataclass(slots=True)
class ImportReport:
    """What became of a file, so far or at the end.

    Attributes:
        batch_id: To undo the import by.
        form: What the file was recognised as: LiteLLM, events, table.
        rows: Rows read.
        rejected: Place in the file (line, or number of the event) and reason, the first 1,000.
        rejected_count: All of them.
        mapped: Field -> column as used, for tables.
        ignored: Columns that nothing was read from.
        span: First and last start, UTC; None when nothing was taken.
        notes: Short sentences about what was assumed.
        sent_twice: Of `duplicates`, those of parts that were sent again: an earlier try may have brought them.
        unsure: Events of the part that was being sent when the import ended, where nobody could say what became of
            them.
        waiting: Why it waits now, in words; None while it goes on.
        problem: Why the import ended early; what was sent before stays, and importing again is safe.
    """

    batch_id: str
    form: str | None = None
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    rejected_count: int = 0
    mapped: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    span: tuple[datetime, datetime] | None = None
    notes: list[str] = field(default_factory=list)
    sent_twice: int = 0
    unsure: int = 0
    waiting: str | None = None
    problem: Problem | None = None

    def reject(self, place: int, reason: str) -> None:
        """Note a row that was not taken."""
        self.rejected_count += 1
        if len(self.rejected) < KEPT_REJECTS:
            self.rejected.append((place, reason))


OnProgress = Callable[[int, int, ImportReport], None]


@dataclass(frozen=True, slots=True)
class _Sending:
    """What sending a part needs; `told` shows the report as it is now."""

    made: requests.Session
    options: ImportOptions
    report: ImportReport
    told: Callable[[], None]


@dataclass(slots=True)
class _Event:
    place: int
    text: bytes
    started_at_us: int


def run_import(options: ImportOptions, on_progress: OnProgress) -> ImportReport:
    """Send a file's calls to the server; safe to run again.

    Args:
        options: What to import.
        on_progress: Told after each part, and where it waits: bytes read, bytes in the file, the report so far.

    Returns:
        The report; `problem` is set when the import ended early.
    """
    report = ImportReport(f"import-{secrets.token_hex(8)}")
    try:
        size = options.path.stat().st_size
        done = [0]
        rows = read_rows(options.path, lambda count: done.__setitem__(0, count))

        def told() -> None:
            on_progress(done[0], size, report)

        with session() as made:
            _see_that_it_runs(made, options)
            try:
                for events in _parts(_events(rows, options, report), options.batch_rows):
                    _send(_Sending(made, options, report, told), events)
                    told()
                _finish(_Sending(made, options, report, told))
            finally:
                report.waiting = None
                _count_anew(made, options, report)
        on_progress(size, size, report)
    except (BadFileError, BadMappingError) as error:
        report.problem = Problem(Kind.BAD_QUERY, _WHAT, _sentence(str(error)))
    except OSError as error:
        report.problem = Problem(Kind.BAD_QUERY, _WHAT, f"{options.path.name} cannot be read: {error.strerror}.")
    except StoppedError as error:
        report.problem = error.problem
    except KeyboardInterrupt:
        report.problem = Problem(Kind.UPSTREAM, _WHAT, "It was stopped.")
    return report


def undo_import(url: str, key: str, batch_id: str) -> int | Problem:
    """Take an import out again.

    Args:
        url: The running server.
        key: Its ingest key.
        batch_id: As the import's report named it.

    Returns:
        How many attempts were removed, or the problem.
    """
    what = "The import was not undone"
    address = f"{url.rstrip('/')}{_ROOT}/batches/{quote(batch_id, safe='')}/undo"
    with session() as made:
        answer = call_json(
            made,
            "POST",
            address,
            source=f"The console at {url.rstrip('/')}",
            what=what,
            headers={"Authorization": f"Bearer {key}"},
            timeout_s=_TIMEOUT_S,
            accept_errors=True,
        )
    if isinstance(answer, Problem):
        return answer
    return int(answer.body["removed"]) if answer.status == 200 else refusal(answer, what)


def _sentence(text: str) -> str:
    """Words of an error as a sentence; a file's or an option's name keeps its letters."""
    first = text.split(" ", 1)[0]
    started = text[:1].upper() + text[1:] if first.isalpha() else text
    return started if started.endswith(".") else f"{started}."


def _events(rows: Iterable[Row], options: ImportOptions, report: ImportReport) -> Iterator[_Event]:
    """The file's events; what cannot be one is noted in the report.

    Raises:
        BadMappingError: The file has no event that can be read without an option that was not given.
    """
    make: Callable[[Row], _Event] | None = None
    mapper: RowMapper | None = None
    unread: list[tuple[int, NeedsOptionError]] = []  # until one row's time can be read: then they are bad rows
    found = False
    for row in rows:
        report.rows += 1
        if row.values is None:
            report.reject(row.place, row.problem or "cannot be read")
            continue
        if make is None:
            make, mapper = _recognise(row, options, report)
        try:
            event = make(row)
        except NeedsOptionError as error:
            if found:
                report.reject(row.place, str(error))
                continue
            unread.append((row.place, error))
            if len(unread) >= _MOST_UNREAD:
                break
            continue
        except BadEventError as error:
            report.reject(row.place, str(error))
            continue
        found = True
        for place, why in unread:
            report.reject(place, str(why))
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
) -> tuple[Callable[[Row], _Event], RowMapper | None]:
    """What kind of file this is, by its first row."""
    values = row.values or {}
    only_source = set(options.fixed) <= {"source"} and not options.columns
    if "startTime" in values and "call_type" in values:
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


def _as_sent(read: Callable[[msgspec.Raw, str | None], Any]) -> Callable[[Row], _Event]:
    def make(row: Row) -> _Event:
        assert row.raw is not None  # noqa: S101  (files of JSON keep their text)
        return _Event(row.place, row.raw, read(msgspec.Raw(row.raw), None).started_at_us)

    return make


def _mapped(mapper: RowMapper) -> Callable[[Row], _Event]:
    def make(row: Row) -> _Event:
        event = mapper.event(row.values or {})
        return _Event(row.place, msgspec.json.encode(event), event["started_at_us"])

    return make


def _parts(events: Iterator[_Event], size: int) -> Iterator[list[_Event]]:
    part: list[_Event] = []
    for event in events:
        part.append(event)
        if len(part) >= size:
            yield part
            part = []
    if part:
        yield part


def _send(sending: _Sending, events: list[_Event]) -> None:
    report = sending.report
    report.unsure = len(events)
    answer, tries = _post(sending, b"[" + b",".join(event.text for event in events) + b"]", {})
    status = _status(answer)
    if status is not None and 400 <= status < 500 and status not in _AGAIN:
        report.unsure = 0
    if status == 413:
        if len(events) == 1:
            report.reject(events[0].place, "larger than the server takes")
            return
        middle = len(events) // 2
        _send(sending, events[:middle])
        _send(sending, events[middle:])
        return
    taken = _taken(answer, _WHAT)
    report.unsure = 0
    report.accepted += taken["accepted"]
    report.duplicates += taken["duplicates"]
    if tries > 1:
        report.sent_twice += taken["duplicates"]
    refused = {bad["index"] for bad in taken["rejected"]}
    for bad in taken["rejected"]:
        report.reject(events[bad["index"]].place, bad["reason"])
    starts = [event.started_at_us for index, event in enumerate(events) if index not in refused]
    if starts:
        first, last = _moment(min(starts)), _moment(max(starts))
        known = report.span or (first, last)
        report.span = (min(known[0], first), max(known[1], last))


def _taken(answer: Answer | Problem, what: str) -> dict[str, Any]:
    """What the server says that it did.

    Raises:
        StoppedError: It did not take the part.
    """
    if isinstance(answer, Problem):
        status = _status(answer)
        detail = answer.detail if status is None else f"{answer.detail.rstrip('.')} (HTTP {status})."
        raise StoppedError(replace(answer, title=what, detail=detail))
    if answer.status != 200:
        raise StoppedError(refusal(answer, what))
    taken: dict[str, Any] = answer.body
    return taken


def _finish(sending: _Sending) -> None:
    """Say which span the file covers: in it, a quarter-hour without calls is a true zero."""
    report = sending.report
    if report.span is None:
        return
    span = {"span_start": report.span[0].isoformat(), "span_end": report.span[1].isoformat()}
    answer, _ = _post(sending, b"", span)
    _taken(answer, "The span of the import was not noted")


def _count_anew(made: requests.Session, options: ImportOptions, report: ImportReport) -> None:
    """Ask what this import added, where an answer that did not come leaves it open."""
    if not (report.sent_twice or report.unsure):
        return
    answer = _get(made, options, {"batch_id": report.batch_id})
    if isinstance(answer, Problem) or answer.status != 200:
        return
    accepted = sum(batch["accepted"] for batch in answer.body["batches"] if batch["batch_id"] == report.batch_id)
    report.duplicates -= min(max(0, accepted - report.accepted), report.sent_twice)
    report.accepted, report.sent_twice, report.unsure = accepted, 0, 0


def _post(sending: _Sending, body: bytes, more: dict[str, str]) -> tuple[Answer | Problem, int]:
    """Post a part, waiting while the server is busy or restarts: what arrives twice counts once.

    Returns:
        The last answer, and how often the part was sent.
    """
    options, report = sending.options, sending.report
    named = {"batch_id": report.batch_id, "kind": "import", "name": options.path.name[:500], **more}
    named["source"] = options.fixed.get("source") or (litellm.DEFAULT_SOURCE if report.form == "LiteLLM" else "import")
    address = f"{options.url.rstrip('/')}{_ROOT}/events?{urlencode(named)}"
    headers = {"Authorization": f"Bearer {options.key}", "Content-Type": "application/json"}
    deadline = time.monotonic() + _PATIENCE_S
    for tries in count(1):
        answer = call_json(
            sending.made,
            "POST",
            address,
            source=_source(options),
            what=_WHAT,
            data=body,
            headers=headers,
            timeout_s=_TIMEOUT_S,
            accept_errors=True,
        )
        wait_s = _wait_s(answer, tries)
        if wait_s is None or time.monotonic() + wait_s > deadline:
            report.waiting = None
            return answer, tries
        report.waiting = "no answer" if _status(answer) is None else f"HTTP {_status(answer)}"
        sending.told()
        time.sleep(wait_s)
    raise AssertionError("counting ended")


def _see_that_it_runs(made: requests.Session, options: ImportOptions) -> None:
    """Stop where nobody answers: that is a wrong address. A server that is gone later on restarts."""
    answer = _get(made, options, {})
    if isinstance(answer, Problem) and answer.code in ("connection", "address"):
        raise StoppedError(answer)


def _get(made: requests.Session, options: ImportOptions, params: dict[str, str]) -> Answer | Problem:
    """What the server knows of imports."""
    return call_json(
        made,
        "GET",
        f"{options.url.rstrip('/')}{_ROOT}/batches",
        source=_source(options),
        what=_WHAT,
        params=params,
        headers={"Authorization": f"Bearer {options.key}"},
        timeout_s=_TIMEOUT_S,
        accept_errors=True,
    )


def _source(options: ImportOptions) -> str:
    return f"The console at {options.url.rstrip('/')}"


def _status(answer: Answer | Problem) -> int | None:
    """The HTTP status of an answer; None where there was none."""
    if isinstance(answer, Answer):
        return answer.status
    named = (answer.code or "").removeprefix("HTTP ")
    return int(named) if named.isdecimal() else None


def _wait_s(answer: Answer | Problem, tries: int) -> float | None:
    """How long to wait before sending again; None when that would not help."""
    wait_s = min(2.0 ** (tries - 1), _LONGEST_WAIT_S)
    if _status(answer) in _AGAIN:
        told_s = retry_after(answer.headers) if isinstance(answer, Answer) else answer.retry_after_s
        return wait_s if told_s is None else max(0.1, told_s)
    return wait_s if isinstance(answer, Problem) and answer.code in ("connection", BROKEN_OFF) else None


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC).replace(microsecond=us % 1_000_000)
