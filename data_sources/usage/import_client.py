"""Import of a file into a running server, over the same door as every other sender. Prints nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import requests

from data_sources.http import BROKEN_OFF, Answer, call_json, retry_after, session
from data_sources.result import Kind, Problem
from data_sources.usage.console_client import NOTE, StoppedError, refusal
from data_sources.usage.console_client import ROOT as _ROOT
from data_sources.usage.import_file import parts, read_events
from data_sources.usage.import_types import ImportEvent, ImportOptions, ImportReport, OnProgress
from data_sources.usage.mapping import BadMappingError
from data_sources.usage.normalise import litellm
from data_sources.usage.plain_reasons import MOST_REASONS
from data_sources.usage.tables import BadFileError, read_rows

_PATIENCE_S = 120.0
_LONGEST_WAIT_S = 8.0
_TIMEOUT_S = (3.0, 120.0)
_AGAIN = (429, 502, 503, 504)  # busy or restarting, told by the console or by a proxy before it
_WHAT = "The file was not imported"


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
            sender = _Sender(made, options, report, told)
            sender.see_that_it_runs()
            try:
                for events in parts(read_events(rows, options, report), options.batch_rows):
                    sender.send(events)
                    told()
                sender.finish()
            finally:
                report.waiting = None
                sender.tell_refused()
                sender.count_anew()
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


class _Sender:
    """Sends the parts of one import and keeps its report.

    Args:
        made: The session.
        options: What is imported.
        report: Takes what became of each part.
        told: Shows the report as it is now.
    """

    def __init__(
        self, made: requests.Session, options: ImportOptions, report: ImportReport, told: Callable[[], None]
    ) -> None:
        self._made, self._options, self._report, self._told = made, options, report, told
        self._console = f"The console at {options.url.rstrip('/')}"
        self._most = options.batch_rows  # events at a time; fewer once a part was too large

    def see_that_it_runs(self) -> None:
        """Stop where nobody answers: that is a wrong address. A server that is gone later on restarts.

        Raises:
            StoppedError: Nobody does.
        """
        answer = self._get({})
        if isinstance(answer, Problem) and answer.code in ("connection", "address"):
            raise StoppedError(answer)

    def send(self, events: list[ImportEvent]) -> None:
        """Send a part, in smaller ones where it is too large for the server or for a proxy before it.

        Raises:
            StoppedError: It was not taken.
        """
        at = 0
        while at < len(events):
            part = events[at : at + self._most]
            if self._sent(part):
                at += len(part)

    def _sent(self, events: list[ImportEvent]) -> bool:
        """Send so many at once; False where they are too many: then fewer are sent from now on."""
        report = self._report
        report.unsure = len(events)
        answer, tries = self._post(b"[" + b",".join(event.text for event in events) + b"]", {})
        status = _status(answer)
        if status is not None and 400 <= status < 500 and status not in _AGAIN:
            report.unsure = 0
        if status == 413:
            if len(events) > 1:
                self._most = len(events) // 2
                return False
            report.reject(events[0].place, "larger than the server takes")
            return True
        taken = _taken(answer, _WHAT)
        if isinstance(answer, Answer) and (note := answer.headers.get(NOTE)) and note not in report.notes:
            report.notes.append(note)
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
        return True

    def finish(self) -> None:
        """Say which span the file covers: in it, a quarter-hour without calls is a true zero.

        Raises:
            StoppedError: That was not taken.
        """
        if self._report.span is None:
            return
        first, last = self._report.span
        answer, _ = self._post(b"", {"span_start": first.isoformat(), "span_end": last.isoformat()})
        _taken(answer, "The span of the import was not noted")

    def tell_refused(self) -> None:
        """Tell the console of the rows that were not sent, so that what it counts of the import is of the whole file.

        Once: what arrives twice would count twice.
        """
        report = self._report
        if not report.unsent:
            return
        named = dict(report.unsent.most_common(MOST_REASONS - 1))
        if rest := report.unsent.total() - sum(named.values()):
            named["other reasons"] = rest
        told = [{"reason": reason, "events": events} for reason, events in named.items()]
        path = f"/batches/{quote(report.batch_id, safe='')}/refused?{urlencode(self._named())}"
        answer = self._ask("POST", path, data=msgspec.json.encode({"refused": told}))
        if _status(answer) != 200:
            report.notes.append("the console could not be told of the rows that were not sent: it does not count them")

    def count_anew(self) -> None:
        """Ask what this import added, where an answer that did not come leaves it open.

        That tells what is there now. Of the part whose answer never came, more may be on its way: it stays unsure but
        for as many as were certainly added.
        """
        report = self._report
        if not (report.sent_twice or report.unsure):
            return
        answer = self._get({"batch_id": report.batch_id})
        if isinstance(answer, Problem) or answer.status != 200:
            return
        accepted = sum(batch["accepted"] for batch in answer.body["batches"] if batch["batch_id"] == report.batch_id)
        more = max(0, accepted - report.accepted)
        of_earlier = min(more, report.sent_twice)
        report.accepted += more
        report.duplicates -= of_earlier
        report.sent_twice = report.sent_twice - of_earlier if report.unsure else 0
        report.unsure = max(0, report.unsure - (more - of_earlier))

    def _post(self, body: bytes, more: dict[str, str]) -> tuple[Answer | Problem, int]:
        """Post a part, waiting while the server is busy or restarts: what arrives twice counts once.

        Returns:
            The last answer, and how often the part was sent.
        """
        report = self._report
        named = {"batch_id": report.batch_id, **self._named(), **more}
        deadline = time.monotonic() + _PATIENCE_S
        for tries in count(1):
            answer = self._ask("POST", f"/events?{urlencode(named)}", data=body)
            wait_s = _wait_s(answer, tries)
            if wait_s is None or time.monotonic() + wait_s > deadline:
                report.waiting = None
                return answer, tries
            report.waiting = "no answer" if _status(answer) is None else f"HTTP {_status(answer)}"
            self._told()
            time.sleep(wait_s)
        raise AssertionError("counting ended")

    def _named(self) -> dict[str, str]:
        """What every question says of the import."""
        default = litellm.DEFAULT_SOURCE if self._report.form == "LiteLLM" else "import"
        source = self._options.fixed.get("source") or default
        return {"kind": "import", "name": self._options.path.name[:500], "source": source}

    def _get(self, params: dict[str, str]) -> Answer | Problem:
        """What the server knows of imports."""
        return self._ask("GET", "/batches", params=params)

    def _ask(
        self, method: str, path: str, *, params: dict[str, str] | None = None, data: bytes | None = None
    ) -> Answer | Problem:
        headers = {"Authorization": f"Bearer {self._options.key}"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        return call_json(
            self._made,
            method,
            f"{self._options.url.rstrip('/')}{_ROOT}{path}",
            source=self._console,
            what=_WHAT,
            params=params,
            data=data,
            headers=headers,
            timeout_s=_TIMEOUT_S,
            accept_errors=True,
        )


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


def _sentence(text: str) -> str:
    """Words of an error as a sentence; a file's or an option's name keeps its letters."""
    first = text.split(" ", 1)[0]
    started = text[:1].upper() + text[1:] if first.isalpha() else text
    return started if started.endswith(".") else f"{started}."


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
